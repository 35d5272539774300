package main

import (
	"regexp"
	"strconv"
	"time"

	spec "github.com/NVIDIA/k8s-device-plugin/api/config/v1"

	"slicewright.io/testbed/internal/gfd"
)

// gfdInterval is how often GFD looks again by itself.
const gfdInterval = 60 * time.Second

// gfdLabel matches the labels that GFD writes and takes away again; others under nvidia.com are the
// Operator's, or somebody's switch.
var gfdLabel = regexp.MustCompile(`^nvidia\.com/(gfd\.timestamp|cuda\..*|vgpu\..*|m(ig|ps)\.` +
	`(capable|strategy)|(gpu|mig-[^.]*\.[^.]*(\.[^.]*)?)\.(product|count|replicas|` +
	`sharing-strategy|memory|machine|mode|family|compute\..*|multiprocessors|slices\..*|` +
	`engines\..*))$`)

// stepGFD runs GFD's pod: it labels the node after each start, each signal, and every minute.
func (s *scene) stepGFD() error {
	p := &s.n.gfd
	pod := s.partPod("gpu-feature-discovery")
	if pod == nil || pod.UID != p.uid {
		*p = pluginPod{}
	}
	if pod == nil {
		return nil
	}
	before := *p
	if s.stepConfigManager(p, pod) && p.config == nil && p.startAt.IsZero() && p.main.due(s) {
		p.startAt = s.now.Add(s.scaled(pluginStart))
	}
	if !p.startAt.IsZero() {
		if s.now.Before(p.startAt) {
			s.wake.set(p.startAt)
		} else {
			p.startAt = time.Time{}
			config, err := loadPluginConfig(p.text(), s.policy.MIG.Strategy)
			if err != nil {
				p.main.crash(s, err)
			} else {
				p.config, s.n.gfdAt = config, time.Time{}
			}
		}
	}
	if err := s.showProcesses(pod, p, &before); err != nil {
		return err
	}
	if p.config == nil {
		return nil
	}
	if due := s.n.gfdAt.Add(s.scaled(gfdInterval)); s.now.Before(due) {
		s.wake.set(due)
		return nil
	}
	s.n.gfdAt = s.now
	s.wake.set(s.now.Add(s.scaled(gfdInterval)))
	return s.writeGFDLabels(p.config)
}

func (s *scene) writeGFDLabels(config *spec.Config) error {
	wanted := gfd.Labels(s.gfdFacts(config))
	changes := map[string]any{}
	for key := range s.object.Labels {
		if _, keep := wanted[key]; !keep && gfdLabel.MatchString(key) {
			changes[key] = nil
		}
	}
	for key, value := range wanted {
		// The timestamp is that of GFD's start; it alone is no reason to write.
		old, there := s.object.Labels[key]
		if !there || old != value && key != "nvidia.com/gfd.timestamp" {
			changes[key] = value
		}
	}
	if len(changes) > 0 {
		changes["nvidia.com/gfd.timestamp"] = wanted["nvidia.com/gfd.timestamp"]
	}
	return s.patchLabels(s.ctx, s.n.name, changes)
}

func (s *scene) gfdFacts(config *spec.Config) *gfd.Facts {
	f := &gfd.Facts{
		Model: s.n.model, GPUs: len(s.n.hw.GPUs), Driver: s.n.hw.Driver,
		Machine:     s.object.Labels["node.kubernetes.io/instance-type"],
		MIGStrategy: *config.Flags.MigStrategy, Sharing: sharingOf(config, "nvidia.com/gpu"),
		Timestamp: s.now.Unix(),
	}
	counts := map[string]int{}
	empty := false
	for i := range s.n.hw.GPUs {
		g := &s.n.hw.GPUs[i]
		if !g.MIG {
			f.Whole++
			continue
		}
		empty = empty || len(g.Instances) == 0
		for _, instance := range g.Instances {
			counts[instance.Profile]++
		}
	}
	f.InvalidMIG = f.MIGStrategy == spec.MigStrategySingle && f.Whole < f.GPUs &&
		(empty || f.Whole > 0 || len(counts) > 1)
	for _, name := range sortedKeys(counts) {
		profile := s.n.mig.Find(name)
		resource := migResource(name)
		if f.MIGStrategy == spec.MigStrategySingle {
			resource = "nvidia.com/gpu"
		}
		engines := map[string]int{}
		for ours, theirs := range map[string]string{
			"copy": "copy", "dec": "decoder", "enc": "encoder", "jpeg": "jpeg", "ofa": "ofa",
		} {
			engines[theirs] = profile.Engines[ours]
		}
		f.Instances = append(f.Instances, gfd.Instance{
			Profile: name, Count: counts[name], MemoryMiB: profile.MemoryMiB,
			Multiprocessors: profile.SMCount, SlicesGI: profile.ComputeSlices,
			SlicesCI: profile.ComputeSlices, Engines: engines, Sharing: sharingOf(config, resource),
		})
	}
	return f
}

// sharingOf is what the config says of a resource.
func sharingOf(config *spec.Config, resource string) gfd.Sharing {
	for _, r := range config.Sharing.ReplicatedResources().Resources {
		if string(r.Name) == resource && r.Replicas > 1 {
			return gfd.Sharing{
				Replicas: r.Replicas, Strategy: string(config.Sharing.SharingStrategy()),
				Renamed: r.Rename != "",
			}
		}
	}
	return gfd.Exclusive
}

func itoa(i int) string { return strconv.Itoa(i) }

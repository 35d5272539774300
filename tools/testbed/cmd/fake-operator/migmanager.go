package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	migspec "github.com/NVIDIA/mig-parted/api/spec/v1"
	migtypes "github.com/NVIDIA/mig-parted/pkg/types"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"slicewright.io/testbed/internal/hardware"
	"slicewright.io/testbed/internal/mig"
)

const (
	migConfigLabel = "nvidia.com/mig.config"
	migStateLabel  = "nvidia.com/mig.config.state"
	paused         = "paused-for-mig-change"
)

// How long mig-manager's steps take.
const (
	migPodsTimeout = 5 * time.Minute  // waiting for the pods of GPU clients to go
	migResetTime   = 30 * time.Second // mode change and nvidia-smi -r of all GPUs
	migConfigTime  = 10 * time.Second // destroying and creating instances
)

type migPhase int

const (
	migIdle migPhase = iota
	migWaitPods
	migReset
	migApply
	migStuck // the real defect: a time-out leaves the labels paused and the state pending
)

// migManager is mig-manager's pod, by the GPU Operator's protocol of labels.
type migManager struct {
	uid      types.UID
	config   string // the label's value that was acted on last
	acted    bool
	phase    migPhase
	until    time.Time // of the phase
	made     int       // instances ever made here: each gets a UUID of its own
	lastLine string    // what went wrong last, for the state page
}

// target is what a config asks of one GPU; nil = the GPU is not matched.
type target struct {
	mig     bool
	devices migtypes.MigConfig
}

// stepMIGManager follows the label nvidia.com/mig.config.
func (s *scene) stepMIGManager() error {
	m := &s.n.manager
	pod := s.partPod("nvidia-mig-manager")
	if s.n.mig == nil || pod == nil {
		return nil
	}
	if pod.UID != m.uid {
		*m = migManager{uid: pod.UID, made: m.made} // a new process knows nothing of the old one
	}
	wanted := s.object.Labels[migConfigLabel]
	switch m.phase {
	case migIdle:
		if wanted == "" || m.acted && wanted == m.config {
			return nil
		}
		m.config, m.acted = wanted, true
		return s.beginMIG()
	case migWaitPods:
		return s.waitForClients()
	case migReset, migApply:
		if s.now.Before(m.until) {
			s.wake.set(m.until)
			return nil
		}
		return s.advanceMIG()
	case migStuck:
	}
	return nil
}

// beginMIG checks the config and stops the GPU's clients.
func (s *scene) beginMIG() error {
	targets, err := s.migTargets()
	if err != nil {
		return s.endMIG(err)
	}
	if s.migDone(targets) {
		return s.patchLabels(s.ctx, s.n.name, map[string]any{migStateLabel: "success"})
	}
	labels := map[string]any{migStateLabel: "pending"}
	for _, deploy := range clientDeploys {
		if s.object.Labels["nvidia.com/gpu.deploy."+deploy] == "true" {
			labels["nvidia.com/gpu.deploy."+deploy] = paused
		}
	}
	s.n.manager.phase = migWaitPods
	s.n.manager.until = s.now.Add(s.scaled(migPodsTimeout))
	s.wake.set(s.n.manager.until)
	return s.patchLabels(s.ctx, s.n.name, labels)
}

// clientDeploys are the parts that mig-manager stops while it works, clientApps their pods.
var (
	clientDeploys = []string{"device-plugin", "gpu-feature-discovery", "dcgm-exporter"}
	clientApps    = []string{
		"nvidia-device-plugin-daemonset", "gpu-feature-discovery", "nvidia-dcgm-exporter",
	}
)

func (s *scene) waitForClients() error {
	m := &s.n.manager
	if !s.now.Before(m.until) {
		m.phase, m.lastLine = migStuck, "timed out waiting for the pods of GPU clients"
		return nil
	}
	s.wake.set(m.until)
	if s.n.faults["mig"] == "stuck" || s.partPodsLeft(clientApps...) > 0 {
		return nil
	}
	targets, err := s.migTargets()
	if err != nil {
		return s.endMIG(err)
	}
	m.phase, m.until = migApply, s.now.Add(s.scaled(migConfigTime))
	if s.modeChanges(targets) {
		m.phase, m.until = migReset, s.now.Add(s.scaled(migResetTime))
	}
	s.wake.set(m.until)
	return nil
}

// advanceMIG does what the phase that just ended took its time for.
func (s *scene) advanceMIG() error {
	m := &s.n.manager
	if s.n.faults["mig"] == "fail" {
		return s.endMIG(errors.New("error setting MIGConfig: injected failure"))
	}
	targets, err := s.migTargets()
	if err != nil {
		return s.endMIG(err)
	}
	if m.phase == migReset {
		if err := s.setModes(targets); err != nil {
			return s.endMIG(err)
		}
		m.phase, m.until = migApply, s.now.Add(s.scaled(migConfigTime))
		s.wake.set(m.until)
		return s.saveHardware()
	}
	if s.n.faults["mig"] != "empty" {
		err = s.setConfigs(targets)
	}
	if saveErr := s.saveHardware(); saveErr != nil {
		return saveErr
	}
	return s.endMIG(err)
}

// endMIG writes the outcome and lets the clients run again.
func (s *scene) endMIG(outcome error) error {
	labels := map[string]any{migStateLabel: "success"}
	s.n.manager.lastLine = ""
	if outcome != nil {
		labels[migStateLabel] = "failed"
		s.n.manager.lastLine = outcome.Error()
		logf("%s: mig-manager: %v", s.n.name, outcome)
	}
	for _, deploy := range clientDeploys {
		if s.object.Labels["nvidia.com/gpu.deploy."+deploy] == paused {
			labels["nvidia.com/gpu.deploy."+deploy] = "true"
		}
	}
	s.n.manager.phase = migIdle
	// A change of the label while this one ran is acted on next.
	s.wake.set(s.now.Add(time.Millisecond))
	return s.patchLabels(s.ctx, s.n.name, labels)
}

// migTargets reads the config with nvidia-mig-parted's own parser and walks its entries: later ones
// override.
func (s *scene) migTargets() ([]*target, error) {
	configMap, err := s.configLister.ConfigMaps(operatorNamespace).Get(s.policy.MIGManager.Config.Name)
	if err != nil {
		return nil, err
	}
	return migTargets(configMap, s.n.manager.config, s.n.mig, len(s.n.hw.GPUs))
}

func migTargets(configMap *core.ConfigMap, name string, model *mig.Model, gpus int,
) ([]*target, error) {
	parsed := migspec.Spec{}
	if err := yaml.Unmarshal([]byte(configMap.Data["config.yaml"]), &parsed); err != nil {
		return nil, fmt.Errorf("error parsing config file: unmarshal error: %w", err)
	}
	entries, there := parsed.MigConfigs[name]
	if !there {
		return nil, fmt.Errorf("error selecting MIG config: selected mig-config not present: %s", name)
	}
	id, err := migtypes.NewDeviceIDFromString(model.PCIDevice())
	if err != nil {
		return nil, err
	}
	targets := make([]*target, gpus)
	for i := range entries {
		for g := range gpus {
			if entries[i].MatchesDeviceFilter(id) && entries[i].MatchesDevices(g) {
				targets[g] = &target{entries[i].MigEnabled, entries[i].MigDevices}
			}
		}
	}
	return targets, nil
}

// migDone is `nvidia-mig-parted assert`: every GPU is matched and as its target says.  A count of 0 is
// never as it says.
func (s *scene) migDone(targets []*target) bool {
	for i, t := range targets {
		g := &s.n.hw.GPUs[i]
		if t == nil || g.MIG != t.mig || !maps.Equal(layout(g), t.devices) {
			return false
		}
	}
	return true
}

func layout(g *hardware.GPU) map[string]int {
	counts := map[string]int{}
	for _, instance := range g.Instances {
		counts[instance.Profile]++
	}
	return counts
}

func (s *scene) modeChanges(targets []*target) bool {
	for i, t := range targets {
		if t != nil && s.n.hw.GPUs[i].MIG != t.mig {
			return true
		}
	}
	return false
}

// setModes switches MIG on or off.  Where that takes a reset, all GPUs of the node are reset in one
// call, and one that is in use makes it fail.
func (s *scene) setModes(targets []*target) error {
	for i := range s.n.hw.GPUs {
		g := &s.n.hw.GPUs[i]
		changes := targets[i] != nil && g.MIG != targets[i].mig
		if (changes || s.n.model.ModeNeedsReset()) && s.gpuBusy(g) {
			return fmt.Errorf("error setting MIG mode: GPU %d (%s): In use by another client", i, g.UUID)
		}
	}
	for i := range s.n.hw.GPUs {
		g := &s.n.hw.GPUs[i]
		if targets[i] != nil && g.MIG != targets[i].mig {
			g.MIG, g.Instances = targets[i].mig, nil
		}
	}
	return nil
}

// gpuBusy says whether a pod holds the GPU or an instance on it.
func (s *scene) gpuBusy(g *hardware.GPU) bool {
	return s.n.kubelet.busy(g.UUID) || slices.ContainsFunc(g.Instances,
		func(i hardware.Instance) bool { return s.n.kubelet.busy(i.UUID) })
}

// setConfigs rebuilds every GPU that differs: all its instances are destroyed first.
func (s *scene) setConfigs(targets []*target) error {
	for i, t := range targets {
		g := &s.n.hw.GPUs[i]
		if t == nil || !t.mig || maps.Equal(layout(g), t.devices) {
			continue
		}
		if s.gpuBusy(g) {
			return fmt.Errorf("error setting MIGConfig: error clearing MIGConfig: GPU %d (%s): "+
				"In use by another client", i, g.UUID)
		}
		g.Instances = nil
		if err := s.build(g, t.devices); err != nil {
			return fmt.Errorf("error setting MIGConfig: %w", err)
		}
	}
	return nil
}

func (s *scene) build(g *hardware.GPU, devices migtypes.MigConfig) error {
	// mig-parted's own Flatten() asks NVML about names, and gives nothing where there is none.
	var profiles []*mig.Profile
	for _, name := range sortedKeys(devices) {
		profile := s.n.mig.Find(name)
		if profile == nil {
			return fmt.Errorf("error getting GPU instance profile info for '%s': Not Supported", name)
		}
		for range devices[name] {
			profiles = append(profiles, profile)
		}
	}
	sort.SliceStable(profiles, func(i, j int) bool {
		return profiles[i].ComputeSlices > profiles[j].ComputeSlices
	})
	placed, err := s.n.mig.Build(profiles)
	if err != nil {
		return err
	}
	for _, p := range placed {
		s.n.manager.made++
		id := freeInstanceID(g, p.Profile)
		g.Instances = append(g.Instances, hardware.Instance{
			Profile: p.Profile.Name, ID: id, Start: p.Start,
			UUID: hardware.InstanceUUID(g.UUID, id, int(s.now.UnixNano())+s.n.manager.made),
		})
	}
	sort.Slice(g.Instances, func(i, j int) bool { return g.Instances[i].ID < g.Instances[j].ID })
	return nil
}

// freeInstanceID numbers instances as drivers do: 0 for the whole GPU, from 1 for halves, from 3
// for quarters, from 7 for the smallest.
func freeInstanceID(g *hardware.GPU, p *mig.Profile) int {
	first := 7
	switch {
	case p.ComputeSlices >= 7:
		first = 0
	case p.ComputeSlices >= 3:
		first = 1
	case p.ComputeSlices == 2:
		first = 3
	}
	for id := first; ; id++ {
		if !slices.ContainsFunc(g.Instances, func(i hardware.Instance) bool { return i.ID == id }) {
			return id
		}
	}
}

// defaultMIGConfig is the config that mig-manager generates: all-disabled, all-enabled and one
// entry for each profile, by device id.
func defaultMIGConfig(catalog mig.Catalog) string {
	configs := map[string][]map[string]any{
		"all-disabled": {{"devices": "all", "mig-enabled": false}},
		"all-enabled":  {{"devices": "all", "mig-enabled": true, "mig-devices": map[string]int{}}},
	}
	for _, key := range sortedKeys(catalog) {
		model := catalog[key]
		if model.PCIDevice() == "" {
			continue
		}
		for i := range model.Profiles {
			p := &model.Profiles[i]
			name := "all-" + strings.ReplaceAll(p.Name, "+", ".")
			configs[name] = append(configs[name], map[string]any{
				"device-filter": []string{model.PCIDevice()}, "devices": "all", "mig-enabled": true,
				"mig-devices": map[string]int{p.Name: p.MaxInstances},
			})
		}
	}
	text, err := yaml.Marshal(map[string]any{"version": "v1", "mig-configs": configs})
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return string(text)
}

// The state page shows these.
func (m *migManager) phaseName() string {
	return [...]string{"idle", "waiting for pods", "resetting", "applying", "stuck"}[m.phase]
}

package main

import (
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	spec "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	"github.com/urfave/cli/v2"

	"slicewright.io/testbed/internal/hardware"
)

// device is what the plugin offers under one id.
type device struct {
	id     string // "GPU-x", or "GPU-x::3" for a replica
	parent string // UUID of the GPU or of the MIG instance
}

// loadPluginConfig reads a config file with NVIDIA's own parser and does after it what the plugin's
// main() does.  The errors are those that the plugin ends with.
func loadPluginConfig(text, migStrategy string) (*spec.Config, error) {
	config, err := parsePluginConfig(text, migStrategy)
	if err != nil {
		return nil, fmt.Errorf("error starting plugins: unable to load config: "+
			"unable to finalize config: %w", err)
	}
	spec.DisableResourceNamingInConfig(config)
	if err := checkPluginFlags(config); err != nil {
		return nil, fmt.Errorf("error starting plugins: unable to validate flags: %w", err)
	}
	return config, nil
}

// parsePluginConfig hands the file to the parser with the options that the GPU Operator gives the
// plugin.  SOURCE: an environment variable wins over the file, so the ClusterPolicy's MIG strategy
// does, when it has one.
func parsePluginConfig(text, migStrategy string) (*spec.Config, error) {
	file, err := os.CreateTemp("", "plugin-config-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		return nil, err
	}

	var config *spec.Config
	app := cli.NewApp()
	app.Flags = []cli.Flag{
		&cli.StringFlag{Name: "config-file"},
		&cli.StringFlag{Name: "mig-strategy", Value: spec.MigStrategyNone},
		&cli.StringFlag{Name: "mps-root"},
		&cli.StringFlag{Name: "device-id-strategy", Value: spec.DeviceIDStrategyUUID},
		&cli.StringSliceFlag{
			Name: "device-list-strategy", Value: cli.NewStringSlice(spec.DeviceListStrategyEnvVar),
		},
		&cli.StringFlag{Name: "device-discovery-strategy", Value: "auto"},
	}
	app.Action = func(c *cli.Context) error {
		parsed, err := spec.NewConfig(c, app.Flags)
		config = parsed
		return err
	}
	app.ExitErrHandler = func(*cli.Context, error) {}
	args := []string{"nvidia-device-plugin", "--config-file=" + file.Name()}
	if migStrategy != "" {
		args = append(args, "--mig-strategy="+migStrategy)
	}
	err = app.Run(args)
	return config, err
}

// checkPluginFlags is validateFlags() of the plugin's main(), which cannot be imported.
func checkPluginFlags(config *spec.Config) error {
	if config.Sharing.SharingStrategy() == spec.SharingStrategyMPS {
		if *config.Flags.MigStrategy == spec.MigStrategyMixed {
			return fmt.Errorf("using --mig-strategy=mixed is not supported with MPS")
		}
		if config.Flags.MpsRoot == nil || *config.Flags.MpsRoot == "" {
			return fmt.Errorf("using MPS requires --mps-root to be specified")
		}
	}
	switch *config.Flags.MigStrategy {
	case spec.MigStrategyNone, spec.MigStrategySingle, spec.MigStrategyMixed:
		return nil
	}
	return fmt.Errorf("unknown MIG strategy: %v", *config.Flags.MigStrategy)
}

// offered is what the plugin registers: devices by resource name, in order of GPU and replica.
func offered(h *hardware.Node, config *spec.Config) (map[string][]device, error) {
	plain, err := plainDevices(h, *config.Flags.MigStrategy)
	if err != nil {
		return nil, fmt.Errorf("error starting plugins: error getting plugins: unable to create "+
			"plugins: failed to construct resource managers: error building device map: "+
			"error building device map from config.resources: %w", err)
	}
	shared := map[string]*spec.ReplicatedResource{}
	for i := range config.Sharing.ReplicatedResources().Resources {
		r := &config.Sharing.ReplicatedResources().Resources[i]
		shared[string(r.Name)] = r
	}
	result := map[string][]device{}
	for name, devices := range plain {
		r := shared[name]
		if r == nil {
			result[name] = append(result[name], devices...)
			continue
		}
		if r.Rename != "" {
			name = string(r.Rename)
		}
		for _, d := range devices {
			for n := range r.Replicas {
				result[name] = append(result[name],
					device{fmt.Sprintf("%s::%d", d.id, n), d.parent})
			}
		}
	}
	return result, nil
}

// plainDevices are the devices before sharing, by MIG strategy.
func plainDevices(h *hardware.Node, strategy string) (map[string][]device, error) {
	result := map[string][]device{}
	add := func(name, uuid string) { result[name] = append(result[name], device{uuid, uuid}) }
	whole, instances := 0, map[string]bool{}
	for i := range h.GPUs {
		g := &h.GPUs[i]
		if !g.MIG || strategy == spec.MigStrategyNone {
			add("nvidia.com/gpu", g.UUID)
			whole++
			continue
		}
		if strategy == spec.MigStrategySingle && len(g.Instances) == 0 {
			return nil, fmt.Errorf("invalid MIG configuration: at least one device with "+
				"migEnabled=true was not configured correctly: error visiting device: "+
				"device %d has no MIG devices configured", i)
		}
		for _, instance := range g.Instances {
			instances[instance.Profile] = true
			if strategy == spec.MigStrategySingle {
				add("nvidia.com/gpu", instance.UUID)
			} else {
				add(migResource(instance.Profile), instance.UUID)
			}
		}
	}
	if strategy == spec.MigStrategySingle && len(instances) > 1 {
		return nil, fmt.Errorf("invalid MIG configuration: more than one MIG device type present " +
			"on node")
	}
	if strategy == spec.MigStrategySingle && len(instances) > 0 && whole > 0 {
		return nil, fmt.Errorf("all devices on the node must be configured with the same " +
			"migEnabled value")
	}
	return result, nil
}

func migResource(profile string) string {
	return "nvidia.com/mig-" + strings.ReplaceAll(profile, "+", ".")
}

// isReplica says whether a device id is one of several of the same device.
func isReplica(id string) bool { return strings.Contains(id, "::") }

// parentOf is the UUID in a device id.
func parentOf(id string) string {
	parent, _, _ := strings.Cut(id, "::")
	return parent
}

// prefer orders free devices as the plugin's GetPreferredAllocation does: whole devices in their
// order, replicas from the GPU of which the least are in use.
func prefer(all []device, free []string, count int) []string {
	order := map[string]int{}
	used := map[string]int{}
	for i, d := range all {
		order[d.id] = i
		used[d.parent]++
	}
	for _, id := range free {
		used[parentOf(id)]--
	}
	candidates := slices.Clone(free)
	var chosen []string
	for len(chosen) < count && len(candidates) > 0 {
		sort.SliceStable(candidates, func(i, j int) bool {
			a, b := candidates[i], candidates[j]
			if isReplica(a) && used[parentOf(a)] != used[parentOf(b)] {
				return used[parentOf(a)] < used[parentOf(b)]
			}
			return order[a] < order[b]
		})
		used[parentOf(candidates[0])]++
		chosen = append(chosen, candidates[0])
		candidates = candidates[1:]
	}
	return chosen
}

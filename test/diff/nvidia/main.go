// Package main asks NVIDIA's own parsers for their verdict on configs, one after the other.
//
// A request on standard input is a line "device-plugin N" or "mig-parted N" and N bytes of config.
// The answer on standard output is one line: "ok WHAT WAS READ" or "no WHY".
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	plugin "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	parted "github.com/NVIDIA/mig-parted/api/spec/v1"
	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"
)

// The plugin's flags that a config file can set, with its defaults; mps-root as its chart sets it.
var pluginFlags = []cli.Flag{
	&cli.StringFlag{Name: "mig-strategy", Value: plugin.MigStrategyNone},
	&cli.BoolFlag{Name: "fail-on-init-error", Value: true},
	&cli.StringFlag{Name: "driver-root", Aliases: []string{"nvidia-driver-root"}, Value: "/"},
	&cli.StringFlag{Name: "dev-root", Aliases: []string{"nvidia-dev-root"}},
	&cli.BoolFlag{Name: "pass-device-specs"},
	&cli.StringSliceFlag{Name: "device-list-strategy", Value: cli.NewStringSlice(plugin.DeviceListStrategyEnvVar)},
	&cli.StringFlag{Name: "device-id-strategy", Value: plugin.DeviceIDStrategyUUID},
	&cli.BoolFlag{Name: "gdrcopy-enabled", Value: true},
	&cli.BoolFlag{Name: "gds-enabled", Value: true},
	&cli.BoolFlag{Name: "mofed-enabled", Value: true},
	&cli.StringFlag{Name: "cdi-annotation-prefix", Value: plugin.DefaultCDIAnnotationPrefix},
	&cli.StringFlag{Name: "nvidia-cdi-hook-path", Aliases: []string{"nvidia-ctk-path"}, Value: plugin.DefaultNvidiaCTKPath},
	&cli.StringFlag{Name: "driver-root-ctr-path", Aliases: []string{"container-driver-root"}, Value: plugin.DefaultContainerDriverRoot},
	&cli.StringFlag{Name: "mps-root", Value: "/run/nvidia/mps"},
	&cli.StringFlag{Name: "device-discovery-strategy", Value: "auto"},
	&cli.IntSliceFlag{Name: "imex-channel-ids"},
	&cli.BoolFlag{Name: "imex-required"},
	&cli.StringFlag{Name: "config-file"},
}

// loadPlugin reads a file as the plugin does: its own NewConfig with flags at their defaults.
func loadPlugin(path string) (config *plugin.Config, err error) {
	app := cli.NewApp()
	app.Flags = pluginFlags
	app.Action = func(c *cli.Context) error {
		config, err = plugin.NewConfig(c, pluginFlags)
		return err
	}
	if runErr := app.Run([]string{"plugin", "--config-file", path}); runErr != nil {
		return nil, runErr
	}
	return config, err
}

// checkPlugin restates what the plugin's main checks before it looks at the node.  The recordings
// in test/fake/recorded hold what the real program said to configs that end here.
func checkPlugin(c *plugin.Config) error {
	if _, err := plugin.NewDeviceListStrategies(*c.Flags.Plugin.DeviceListStrategy); err != nil {
		return err
	}
	one := func(flag, value string, words ...string) error {
		for _, word := range words {
			if value == word {
				return nil
			}
		}
		return fmt.Errorf("%s: %q", flag, value)
	}
	if err := one("deviceIDStrategy", *c.Flags.Plugin.DeviceIDStrategy, "uuid", "index"); err != nil {
		return err
	}
	if c.Sharing.SharingStrategy() == plugin.SharingStrategyMPS && *c.Flags.MigStrategy == "mixed" {
		return fmt.Errorf("mps with migStrategy mixed")
	}
	if err := one("deviceDiscoveryStrategy", *c.Flags.DeviceDiscoveryStrategy, "auto", "nvml", "tegra"); err != nil {
		return err
	}
	if err := one("migStrategy", *c.Flags.MigStrategy, "none", "single", "mixed"); err != nil {
		return err
	}
	return plugin.AssertChannelIDsValid(c.Imex.ChannelIDs)
}

// digits in an answer that both sides can hold
func bounded(n int) int {
	return min(n, 1<<20)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func sharing(name string, s *plugin.ReplicatedResources) string {
	if s == nil || len(s.Resources) == 0 {
		return ""
	}
	text := " " + name + " rename=" + flag(s.RenameByDefault) + " fail=" + flag(s.FailRequestsGreaterThanOne)
	for _, r := range s.Resources {
		text += fmt.Sprintf(" %s=%d", r.Name, bounded(r.Replicas))
	}
	return text
}

func askPlugin(path string) (string, error) {
	c, err := loadPlugin(path)
	if err != nil {
		return "", err
	}
	if err := checkPlugin(c); err != nil {
		return "", err
	}
	return *c.Flags.MigStrategy + sharing("timeSlicing", &c.Sharing.TimeSlicing) + sharing("mps", c.Sharing.MPS), nil
}

func entry(e *parted.MigConfigSpec) string {
	text := " {devices="
	if e.MatchesAllDevices() {
		text += "all"
	} else {
		for i := 0; i < 64; i++ {
			text += flag(e.MatchesDevices(i))
		}
	}
	text += " enabled=" + flag(e.MigEnabled)
	var names []string
	for name := range e.MigDevices {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text += fmt.Sprintf(" %s=%d", name, e.MigDevices[name])
	}
	switch filter := e.DeviceFilter.(type) {
	case string:
		if filter != "" {
			text += " filter=" + filter
		}
	case []string:
		for _, f := range filter {
			text += " filter=" + f
		}
	}
	return text + "}"
}

func askParted(config []byte) (string, error) {
	var spec parted.Spec
	if err := yaml.Unmarshal(config, &spec); err != nil {
		return "", err
	}
	var names []string
	for name := range spec.MigConfigs {
		names = append(names, name)
	}
	sort.Strings(names)
	text := ""
	for _, name := range names {
		text += " " + name + ":"
		for i := range spec.MigConfigs[name] {
			text += entry(&spec.MigConfigs[name][i])
		}
	}
	return strings.TrimPrefix(text, " "), nil
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}

func serve(in *bufio.Reader, out *bufio.Writer, path string) error {
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var part string
		var size int
		if _, err := fmt.Sscanf(line, "%s %d\n", &part, &size); err != nil || size < 0 || size > 1<<20 {
			return fmt.Errorf("request %q: expected PART SIZE", line)
		}
		config := make([]byte, size)
		if _, err := io.ReadFull(in, config); err != nil {
			return err
		}
		var answer string
		switch part {
		case "device-plugin":
			if err := os.WriteFile(path, config, 0o600); err != nil {
				return err
			}
			answer, err = askPlugin(path)
		case "mig-parted":
			answer, err = askParted(config)
		default:
			return fmt.Errorf("request %q: no such part", line)
		}
		if err != nil {
			fmt.Fprintf(out, "no %s\n", oneLine(err.Error()))
		} else {
			fmt.Fprintf(out, "ok %s\n", oneLine(answer))
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func main() {
	file, err := os.CreateTemp("", "nvidia-oracle-*.yaml")
	if err == nil {
		file.Close()
		err = serve(bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout), file.Name())
		os.Remove(file.Name())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

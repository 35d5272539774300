package main

import (
	"fmt"
	"strings"
	"testing"

	"slicewright.io/testbed/internal/gpu"
	"slicewright.io/testbed/internal/hardware"
)

// What NVIDIA's parser says, and what the plugin makes of it.
func TestPluginConfig(t *testing.T) {
	model, err := gpu.Find("A100-80GB")
	if err != nil {
		t.Fatal(err)
	}
	h := hardware.New("n", model, 2, "570.133.20")
	mixed := hardware.New("n", model, 2, "570.133.20")
	mixed.GPUs[1].MIG = true
	mixed.GPUs[1].Instances = []hardware.Instance{{Profile: "1g.10gb+me", UUID: "MIG-a"}}
	share := func(options string) string {
		return "version: v1\nsharing:\n  timeSlicing: {" + options +
			"resources: [{name: nvidia.com/gpu, replicas: 3}]}\n"
	}
	for _, c := range []struct {
		name, text, strategy string
		h                    *hardware.Node
		want                 string // resources, or the end of the error
	}{
		{"empty", "", "", h, "nvidia.com/gpu=2"},
		{"exclusive", "version: v1\n", "", h, "nvidia.com/gpu=2"},
		{"shared", share(""), "", h, "nvidia.com/gpu=6"},
		{"renamed", share("renameByDefault: true, "), "", h, "nvidia.com/gpu.shared=6"},
		{
			"the article's form", "sharing: {timeSlicing: {replicas: 4}}", "", h,
			"!error parsing config file: unmarshal error: error unmarshaling JSON: " +
				"while decoding JSON: no resources specified",
		},
		{"version", "version: v2", "", h, "!error parsing config file: unknown version: v2"},
		{"one replica", strings.Replace(share(""), "3", "1", 1), "", h, "!must be >= 2"},
		{
			"mps", strings.Replace(share(""), "timeSlicing", "mps", 1), "", h,
			"!using MPS requires --mps-root to be specified",
		},
		{"mixed", "flags: {migStrategy: mixed}", "", mixed,
			"nvidia.com/gpu=1 nvidia.com/mig-1g.10gb.me=1"},
		{"the policy's strategy wins", "flags: {migStrategy: mixed}", "none", mixed,
			"nvidia.com/gpu=2"},
		{"single with both", "", "single", mixed,
			"!all devices on the node must be configured with the same migEnabled value"},
	} {
		got := ""
		config, err := loadPluginConfig(c.text, c.strategy)
		if err == nil {
			var resources map[string][]device
			if resources, err = offered(c.h, config); err == nil {
				for _, name := range sortedKeys(resources) {
					got += fmt.Sprintf(" %s=%d", name, len(resources[name]))
				}
				got = strings.TrimSpace(got)
			}
		}
		if tail, isError := strings.CutPrefix(c.want, "!"); isError {
			if err == nil || !strings.HasSuffix(err.Error(), tail) {
				t.Errorf("%s: %q, %v: expected an error ending in %q", c.name, got, err, tail)
			}
		} else if err != nil || got != c.want {
			t.Errorf("%s: %q, %v: expected %q", c.name, got, err, c.want)
		}
	}
}

func TestPrefer(t *testing.T) {
	var all []device
	var free []string
	for _, gpu := range []string{"GPU-a", "GPU-b"} {
		for n := range 2 {
			id := fmt.Sprintf("%s::%d", gpu, n)
			all = append(all, device{id, gpu})
			free = append(free, id)
		}
	}
	if got := fmt.Sprint(prefer(all, free, 3)); got != "[GPU-a::0 GPU-b::0 GPU-a::1]" {
		t.Errorf("all free: %s", got)
	}
	if got := fmt.Sprint(prefer(all, free[1:], 1)); got != "[GPU-b::0]" {
		t.Errorf("one of the first GPU is in use: %s", got)
	}
}

// twoGPUs is a node with GPU-a and GPU-b.
func twoGPUs() *hardware.Node {
	return &hardware.Node{
		Model: "A100-80GB", Driver: "570.133.20",
		GPUs: []hardware.GPU{{UUID: "GPU-a"}, {UUID: "GPU-b"}},
	}
}

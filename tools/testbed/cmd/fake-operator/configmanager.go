package main

import (
	"fmt"
	"strconv"
	"strings"

	core "k8s.io/api/core/v1"
)

// configManager is how config-manager was told to work.
type configManager struct {
	byDefault  string   // DEFAULT_CONFIG
	strategies []string // FALLBACK_STRATEGIES
	actsFirst  bool     // before it has seen its node, as if that had no label
}

// configManagerOf reads the settings that the Operator gave a pod's container.
func (s *scene) configManagerOf(pod *core.Pod) *configManager {
	c := &configManager{}
	for i := range pod.Spec.Containers {
		container := &pod.Spec.Containers[i]
		if container.Name != "config-manager" {
			continue
		}
		_, version, _ := strings.Cut(container.Image, ":")
		c.actsFirst = actsFirst(version)
		for _, e := range container.Env {
			switch {
			case e.Name == "DEFAULT_CONFIG":
				c.byDefault = e.Value
			case e.Name == "FALLBACK_STRATEGIES" && e.Value != "":
				c.strategies = strings.Split(e.Value, ",")
			}
		}
	}
	return c
}

// actsFirst says whether a version of config-manager acts before it has seen its node: from v0.18.2
// on (k8s-device-plugin issue 1645).
func actsFirst(version string) bool {
	at := []int{0, 18, 2}
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", len(at))
	for i := range at {
		if i == len(parts) {
			return false
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil || n != at[i] {
			return err == nil && n > at[i]
		}
	}
	return true
}

// choose is config-manager's updateConfig: it moves the link for a value of the label, and says
// whether the plugin is to be signalled.
func (p *pluginPod) choose(label string, c *configManager) (signal bool, err error) {
	key, err := p.key(label, c)
	if err != nil {
		return false, err
	}
	if p.linked {
		if p.link == key {
			return false, nil
		}
		// A link to a key that was deleted dangles: it is not found, and not replaced either.
		if _, there := p.mount[p.link]; p.link != "" && !there {
			target := "/dev/null"
			if key != "" {
				target = "/available-configs/" + key
			}
			return false, fmt.Errorf("error creating symlink: symlink %s /config/config.yaml: "+
				"file exists", target)
		}
	}
	signal = p.linked
	p.link, p.linked = key, true
	return signal, nil
}

// key is config-manager's updateConfigName: the file for a value of the label, "" for none.
func (p *pluginPod) key(label string, c *configManager) (string, error) {
	if len(p.mount) == 0 {
		return "", fmt.Errorf("no configuration files available")
	}
	key := label
	if key == "" {
		key = c.byDefault
	}
	if key != "" {
		if _, there := p.mount[key]; !there {
			return "", fmt.Errorf("specified config %s does not exist", label)
		}
		return key, nil
	}
	for _, strategy := range c.strategies {
		switch strategy {
		case "named":
			if _, there := p.mount["default"]; there {
				return "default", nil
			}
		case "single":
			if len(p.mount) == 1 {
				return sortedKeys(p.mount)[0], nil
			}
		case "empty":
			return "", nil
		default:
			return "", fmt.Errorf("unknown fallback strategy: %s", strategy)
		}
	}
	return "", fmt.Errorf("no config was set, no default was provided, and all fallbacks failed")
}

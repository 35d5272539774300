// Package nodes reads the file that says of what nodes a cluster is made (docs/CLUSTER.md,
// "Nodes").
package nodes

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"slicewright.io/testbed/internal/gpu"
)

// Group is one entry of the file: nodes of a kind.
type Group struct {
	Name         string            `json:"name"` // names are NAME-0, NAME-1, ...
	Count        int               `json:"count"`
	Model        string            `json:"model"` // a GPU model, "" = nodes without GPUs
	GPUs         int               `json:"gpus"`
	Driver       string            `json:"driver"`
	InstanceType string            `json:"instanceType"`
	Region       string            `json:"region"`
	Zone         string            `json:"zone"`
	Spot         bool              `json:"spot"`
	CPU          string            `json:"cpu"`
	Memory       string            `json:"memory"`
	Pods         int               `json:"pods"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Taints       []core.Taint      `json:"taints"`
}

// File is the whole file.
type File struct {
	Nodes []Group `json:"nodes"`
}

// Node is one node to make.
type Node struct {
	Name  string
	Group *Group
	Model *gpu.Model // nil without GPUs
}

const (
	countMax = 20000
	gpusMax  = 16
)

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,200}[a-z0-9])?$`)

// Load reads a file; each error names the file, the entry and the value.
func Load(path string) ([]Node, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil {
		return nil, err
	}
	list, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Parse reads the text of a file.
func Parse(text []byte) ([]Node, error) {
	var f File
	if err := yaml.UnmarshalStrict(text, &f); err != nil {
		return nil, err
	}
	if len(f.Nodes) == 0 {
		return nil, errors.New("expected a list `nodes` with at least one entry")
	}
	var list []Node
	names := map[string]bool{}
	for i := range f.Nodes {
		g := &f.Nodes[i]
		model, err := g.check()
		if err != nil {
			return nil, fmt.Errorf("nodes[%d]: %w", i, err)
		}
		if names[g.Name] {
			return nil, fmt.Errorf("nodes[%d]: name %q is used twice", i, g.Name)
		}
		names[g.Name] = true
		for n := range g.Count {
			list = append(list, Node{Name: fmt.Sprintf("%s-%d", g.Name, n), Group: g, Model: model})
		}
	}
	if len(list) > countMax {
		return nil, fmt.Errorf("%d nodes: expected at most %d", len(list), countMax)
	}
	return list, nil
}

// check fills what is left out and refuses what cannot be made.
func (g *Group) check() (*gpu.Model, error) {
	if g.Name == "" {
		g.Name = strings.ToLower(g.Model)
	}
	if !validName.MatchString(g.Name) {
		return nil, fmt.Errorf("name %q: expected a DNS label of a-z, 0-9, - and .", g.Name)
	}
	if g.Count < 1 {
		return nil, fmt.Errorf("count %d: expected at least 1", g.Count)
	}
	setDefault(&g.Driver, "570.133.20")
	setDefault(&g.CPU, "96")
	setDefault(&g.Memory, "1024Gi")
	setDefault(&g.Region, "us-east-1")
	setDefault(&g.Zone, g.Region+"a")
	if g.Pods == 0 {
		g.Pods = 110
	}
	for _, quantity := range []string{g.CPU, g.Memory} {
		if _, err := resource.ParseQuantity(quantity); err != nil {
			return nil, fmt.Errorf("%q: expected a quantity such as 96 or 1024Gi", quantity)
		}
	}
	if g.Model == "" {
		if g.GPUs != 0 {
			return nil, fmt.Errorf("gpus %d without a model", g.GPUs)
		}
		return nil, nil
	}
	model, err := gpu.Find(g.Model)
	if err != nil {
		return nil, err
	}
	if g.GPUs == 0 {
		g.GPUs = 8
	}
	if g.GPUs < 1 || g.GPUs > gpusMax {
		return nil, fmt.Errorf("gpus %d: expected 1 to %d", g.GPUs, gpusMax)
	}
	setDefault(&g.InstanceType, fmt.Sprintf("gpu-%dx-%s", g.GPUs, strings.ToLower(g.Model)))
	return model, nil
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}

// CloudLabels are those that the cloud and the node's autoscaler write.
func (n *Node) CloudLabels() map[string]string {
	labels := map[string]string{
		"kubernetes.io/hostname":        n.Name,
		"kubernetes.io/arch":            "amd64",
		"kubernetes.io/os":              "linux",
		"topology.kubernetes.io/region": n.Group.Region,
		"topology.kubernetes.io/zone":   n.Group.Zone,
		"karpenter.sh/capacity-type":    "on-demand",
	}
	if n.Group.Spot {
		labels["karpenter.sh/capacity-type"] = "spot"
	}
	if n.Group.InstanceType != "" {
		labels["node.kubernetes.io/instance-type"] = n.Group.InstanceType
	}
	maps.Copy(labels, n.Group.Labels)
	return labels
}

// Resources are what the node has beside GPUs.
func (n *Node) Resources() core.ResourceList {
	return core.ResourceList{
		core.ResourceCPU:              resource.MustParse(n.Group.CPU),
		core.ResourceMemory:           resource.MustParse(n.Group.Memory),
		core.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		core.ResourcePods:             *resource.NewQuantity(int64(n.Group.Pods), resource.DecimalSI),
	}
}

// Package mig places MIG instances on a GPU as the driver does, by the tables of
// data/mig/catalog.json.
package mig

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
)

// Profile is one kind of GPU instance of a model.
type Profile struct {
	Name          string         `json:"name"`
	ComputeSlices int            `json:"compute_slices"`
	Units         int            `json:"units"`
	MaxInstances  int            `json:"max_instances"`
	Starts        []int          `json:"starts"`
	MemoryMiB     int            `json:"memory_mib"`
	SMCount       int            `json:"sm_count"`
	Engines       map[string]int `json:"engines"`
}

// Model is a GPU model that can do MIG.
type Model struct {
	Key          string            `json:"key"`
	PCI          map[string]string `json:"pci_device_ids"`
	Units        int               `json:"units"`
	EngineTotals map[string]int    `json:"engine_totals"`
	Profiles     []Profile         `json:"profiles"`
}

// Catalog is all models by key.
type Catalog map[string]*Model

// Load reads the catalog.
func Load(path string) (Catalog, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Models []*Model `json:"models"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	catalog := Catalog{}
	for _, m := range file.Models {
		catalog[m.Key] = m
	}
	return catalog, nil
}

// Find returns the profile of a name, or nil.
func (m *Model) Find(name string) *Profile {
	for i := range m.Profiles {
		if m.Profiles[i].Name == name {
			return &m.Profiles[i]
		}
	}
	return nil
}

// PCIDevice is the device id that stands for the model: the first in order of its number.
func (m *Model) PCIDevice() string {
	ids := make([]string, 0, len(m.PCI))
	for id := range m.PCI {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// Placed is an instance at its place.
type Placed struct {
	Profile *Profile
	Start   int
}

// place finds where the driver would put one more instance.  SOURCE: MIG User Guide, where two 3g
// instances come out as 4:4 and 0:4, and seven 1g as 0:1 to 6:1.
func (m *Model) place(there []Placed, p *Profile) (int, bool) {
	same := 0
	engines := map[string]int{}
	for _, t := range there {
		if t.Profile == p {
			same++
		}
		for engine, count := range t.Profile.Engines {
			engines[engine] += count
		}
	}
	if same >= p.MaxInstances {
		return 0, false
	}
	for engine, total := range m.EngineTotals {
		if engines[engine]+p.Engines[engine] > total {
			return 0, false
		}
	}
	starts := slices.Clone(p.Starts)
	if p.ComputeSlices == 3 {
		slices.Reverse(starts)
	}
	for _, start := range starts {
		free := !slices.ContainsFunc(there, func(t Placed) bool {
			return start < t.Start+t.Profile.Units && t.Start < start+p.Units
		})
		if free {
			return start, true
		}
	}
	return 0, false
}

// Build creates instances one after the other, in the order given first, then in others, until an
// order is found in which all fit, as nvidia-mig-parted does.
func (m *Model) Build(wanted []*Profile) ([]Placed, error) {
	var failed error
	for order := slices.Clone(wanted); order != nil; order = nextOrder(wanted, order) {
		var there []Placed
		for _, p := range order {
			start, ok := m.place(there, p)
			if !ok {
				failed = fmt.Errorf("error creating GPU instance for '%s': Insufficient Resources",
					p.Name)
				there = nil
				break
			}
			there = append(there, Placed{p, start})
		}
		if there != nil || len(wanted) == 0 {
			return there, nil
		}
	}
	return nil, failed
}

// nextOrder is the next permutation, by the position that a profile has in `wanted`; nil at the
// end.  Equal profiles count as one, so that 7 times 1g is one order and not 5040.
func nextOrder(wanted, order []*Profile) []*Profile {
	rank := func(p *Profile) int { return slices.Index(wanted, p) }
	i := len(order) - 2
	for i >= 0 && rank(order[i]) >= rank(order[i+1]) {
		i--
	}
	if i < 0 {
		return nil
	}
	j := len(order) - 1
	for rank(order[j]) <= rank(order[i]) {
		j--
	}
	order[i], order[j] = order[j], order[i]
	slices.Reverse(order[i+1:])
	return order
}

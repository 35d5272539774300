package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured"
)

// Case is one line of batch input (docs/dra.md).
type Case struct {
	Slices          []*resourceapi.ResourceSlice   `json:"slices,omitempty"`
	Classes         []*resourceapi.DeviceClass     `json:"classes,omitempty"`
	Claims          []*resourceapi.ResourceClaim   `json:"claims,omitempty"`
	AllocatedClaims []*resourceapi.ResourceClaim   `json:"allocatedClaims,omitempty"`
	TaintRules      []*resourceapi.DeviceTaintRule `json:"taintRules,omitempty"`
	Node            *corev1.Node                   `json:"node,omitempty"`
	Variant         string                         `json:"variant,omitempty"`
	Features        map[string]bool                `json:"features,omitempty"`
}

// Answer is one line of batch output.
type Answer struct {
	Outcome     string                         `json:"outcome"`
	Allocations []resourceapi.AllocationResult `json:"allocations,omitempty"`
	Message     string                         `json:"message,omitempty"`
	Steps       int64                          `json:"steps,omitempty"`
	Pruned      bool                           `json:"pruned,omitempty"`
}

// classes is upstream's lister over the case's classes.
type classes []*resourceapi.DeviceClass

func (c classes) List() ([]*resourceapi.DeviceClass, error) { return c, nil }

func (c classes) Get(name string) (*resourceapi.DeviceClass, error) {
	for _, class := range c {
		if class.Name == name {
			return class, nil
		}
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{}, name)
}

func featuresOf(names map[string]bool) structured.Features {
	return structured.Features{
		AdminAccess:             names["AdminAccess"],
		CompatibilityGroups:     names["CompatibilityGroups"],
		ConsumableCapacity:      names["ConsumableCapacity"],
		DerivedAttributes:       names["DerivedAttributes"],
		DeviceBindingAndStatus:  names["DeviceBindingAndStatus"],
		DeviceTaints:            names["DeviceTaints"],
		FractionalCapacityRange: names["FractionalCapacityRange"],
		ListTypeAttributes:      names["ListTypeAttributes"],
		OptionalNodeOperations:  names["OptionalNodeOperations"],
		PartitionableDevices:    names["PartitionableDevices"],
		PrioritizedList:         names["PrioritizedList"],
	}
}

// take adds what an allocation holds, as the scheduler's plugin does.
func take(state *structured.AllocatedState, allocation *resourceapi.AllocationResult, consumable bool) {
	if allocation == nil {
		return
	}
	for _, r := range allocation.Devices.Results {
		if r.AdminAccess != nil && *r.AdminAccess {
			continue
		}
		id := structured.MakeDeviceID(r.Driver, r.Pool, r.Device)
		if !consumable || r.ShareID == nil {
			state.AllocatedDevices.Insert(id)
			continue
		}
		state.AllocatedSharedDeviceIDs.Insert(structured.MakeSharedDeviceID(id, r.ShareID))
		if r.ConsumedCapacity != nil {
			state.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(id, r.ConsumedCapacity))
		}
	}
}

func newState() structured.AllocatedState {
	return structured.AllocatedState{
		AllocatedDevices:         sets.New[structured.DeviceID](),
		AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
		AggregatedCapacity:       structured.NewConsumedCapacityCollection(),
	}
}

// taint applies the rules as the slice tracker does before the allocator sees the slices.
func taint(slices []*resourceapi.ResourceSlice, rules []*resourceapi.DeviceTaintRule) []*resourceapi.ResourceSlice {
	var out []*resourceapi.ResourceSlice
	for _, slice := range slices {
		slice = slice.DeepCopy()
		for _, rule := range rules {
			selector := rule.Spec.DeviceSelector
			if selector == nil ||
				selector.Driver != nil && *selector.Driver != slice.Spec.Driver ||
				selector.Pool != nil && *selector.Pool != slice.Spec.Pool.Name {
				continue
			}
			for i := range slice.Spec.Devices {
				device := &slice.Spec.Devices[i]
				if selector.Device == nil || *selector.Device == device.Name {
					device.Taints = append(device.Taints, rule.Spec.Taint)
				}
			}
		}
		out = append(out, slice)
	}
	return out
}

// caches keep compiled expressions over cases, as the scheduler does over pods.
var caches = map[cel.Features]*cel.Cache{}

func cacheFor(features cel.Features) *cel.Cache {
	if caches[features] == nil {
		caches[features] = cel.NewCache(100, features)
	}
	return caches[features]
}

// upstreamLimit bounds one call; past it the case is not compared.
const upstreamLimit = 500 * time.Millisecond

func upstream(c *Case) Answer {
	ctx, cancel := context.WithTimeout(context.Background(), upstreamLimit)
	defer cancel()
	variant := c.Variant
	if variant == "" {
		variant = "incubating"
	}
	structured.EnableAllocators(variant)
	features := featuresOf(c.Features)
	cache := cacheFor(cel.Features{
		EnableConsumableCapacity: features.ConsumableCapacity,
		EnableListTypeAttributes: features.ListTypeAttributes,
	})
	state := newState()
	for _, claim := range c.AllocatedClaims {
		take(&state, claim.Status.Allocation, features.ConsumableCapacity)
	}
	allocator, err := structured.NewAllocator(ctx, features, state, classes(c.Classes),
		taint(c.Slices, c.TaintRules), cache)
	if err != nil {
		return Answer{Outcome: "error", Message: err.Error()}
	}
	results, err := allocator.Allocate(ctx, c.Node, c.Claims)
	switch {
	case ctx.Err() != nil:
		return Answer{Outcome: "timeout", Message: fmt.Sprint(err)}
	case errors.Is(err, structured.ErrFailedAllocationOnNode):
		return Answer{Outcome: "node-error", Message: err.Error()}
	case err != nil:
		return Answer{Outcome: "error", Message: err.Error()}
	case results == nil:
		return Answer{Outcome: "no-fit"}
	}
	return Answer{Outcome: "allocated", Allocations: results}
}

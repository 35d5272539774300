// Package slicewright runs Kubernetes' own allocator tests with slicewright's allocator behind their
// interface.
//
// Go's rule on internal packages looks at import paths only, so this module bears a name below
// k8s.io/dynamic-resource-allocation/structured.  SLICEWRIGHT_BIN names the program.
package slicewright

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"testing"

	v1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured/internal"
	"k8s.io/dynamic-resource-allocation/structured/internal/allocatortesting"
	"k8s.io/dynamic-resource-allocation/structured/internal/experimental"
	"k8s.io/dynamic-resource-allocation/structured/internal/incubating"
)

// program is a running `slicewright dra allocate --batch`.
type program struct {
	in  io.Writer
	out *bufio.Reader
}

func start(t *testing.T) *program {
	bin := os.Getenv("SLICEWRIGHT_BIN")
	if bin == "" {
		t.Skip("SLICEWRIGHT_BIN is not set")
	}
	cmd := exec.Command(bin, "dra", "allocate", "--batch")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the program: %v", err)
		}
	})
	return &program{in, bufio.NewReaderSize(out, 1<<20)}
}

// allocator is upstream's interface over the program.
type allocator struct {
	program *program
	channel internal.AllocatorChannel
	line    map[string]any
	slices  []*resourceapi.ResourceSlice
	steps   int64
}

func (a *allocator) Channel() internal.AllocatorChannel { return a.channel }

func (a *allocator) GetStats() internal.Stats {
	return internal.Stats{NumAllocateOneInvocations: a.steps}
}

func (a *allocator) Allocate(ctx context.Context, node *v1.Node, claims []*resourceapi.ResourceClaim) ([]resourceapi.AllocationResult, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("filter operation aborted: %w", ctx.Err())
	}
	a.line["node"] = node
	a.line["claims"] = claims
	text, err := json.Marshal(a.line)
	if err != nil {
		return nil, err
	}
	text = exact(text, claims)
	if _, err := a.program.in.Write(append(text, '\n')); err != nil {
		return nil, err
	}
	text, err = a.program.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer struct {
		Outcome     string
		Allocations []resourceapi.AllocationResult
		Message     string
		Steps       int64
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	a.steps = answer.Steps
	switch answer.Outcome {
	case "allocated":
		for i := range answer.Allocations {
			a.restore(answer.Allocations[i].Devices.Results, claims)
		}
		return answer.Allocations, nil
	case "no-fit":
		return nil, nil
	case "node-error":
		return nil, fmt.Errorf("%s%w", answer.Message, internal.ErrFailedAllocationOnNode)
	}
	return nil, errors.New(answer.Message)
}

// exact repairs requests that Go prints wrongly: 10^21 and its like become "1".
func exact(text []byte, claims []*resourceapi.ResourceClaim) []byte {
	for _, claim := range claims {
		for _, request := range claim.Spec.Devices.Requests {
			if request.Exactly == nil || request.Exactly.Capacity == nil {
				continue
			}
			for name, q := range request.Exactly.Capacity.Requests {
				q = q.DeepCopy()
				if read := resource.MustParse(q.String()); read.Cmp(q) == 0 {
					continue
				}
				wrong := fmt.Sprintf("{%q:%q}", name, q.String())
				text = bytes.ReplaceAll(text, []byte(wrong), []byte(fmt.Sprintf("{%q:%q}", name, q.AsDec().String())))
			}
		}
	}
	return text
}

// restore gives back what JSON does not carry and the table compares: empty lists that are not nil,
// and the Go form of quantities (format, scale), which is that of the object they were taken from,
// else of the step that rounded them.
func (a *allocator) restore(results []resourceapi.DeviceRequestAllocationResult, claims []*resourceapi.ResourceClaim) {
	for i := range results {
		for _, slice := range a.slices {
			for _, device := range slice.Spec.Devices {
				if device.Name == results[i].Device && slice.Spec.Pool.Name == results[i].Pool &&
					len(device.BindingFailureConditions) == len(results[i].BindingFailureConditions) {
					results[i].BindingFailureConditions = device.BindingFailureConditions
				}
			}
		}
		for name, value := range results[i].ConsumedCapacity {
			results[i].ConsumedCapacity[name] = a.original(&results[i], name, value, claims)
		}
	}
}

func (a *allocator) original(r *resourceapi.DeviceRequestAllocationResult, name resourceapi.QualifiedName,
	value resource.Quantity, claims []*resourceapi.ResourceClaim) resource.Quantity {
	var forms []resource.Quantity
	for _, slice := range a.slices {
		for _, device := range slice.Spec.Devices {
			capacity, ok := device.Capacity[name]
			if !ok || device.Name != r.Device || slice.Spec.Driver != r.Driver || slice.Spec.Pool.Name != r.Pool {
				continue
			}
			if p := capacity.RequestPolicy; p != nil {
				if p.ValidRange != nil && p.ValidRange.Step != nil && len(requested(claims, name)) > 0 {
					if milli := value.MilliValue(); milli%1000 != 0 {
						return *resource.NewMilliQuantity(milli, p.ValidRange.Step.Format)
					}
					return *resource.NewQuantity(value.Value(), p.ValidRange.Step.Format)
				}
				if p.Default != nil {
					forms = append(forms, *p.Default)
				}
				if p.ValidRange != nil && p.ValidRange.Min != nil {
					forms = append(forms, *p.ValidRange.Min)
				}
				forms = append(forms, p.ValidValues...)
			}
			forms = append(forms, capacity.Value)
		}
	}
	for _, form := range append(forms, requested(claims, name)...) {
		// By text: that is all that JSON carries (and it prints 10^21 as "1").
		if text := form.DeepCopy(); text.String() == value.String() {
			return form.DeepCopy()
		}
	}
	return value
}

func requested(claims []*resourceapi.ResourceClaim, name resourceapi.QualifiedName) []resource.Quantity {
	var out []resource.Quantity
	add := func(c *resourceapi.CapacityRequirements) {
		if c != nil {
			if q, ok := c.Requests[name]; ok {
				out = append(out, q)
			}
		}
	}
	for _, claim := range claims {
		for _, request := range claim.Spec.Devices.Requests {
			if request.Exactly != nil {
				add(request.Exactly.Capacity)
			}
			for _, sub := range request.FirstAvailable {
				add(sub.Capacity)
			}
		}
	}
	return out
}

// held turns upstream's state into claims that hold as much.
func held(state internal.AllocatedState) []*resourceapi.ResourceClaim {
	var results []resourceapi.DeviceRequestAllocationResult
	for id := range state.AllocatedDevices {
		results = append(results, resourceapi.DeviceRequestAllocationResult{
			Driver: id.Driver.String(), Pool: id.Pool.String(), Device: id.Device.String()})
	}
	for id := range state.AllocatedSharedDeviceIDs {
		share := types.UID(id.ShareID.String())
		results = append(results, resourceapi.DeviceRequestAllocationResult{
			Driver: id.Driver.String(), Pool: id.Pool.String(), Device: id.Device.String(), ShareID: &share})
	}
	for id, consumed := range state.AggregatedCapacity {
		share := types.UID("aggregated")
		r := resourceapi.DeviceRequestAllocationResult{
			Driver: id.Driver.String(), Pool: id.Pool.String(), Device: id.Device.String(), ShareID: &share}
		text, _ := json.Marshal(consumed)
		_ = json.Unmarshal(text, &r.ConsumedCapacity)
		results = append(results, r)
	}
	claim := &resourceapi.ResourceClaim{}
	claim.Status.Allocation = &resourceapi.AllocationResult{}
	claim.Status.Allocation.Devices.Results = results
	return []*resourceapi.ResourceClaim{claim}
}

func names(features internal.Features) map[string]bool {
	out := map[string]bool{}
	v := reflect.ValueOf(features)
	for i := range v.NumField() {
		out[v.Type().Field(i).Name] = v.Field(i).Bool()
	}
	return out
}

func run(t *testing.T, variant internal.AllocatorChannel, supported internal.Features) {
	p := start(t)
	newAllocator := func(_ context.Context, features internal.Features, state internal.AllocatedState,
		classes internal.DeviceClassLister, slices []*resourceapi.ResourceSlice, _ *cel.Cache) (internal.Allocator, error) {
		list, err := classes.List()
		if err != nil {
			return nil, err
		}
		return &allocator{program: p, channel: variant, slices: slices, line: map[string]any{
			"variant": variant, "features": names(features), "slices": slices, "classes": list,
			"allocatedClaims": held(state)}}, nil
	}
	allocatortesting.TestAllocator(t, supported, newAllocator)
	allocatortesting.TestLexicographicalAllocator(t, supported, newAllocator)
}

func TestIncubating(t *testing.T) { run(t, internal.Incubating, incubating.SupportedFeatures) }

func TestExperimental(t *testing.T) { run(t, internal.Experimental, experimental.SupportedFeatures) }

// Package main is bench/dra with Kubernetes' allocator: the same objects on standard input (dra
// --emit), the same claims in the same order, the same nodes asked.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured"
)

type cluster struct {
	slices  []*resourceapi.ResourceSlice
	nodes   []*corev1.Node
	claims  []*resourceapi.ResourceClaim
	classes []*resourceapi.DeviceClass
	state   structured.AllocatedState
}

func (c *cluster) List() ([]*resourceapi.DeviceClass, error) { return c.classes, nil }

func (c *cluster) Get(name string) (*resourceapi.DeviceClass, error) {
	for _, class := range c.classes {
		if class.Name == name {
			return class, nil
		}
	}
	return nil, fmt.Errorf("no class %s", name)
}

func (c *cluster) take(results []resourceapi.DeviceRequestAllocationResult) {
	for _, r := range results {
		c.state.AllocatedDevices.Insert(structured.MakeDeviceID(r.Driver, r.Pool, r.Device))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "drabench:", err)
		os.Exit(2)
	}
}

func decode[T any](line []byte) *T {
	out := new(T)
	check(json.Unmarshal(line, out))
	return out
}

func (c *cluster) add(line []byte) {
	var kind struct{ Kind string }
	check(json.Unmarshal(line, &kind))
	switch kind.Kind {
	case "Node":
		c.nodes = append(c.nodes, decode[corev1.Node](line))
	case "ResourceSlice":
		c.slices = append(c.slices, decode[resourceapi.ResourceSlice](line))
	case "DeviceClass":
		c.classes = append(c.classes, decode[resourceapi.DeviceClass](line))
	case "ResourceClaim":
		claim := decode[resourceapi.ResourceClaim](line)
		if claim.Status.Allocation == nil {
			c.claims = append(c.claims, claim)
		} else {
			c.take(claim.Status.Allocation.Devices.Results)
		}
	}
}

func fnv(text string, seed uint64) uint64 {
	h := uint64(0xcbf29ce484222325) ^ seed
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return h
}

// memory reads a line of /proc/self/status in MiB.
func memory(key string) int {
	text, err := os.ReadFile("/proc/self/status")
	check(err)
	for _, line := range strings.Split(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key+":" {
			kib, _ := strconv.Atoi(fields[1])
			return kib / 1024
		}
	}
	return 0
}

// tally is what a run came to.
type tally struct{ allocated, asked, answers uint64 }

// allocate is what the scheduler does for one pod after the other: an allocator each, then nodes.
func (c *cluster) allocate(t *tally, cache *cel.Cache, count uint64, first []string) {
	features := structured.Features{AdminAccess: true, ConsumableCapacity: true, DeviceBindingAndStatus: true,
		DeviceTaints: true, FractionalCapacityRange: true, PartitionableDevices: true, PrioritizedList: true}
	ctx := context.Background()
	for i := range count {
		claim := []*resourceapi.ResourceClaim{c.claims[i%4]}
		allocator, err := structured.NewAllocator(ctx, features, c.state, c, c.slices, cache)
		check(err)
		at, err := strconv.Atoi(first[i])
		check(err)
		for k := range c.nodes {
			node := c.nodes[(at+k)%len(c.nodes)]
			results, err := allocator.Allocate(ctx, node, claim)
			check(err)
			t.asked++
			if results != nil {
				r := results[0].Devices.Results
				t.answers = fnv(node.Name+"/"+r[0].Device, t.answers)
				c.take(r)
				t.allocated++
				break
			}
		}
	}
}

func main() {
	runs := flag.Int("runs", 5, "the median of so many, each from the same state")
	count := flag.Uint64("claims", 2000, "claims to allocate")
	starts := flag.String("starts", "", "file with the node each claim begins at, one a line")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	c := &cluster{state: structured.AllocatedState{AllocatedDevices: sets.New[structured.DeviceID]()}}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			c.add(line)
		}
		if err != nil {
			break
		}
	}
	text, err := os.ReadFile(*starts)
	check(err)
	first := strings.Fields(string(text))
	devices := 0
	for _, s := range c.slices {
		devices += len(s.Spec.Devices)
	}
	debug.FreeOSMemory()
	check(os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // VmHWM begins anew
	loaded := memory("VmRSS")
	var took []time.Duration
	var r tally
	for range *runs {
		state := c.state.AllocatedDevices.Clone()
		cache := cel.NewCache(100, cel.Features{EnableConsumableCapacity: true})
		r = tally{}
		began := time.Now()
		c.allocate(&r, cache, *count, first)
		took = append(took, time.Since(began))
		c.state.AllocatedDevices = state
	}
	slices.Sort(took)
	median := took[len(took)/2]
	fmt.Printf("{\"who\": \"upstream\", \"nodes\": %d, \"devices\": %d, \"allocated\": %d, \"asked\": %d, "+
		"\"answers\": \"%016x\", \"median_milliseconds\": %d, \"allocations_per_second\": %d, \"loaded_mib\": %d, \"above_loaded_mib\": %d}\n",
		len(c.nodes), devices, r.allocated, r.asked, r.answers, median.Milliseconds(),
		uint64(float64(r.allocated)/median.Seconds()), loaded, memory("VmHWM")-loaded)
}

// Package gfd writes the labels of NVIDIA's GPU feature discovery.
//
// Source: NVIDIA k8s-device-plugin, internal/lm, for GPUs that NVML sees.
package gfd

import (
	"maps"
	"strconv"
	"strings"

	"slicewright.io/testbed/internal/gpu"
)

// cudaMinor is the version of the CUDA driver API that goes with a branch of the driver: 12.x.
var cudaMinor = map[string]string{
	"525": "0", "530": "1", "535": "2", "545": "3", "550": "4", "555": "5", "560": "6", "565": "7",
	"570": "8", "575": "9",
}

// cuda is the version that a driver brings: 13.0 with the newest branch here.
func cuda(branch string) (major, minor string) {
	if minor, ok := cudaMinor[branch]; ok {
		return "12", minor
	}
	return "13", "0"
}

// Sharing is what a device plugin config says of one resource.
type Sharing struct {
	Replicas int
	Strategy string // none, time-slicing or mps
	Renamed  bool
}

// Exclusive is a resource that nobody shares.
var Exclusive = Sharing{Replicas: 1, Strategy: "none"}

// Instance is one kind of MIG instance on the node.
type Instance struct {
	Profile         string // "1g.10gb", "1g.10gb+me"
	Count           int
	MemoryMiB       int
	Multiprocessors int
	SlicesGI        int
	SlicesCI        int
	Engines         map[string]int // copy, decoder, encoder, jpeg, ofa
	Sharing         Sharing
}

// Facts are what GFD sees of a node.
type Facts struct {
	Model       *gpu.Model
	GPUs        int // physical, with those in MIG mode
	Whole       int // of these not in MIG mode
	Driver      string
	Machine     string
	MIGStrategy string // none, single or mixed
	Sharing     Sharing
	Instances   []Instance
	InvalidMIG  bool // the rules of strategy single are broken
	Timestamp   int64
}

// Labels are all labels that GFD would write.
func Labels(f *Facts) map[string]string {
	labels := driverLabels(f.Driver)
	labels["nvidia.com/gfd.timestamp"] = strconv.FormatInt(f.Timestamp, 10)
	labels["nvidia.com/gpu.machine"] = f.Machine
	labels["nvidia.com/gpu.mode"] = "compute"
	labels["nvidia.com/mig.capable"] = strconv.FormatBool(f.Model.MIG != "")
	labels["nvidia.com/mps.capable"] = strconv.FormatBool(f.Sharing.Strategy == "mps")
	labels["nvidia.com/vgpu.present"] = "false"
	maps.Copy(labels, wholeLabels(f))
	if f.MIGStrategy == "none" {
		return labels
	}
	labels["nvidia.com/mig.strategy"] = f.MIGStrategy
	if f.InvalidMIG {
		maps.Copy(labels, map[string]string{
			"nvidia.com/gpu.product": f.Model.Product() + "-MIG-INVALID", "nvidia.com/gpu.count": "0",
			"nvidia.com/gpu.replicas": "0", "nvidia.com/gpu.sharing-strategy": "",
			"nvidia.com/gpu.memory": "0",
		})
		return labels
	}
	for i := range f.Instances {
		maps.Copy(labels, instanceLabels(f, &f.Instances[i]))
	}
	return labels
}

func driverLabels(driver string) map[string]string {
	parts := append(strings.SplitN(driver, ".", 3), "", "")
	cudaMajor, cudaMinor := cuda(parts[0])
	labels := map[string]string{"nvidia.com/cuda.driver-version.full": driver}
	for key, value := range map[string]string{
		"driver.major": parts[0], "driver-version.major": parts[0],
		"driver.minor": parts[1], "driver-version.minor": parts[1],
		"driver.rev": parts[2], "driver-version.revision": parts[2],
		"runtime.major": cudaMajor, "runtime-version.major": cudaMajor,
		"runtime.minor": cudaMinor, "runtime-version.minor": cudaMinor,
		"runtime-version.full": cudaMajor + "." + cudaMinor,
	} {
		labels["nvidia.com/cuda."+key] = value
	}
	return labels
}

// wholeLabels describe nvidia.com/gpu.  Where every GPU is in MIG mode sharing is not said of it:
// replicas 0.
func wholeLabels(f *Facts) map[string]string {
	sharing := f.Sharing
	product := f.Model.Product()
	if f.Whole == 0 {
		sharing = Sharing{Replicas: 0, Strategy: "none"}
	} else if sharing.Replicas > 1 && !sharing.Renamed {
		product += "-SHARED"
	}
	return map[string]string{
		"nvidia.com/gpu.product":          product,
		"nvidia.com/gpu.count":            strconv.Itoa(f.GPUs),
		"nvidia.com/gpu.replicas":         strconv.Itoa(sharing.Replicas),
		"nvidia.com/gpu.sharing-strategy": sharing.Strategy,
		"nvidia.com/gpu.memory":           strconv.Itoa(f.Model.MemoryMiB),
		"nvidia.com/gpu.family":           f.Model.Family(),
		"nvidia.com/gpu.compute.major":    strconv.Itoa(f.Model.Major),
		"nvidia.com/gpu.compute.minor":    strconv.Itoa(f.Model.Minor),
	}
}

func instanceLabels(f *Facts, i *Instance) map[string]string {
	profile := strings.ReplaceAll(i.Profile, "+", ".")
	prefix := "nvidia.com/mig-" + profile + "."
	if f.MIGStrategy == "single" {
		prefix = "nvidia.com/gpu."
	}
	product := f.Model.Product() + "-MIG-" + profile
	if i.Sharing.Replicas > 1 && !i.Sharing.Renamed {
		product += "-SHARED"
	}
	labels := map[string]string{
		prefix + "product":          product,
		prefix + "count":            strconv.Itoa(i.Count),
		prefix + "replicas":         strconv.Itoa(i.Sharing.Replicas),
		prefix + "sharing-strategy": i.Sharing.Strategy,
		prefix + "memory":           strconv.Itoa(i.MemoryMiB),
		prefix + "multiprocessors":  strconv.Itoa(i.Multiprocessors),
		prefix + "slices.gi":        strconv.Itoa(i.SlicesGI),
		prefix + "slices.ci":        strconv.Itoa(i.SlicesCI),
	}
	for engine, count := range i.Engines {
		labels[prefix+"engines."+engine] = strconv.Itoa(count)
	}
	return labels
}

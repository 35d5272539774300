// Package gpu knows the GPU models that nodes can be made of: what NVML and GFD say of each.
//
// Keys and product names are those of src/model/gpu.c; gpu_test.go holds the two together.
package gpu

import (
	"fmt"
	"strings"
)

// Model is one kind of GPU.
type Model struct {
	Key       string // as the C program's GPU table has it
	Name      string // as NVML has it; GFD writes it with dashes
	MemoryMiB int    // total, as nvidia-smi prints it
	Major     int    // CUDA compute capability
	Minor     int
	MIG       string // its key in data/mig/catalog.json, "" without MIG
}

// Models are sorted as in the C table.
var Models = []Model{
	{"A100-40GB", "NVIDIA A100-SXM4-40GB", 40960, 8, 0, "A100-40GB"},
	{"A100-80GB", "NVIDIA A100-SXM4-80GB", 81920, 8, 0, "A100-80GB"},
	{"A30-24GB", "NVIDIA A30", 24576, 8, 0, "A30-24GB"},
	{"H100-80GB", "NVIDIA H100 80GB HBM3", 81559, 9, 0, "H100-80GB-SXM5"},
	{"H100-80GB-PCIe", "NVIDIA H100 PCIe", 81559, 9, 0, "H100-80GB-PCIe"},
	{"H100-94GB-NVL", "NVIDIA H100 NVL", 95830, 9, 0, "H100-NVL-94GB"},
	{"GH200-96GB", "NVIDIA GH200 480GB", 97871, 9, 0, "GH200-96GB"},
	{"H20-96GB", "NVIDIA H20", 97871, 9, 0, "H20-96GB"},
	{"H200-141GB", "NVIDIA H200", 143771, 9, 0, "H200-141GB"},
	{"B200-180GB", "NVIDIA B200", 183359, 10, 0, "B200-180GB"},
	{"GB200-186GB", "NVIDIA GB200", 189471, 10, 0, "GB200-186GB"},
	{"GB300-278GB", "NVIDIA GB300", 284208, 10, 3, "GB300-278GB"},
	{
		"RTX-PRO-6000-Blackwell-96GB", "NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887, 12, 0,
		"RTX-PRO-6000-Blackwell-96GB",
	},
	{"L40S", "NVIDIA L40S", 46068, 8, 9, ""},
	{"L4", "NVIDIA L4", 23034, 8, 9, ""},
	{"A10G", "NVIDIA A10G", 23028, 8, 6, ""},
	{"T4", "Tesla T4", 15360, 7, 5, ""},
	{"V100-16GB", "Tesla V100-SXM2-16GB", 16384, 7, 0, ""},
	{"V100-32GB", "Tesla V100-SXM2-32GB", 32768, 7, 0, ""},
}

// Find returns the model of a key; the error names the keys there are.
func Find(key string) (*Model, error) {
	var keys []string
	for i := range Models {
		if Models[i].Key == key {
			return &Models[i], nil
		}
		keys = append(keys, Models[i].Key)
	}
	return nil, fmt.Errorf("no GPU model %q; the models are: %s", key, strings.Join(keys, ", "))
}

// Product is the name as a label value: GFD drops odd characters and joins words by dashes.
func (m *Model) Product() string { return strings.Join(strings.Fields(m.Name), "-") }

// Family is the architecture's name as GFD has it.
func (m *Model) Family() string {
	switch {
	case m.Major == 7 && m.Minor < 5:
		return "volta"
	case m.Major == 7:
		return "turing"
	case m.Major == 8 && m.Minor < 9:
		return "ampere"
	case m.Major == 8:
		return "ada-lovelace"
	case m.Major == 9:
		return "hopper"
	case m.Major == 10, m.Major == 12:
		return "blackwell"
	}
	return "undefined"
}

// ModeNeedsReset says whether switching MIG on or off needs a reset of the GPU: GA100 only.
func (m *Model) ModeNeedsReset() bool { return m.MIG != "" && m.Major == 8 }

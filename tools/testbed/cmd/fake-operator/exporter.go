package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"slicewright.io/testbed/internal/hardware"
)

// exporter is dcgm-exporter's pod: an HTTP server on the pod's own address.
type exporter struct {
	address string
	server  *http.Server
}

const collectInterval = 30 * time.Second // dcgm-exporter's default

// series is one line of an exporter.
type series struct {
	metric string
	labels [][2]string
	value  float64
}

// stepExporter serves while the pod runs.
func (s *scene) stepExporter() error {
	e := &s.n.exporter
	pod := s.partPod("nvidia-dcgm-exporter")
	address := ""
	if pod != nil && pod.Status.PodIP != "" && s.n.faults["metrics"] != "gone" {
		address = net.JoinHostPort(pod.Status.PodIP, itoa(s.options.exporterPort))
	}
	if address == e.address {
		return nil
	}
	s.n.closeExporter()
	if address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("dcgm-exporter: %w", err)
	}
	n, w := s.n, s.world
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = out.Write([]byte(exporterText(w.seriesAt(n, time.Now()))))
	})
	mux.HandleFunc("GET /health", func(out http.ResponseWriter, _ *http.Request) {
		_, _ = out.Write([]byte("OK\n"))
	})
	e.address = address
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.server.Serve(listener) }()
	return nil
}

func (n *node) closeExporter() {
	if n.exporter.server != nil {
		_ = n.exporter.server.Close()
	}
	n.exporter = exporter{}
}

// seriesAt is all that the exporter of a node would say at a time.
func (w *world) seriesAt(n *node, t time.Time) []series {
	n.mu.Lock()
	defer n.mu.Unlock()
	interval := w.scaled(collectInterval)
	at := t.Truncate(interval)
	if n.faults["metrics"] == "stale" {
		at = w.began
	}
	w.mu.Lock()
	everyPod := w.policy.virtualGPUs()
	w.mu.Unlock()
	var all []series
	for i := range n.hw.GPUs {
		c := collector{world: w, n: n, index: i, at: at, t: t, everyPod: everyPod}
		all = append(all, c.gpu(&n.hw.GPUs[i])...)
	}
	return all
}

// collector makes the lines of one GPU.
type collector struct {
	world    *world
	n        *node
	index    int
	at, t    time.Time
	everyPod bool
}

func (c *collector) gpu(g *hardware.GPU) []series {
	labels := [][2]string{
		{"gpu", itoa(c.index)}, {"UUID", g.UUID},
		{"pci_bus_id", fmt.Sprintf("00000000:%02X:00.0", 7+c.index*8)},
		{"device", "nvidia" + itoa(c.index)}, {"modelName", c.n.model.Name},
	}
	if !g.MIG {
		return c.device(g.UUID, labels, c.n.model.MemoryMiB, false)
	}
	var all []series
	for _, instance := range g.Instances {
		with := append(labels[:len(labels):len(labels)],
			[2]string{"GPU_I_PROFILE", instance.Profile}, [2]string{"GPU_I_ID", itoa(instance.ID)})
		memory := c.n.mig.Find(instance.Profile).MemoryMiB
		all = append(all, c.device(instance.UUID, with, memory, true)...)
	}
	return all
}

// device makes the lines of a GPU or an instance: once, or once for each pod that shares it.
func (c *collector) device(uuid string, labels [][2]string, memoryMiB int, instance bool) []series {
	labels = append(labels, [2]string{"hostname", c.n.name},
		[2]string{"DCGM_FI_DRIVER_VERSION", c.n.hw.Driver})
	holders := c.n.heldAt(uuid, c.t)
	values := c.values(holders, memoryMiB, instance)
	withLabels := func(labels [][2]string) []series {
		result := make([]series, len(values))
		for i, v := range values {
			result[i] = series{v.metric, labels, v.value}
		}
		return result
	}
	if len(holders) == 0 {
		return withLabels(labels)
	}
	if !c.everyPod {
		holders = holders[len(holders)-1:] // the last one seen wins
	}
	var all []series
	for _, h := range holders {
		with := append(labels[:len(labels):len(labels)], [2]string{"container", h.ctr},
			[2]string{"namespace", h.namespace}, [2]string{"pod", h.pod})
		if _, replica, shared := strings.Cut(h.id, "::"); shared && c.everyPod {
			with = append(with, [2]string{"vgpu", replica})
		}
		all = append(all, withLabels(with)...)
	}
	return all
}

// values adds up what the holders do: every pod that shares a GPU gets the same whole-GPU values.
func (c *collector) values(holders []holder, memoryMiB int, instance bool) []series {
	second := int64(c.at.Sub(c.world.began).Seconds() * c.world.options.usageScale)
	var sum sample
	for i := range holders {
		one := c.world.usage.at(&holders[i], second)
		sum.busy += one.busy
		sum.sm += one.sm
		sum.memory += one.memory
		sum.memoryMiB += one.memoryMiB
	}
	busy, sm, dram := min(sum.busy, 1000), min(sum.sm, 1000), min(sum.memory, 1000)
	reserved := memoryMiB / 100
	used := min(sum.memoryMiB, memoryMiB-reserved)
	ratio := func(permille int) float64 { return float64(permille) / 1000 }
	values := []series{
		{metric: "DCGM_FI_DEV_FB_FREE", value: float64(memoryMiB - reserved - used)},
		{metric: "DCGM_FI_DEV_FB_USED", value: float64(used)},
		{metric: "DCGM_FI_DEV_FB_RESERVED", value: float64(reserved)},
		{metric: "DCGM_FI_DEV_XID_ERRORS", value: 0},
		{metric: "DCGM_FI_PROF_GR_ENGINE_ACTIVE", value: ratio(busy)},
		{metric: "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", value: ratio(sm / 3)},
		{metric: "DCGM_FI_PROF_DRAM_ACTIVE", value: ratio(dram)},
	}
	if !instance {
		values = append([]series{
			{metric: "DCGM_FI_DEV_GPU_TEMP", value: float64(30 + busy/25)},
			{metric: "DCGM_FI_DEV_POWER_USAGE", value: float64(60 + busy*3/10)},
			{metric: "DCGM_FI_DEV_GPU_UTIL", value: float64((busy + 5) / 10)},
			{metric: "DCGM_FI_DEV_MEM_COPY_UTIL", value: float64((dram + 5) / 10)},
		}, values...)
	}
	if c.world.options.smMetrics {
		values = append(values, series{metric: "DCGM_FI_PROF_SM_ACTIVE", value: ratio(sm)},
			series{metric: "DCGM_FI_PROF_SM_OCCUPANCY", value: ratio(sm / 2)})
	}
	return values
}

var metricHelp = map[string][2]string{
	"DCGM_FI_DEV_GPU_TEMP":            {"GPU temperature (in C).", "gauge"},
	"DCGM_FI_DEV_POWER_USAGE":         {"Power draw (in W).", "gauge"},
	"DCGM_FI_DEV_GPU_UTIL":            {"GPU utilization (in %).", "gauge"},
	"DCGM_FI_DEV_MEM_COPY_UTIL":       {"Memory utilization (in %).", "gauge"},
	"DCGM_FI_DEV_FB_FREE":             {"Framebuffer memory free (in MiB).", "gauge"},
	"DCGM_FI_DEV_FB_USED":             {"Framebuffer memory used (in MiB).", "gauge"},
	"DCGM_FI_DEV_FB_RESERVED":         {"Framebuffer memory reserved (in MiB).", "gauge"},
	"DCGM_FI_DEV_XID_ERRORS":          {"Value of the last XID error encountered.", "gauge"},
	"DCGM_FI_PROF_GR_ENGINE_ACTIVE":   {"Ratio of time the graphics engine is active.", "gauge"},
	"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": {"Ratio of cycles the tensor (HMMA) pipe is active.", "gauge"},
	"DCGM_FI_PROF_DRAM_ACTIVE": {
		"Ratio of cycles the device memory interface is active sending or receiving data.", "gauge",
	},
	"DCGM_FI_PROF_SM_ACTIVE":    {"The ratio of cycles an SM has at least 1 warp assigned.", "gauge"},
	"DCGM_FI_PROF_SM_OCCUPANCY": {"The ratio of number of warps resident on an SM.", "gauge"},
}

// exporterText is the Prometheus text format, metric by metric.
func exporterText(all []series) string {
	byMetric := map[string][]series{}
	for _, one := range all {
		byMetric[one.metric] = append(byMetric[one.metric], one)
	}
	var out strings.Builder
	for _, metric := range sortedKeys(byMetric) {
		help := metricHelp[metric]
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n", metric, help[0], metric, help[1])
		for _, one := range byMetric[metric] {
			out.WriteString(metric + "{")
			for i, label := range one.labels {
				if i > 0 {
					out.WriteByte(',')
				}
				fmt.Fprintf(&out, "%s=%q", label[0], label[1])
			}
			if one.value == float64(int64(one.value)) {
				fmt.Fprintf(&out, "} %d\n", int64(one.value))
			} else {
				fmt.Fprintf(&out, "} %.6f\n", one.value)
			}
		}
	}
	return out.String()
}

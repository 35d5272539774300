package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// sample is what a workload does to its GPU from a time on.
type sample struct {
	second                      int64
	busy, memoryMiB, sm, memory int // permille but for memoryMiB; memory = DRAM activity
}

// usage says what workloads do over time; those that the file does not name follow a curve of their
// own, the same in every run.
type usage struct {
	traces map[string][]sample // by "namespace/name" of a pod or of its owner, sorted by time
	period int64               // seconds after which the traces begin again
}

var usageHeader = []string{
	"workload", "second", "busy_permille", "memory_mib", "sm_permille", "dram_permille",
}

// loadUsage reads the CSV; "" = none.
func loadUsage(path string) (*usage, error) {
	u := &usage{traces: map[string][]sample{}}
	if path == "" {
		return u, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := u.read(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return u, nil
}

func (u *usage) read(in io.Reader) error {
	rows := csv.NewReader(in)
	header, err := rows.Read()
	if err != nil || strings.Join(header, ",") != strings.Join(usageHeader, ",") {
		return fmt.Errorf("line 1: expected the columns %s", strings.Join(usageHeader, ","))
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		line, _ := rows.FieldPos(0)
		var n [5]int
		for i, text := range row[1:] {
			value, err := strconv.Atoi(text)
			if err != nil || value < 0 || i != 0 && i != 2 && value > 1000 {
				return fmt.Errorf("line %d: %s %q: expected a number in range", line,
					usageHeader[i+1], text)
			}
			n[i] = value
		}
		u.traces[row[0]] = append(u.traces[row[0]],
			sample{int64(n[0]), n[1], n[2], n[3], n[4]})
		u.period = max(u.period, int64(n[0])+1)
	}
	for _, trace := range u.traces {
		sort.SliceStable(trace, func(i, j int) bool { return trace[i].second < trace[j].second })
	}
	return nil
}

// holder is a container that holds a device.
type holder struct {
	uid                        types.UID
	namespace, pod, owner, ctr string
	id                         string // of the device, "GPU-x::2"
}

// ownerOf is the workload that a pod belongs to: the Deployment behind a ReplicaSet, too.
func ownerOf(pod *core.Pod) string {
	if len(pod.OwnerReferences) == 0 {
		return pod.Name
	}
	owner := pod.OwnerReferences[0]
	if i := strings.LastIndexByte(owner.Name, '-'); owner.Kind == "ReplicaSet" && i > 0 {
		return owner.Name[:i]
	}
	return owner.Name
}

// at is what a holder does `second` seconds after this program began (before: negative).
func (u *usage) at(h *holder, second int64) sample {
	for _, name := range []string{h.pod, h.owner} {
		trace := u.traces[h.namespace+"/"+name]
		if trace == nil {
			continue
		}
		second = ((second % u.period) + u.period) % u.period
		i := sort.Search(len(trace), func(i int) bool { return trace[i].second > second })
		if i == 0 {
			return sample{}
		}
		return trace[i-1]
	}
	return synthetic(h, second)
}

// synthetic is a daily wave of a height of the workload's own.
func synthetic(h *holder, second int64) sample {
	height := 100 + 500*chance("height", h.namespace, h.owner)
	phase := chance("phase", h.namespace, h.owner)
	wave := 1 + math.Sin(2*math.Pi*(float64(second)/86400+phase))
	noise := chance(h.pod, second/30)
	busy := int(min(height*wave/2*(0.8+0.4*noise), 1000))
	return sample{
		second: second, busy: busy, sm: busy * 7 / 10, memory: busy / 2,
		memoryMiB: 2048 + int(8192*chance("memory", h.namespace, h.owner)),
	}
}

// usageSpan is a holder of a device in time, for Prometheus.
type usageSpan struct {
	device string // UUID of the GPU or instance
	holder holder
	from   time.Time
	to     time.Time // zero while it lasts
}

// holders are those of each physical device now, in order of the device ids.
func (s *scene) holders() map[string][]holder {
	result := map[string][]holder{}
	for _, pod := range s.pods {
		for _, container := range sortedKeys(s.n.kubelet.assigned[pod.UID]) {
			resources := s.n.kubelet.assigned[pod.UID][container]
			for _, name := range sortedKeys(resources) {
				for _, id := range resources[name] {
					result[parentOf(id)] = append(result[parentOf(id)], holder{
						pod.UID, pod.Namespace, pod.Name, ownerOf(pod), container, id,
					})
				}
			}
		}
	}
	for _, list := range result {
		sort.SliceStable(list, func(i, j int) bool { return list[i].id < list[j].id })
	}
	return result
}

const spansMax = 100000 // of a node; the oldest are forgotten

// remember brings the spans up to date with who holds what.
func (n *node) remember(s *scene) {
	type key struct {
		device string
		holder holder
	}
	now := map[key]bool{}
	for device, holders := range s.holders() {
		for _, h := range holders {
			now[key{device, h}] = true
		}
	}
	for i := range n.history {
		span := &n.history[i]
		k := key{span.device, span.holder}
		if span.to.IsZero() {
			if !now[k] {
				span.to = s.now
			}
			delete(now, k)
		}
	}
	fresh := make([]usageSpan, 0, len(now))
	for k := range now {
		from := s.now
		if s.options.history > 0 && s.now.Sub(s.began) < time.Minute {
			from = s.began.Add(-s.options.history) // as if it had been so all along
		}
		fresh = append(fresh, usageSpan{device: k.device, holder: k.holder, from: from})
	}
	sort.Slice(fresh, func(i, j int) bool {
		a, b := &fresh[i], &fresh[j]
		if a.device != b.device {
			return a.device < b.device
		}
		return a.holder.id+a.holder.pod < b.holder.id+b.holder.pod
	})
	n.history = append(n.history, fresh...)
	if len(n.history) > spansMax {
		n.history = n.history[len(n.history)-spansMax:]
	}
}

// heldAt are the holders of a device at a time, in order of the device ids.
func (n *node) heldAt(device string, t time.Time) []holder {
	var result []holder
	for i := range n.history {
		span := &n.history[i]
		if span.device == device && !t.Before(span.from) && (span.to.IsZero() || t.Before(span.to)) {
			result = append(result, span.holder)
		}
	}
	sort.SliceStable(result, func(i, j int) bool { return result[i].id < result[j].id })
	return result
}

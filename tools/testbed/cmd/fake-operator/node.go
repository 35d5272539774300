package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	core "k8s.io/api/core/v1"

	"slicewright.io/testbed/internal/gpu"
	"slicewright.io/testbed/internal/hardware"
	"slicewright.io/testbed/internal/mig"
)

// node is everything that runs on one fake node.  The worker that steps it holds mu, and so does
// whoever reads it for metrics.
type node struct {
	mu     sync.Mutex
	name   string
	model  *gpu.Model
	mig    *mig.Model // nil when its GPUs cannot do MIG
	hw     *hardware.Node
	faults map[string]string

	kubelet  kubelet
	plugin   pluginPod
	gfd      pluginPod
	labels   map[string]string // that GFD wrote last
	gfdAt    time.Time
	manager  migManager
	exporter exporter
	history  []usageSpan // who held what, for Prometheus
}

// faultAnnotation of a Node: "mig=stuck", "mig=fail", "mig=empty", "config-lag=10m",
// "metrics=stale", several joined by commas.
const faultAnnotation = "fake.slicewright.io/faults"

func parseFaults(text string) map[string]string {
	faults := map[string]string{}
	for item := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(strings.TrimSpace(item), "="); ok {
			faults[name] = value
		}
	}
	return faults
}

// alarm collects when a step wants to be called again: the earliest of what is asked for.
type alarm struct{ at time.Time }

func (a *alarm) set(t time.Time) {
	if a.at.IsZero() || t.Before(a.at) {
		a.at = t
	}
}

// scene is what one step of one node sees.
type scene struct {
	*world
	n      *node
	ctx    context.Context
	now    time.Time
	object *core.Node
	pods   []*core.Pod
	policy *policy
	wake   *alarm
}

// step does what is due on a node and returns when the next step is due.
func (w *world) step(ctx context.Context, object *core.Node) (time.Time, error) {
	text, ok := object.Annotations[hardware.Annotation]
	if !ok {
		return time.Time{}, nil // no GPU in it, or a real node
	}
	n, err := w.nodeOf(object, text)
	if err != nil {
		return time.Time{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = parseFaults(object.Annotations[faultAnnotation])
	w.mu.Lock()
	policy := w.policy
	w.mu.Unlock()
	s := &scene{
		world: w, n: n, ctx: ctx, now: time.Now(), object: object, pods: w.podsOf(n.name),
		policy: policy, wake: &alarm{},
	}
	for _, do := range []func() error{
		s.labelAsOperator, s.stepPlugin, s.stepKubelet, s.stepGFD, s.stepMIGManager,
		s.stepExporter, s.publishStatus,
	} {
		if err := do(); err != nil {
			return time.Time{}, err
		}
	}
	n.remember(s)
	return s.wake.at, nil
}

func (w *world) nodeOf(object *core.Node, text string) (*node, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.nodes[object.Name]; n != nil {
		return n, nil
	}
	hw, err := hardware.Parse(text)
	if err != nil {
		return nil, err
	}
	model, err := gpu.Find(hw.Model)
	if err != nil {
		return nil, err
	}
	n := &node{name: object.Name, model: model, mig: w.catalog[model.MIG], hw: hw}
	n.kubelet.init()
	w.nodes[object.Name] = n
	return n, nil
}

// saveHardware writes the silicon's state where it outlives this program.
func (s *scene) saveHardware() error {
	text, err := json.Marshal(s.n.hw)
	if err != nil {
		return err
	}
	return s.patchMetadata(s.ctx, s.n.name, "annotations",
		map[string]any{hardware.Annotation: string(text)})
}

// labelAsOperator does what the Operator does to a node on which it finds GPUs.
func (s *scene) labelAsOperator() error {
	wanted := map[string]string{"nvidia.com/gpu.present": "true"}
	for i := range parts {
		if parts[i].deploy != "mig-manager" || s.n.mig != nil {
			wanted["nvidia.com/gpu.deploy."+parts[i].deploy] = "true"
		}
	}
	if d := s.policy.MIGManager.Config.Default; s.n.mig != nil && d != "" {
		wanted["nvidia.com/mig.config"] = d
	}
	missing := map[string]any{}
	for key, value := range wanted {
		if _, there := s.object.Labels[key]; !there {
			missing[key] = value
		}
	}
	return s.patchLabels(s.ctx, s.n.name, missing)
}

// partPod is the pod of one of the Operator's DaemonSets that runs here; nil when none does.
func (s *scene) partPod(app string) *core.Pod {
	for _, pod := range s.pods {
		if pod.Namespace == operatorNamespace && pod.Labels["app"] == app &&
			pod.DeletionTimestamp == nil && pod.Status.Phase == core.PodRunning {
			return pod
		}
	}
	return nil
}

// partPodsLeft counts those that are still there, running or going.
func (s *scene) partPodsLeft(apps ...string) int {
	left := 0
	for _, pod := range s.pods {
		for _, app := range apps {
			if pod.Namespace == operatorNamespace && pod.Labels["app"] == app && !terminal(pod) {
				left++
			}
		}
	}
	return left
}

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	spec "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// devicesAnnotation of a Pod: what kubelet gave it, {"container": {"nvidia.com/gpu": ["GPU-..."]}}.
const devicesAnnotation = "fake.slicewright.io/devices"

// assignment is the devices of one pod by container and resource.
type assignment map[string]map[string][]string

// kubelet is the device manager: what plugins registered and which pod holds what.
// Source: kubernetes 1.37, pkg/kubelet/cm/devicemanager.
type kubelet struct {
	resources map[string]*registered
	assigned  map[types.UID]assignment
	names     map[types.UID]string // of those pods, with their namespace
	published time.Time
	events    []event // see assignments.go
	noted     int     // events ever
}

// registered is a resource that a plugin registered.  Its devices are healthy while the plugin is
// there.
type registered struct {
	devices []device
	config  *spec.Config
	stopped time.Time // when the plugin went away; zero while it is there
	expired bool      // for longer than the grace period
}

const (
	endpointStopGracePeriod   = 5 * time.Minute
	nodeStatusUpdateFrequency = 10 * time.Second
)

func (k *kubelet) init() {
	k.resources = map[string]*registered{}
	k.assigned = map[types.UID]assignment{}
	k.names = map[types.UID]string{}
}

// register is a plugin's Register and first ListAndWatch.
func (k *kubelet) register(offers map[string][]device, config *spec.Config) {
	for name, devices := range offers {
		if len(devices) > 0 {
			k.resources[name] = &registered{devices: devices, config: config}
		}
	}
	k.noteRegistered(offers)
}

// stopPlugins is what kubelet sees when the plugin's sockets close.
func (k *kubelet) stopPlugins(now time.Time) {
	k.note(event{Kind: "stopped"})
	for _, r := range k.resources {
		if r.stopped.IsZero() {
			r.stopped = now
		}
	}
}

func (r *registered) healthy() []device {
	if !r.stopped.IsZero() {
		return nil
	}
	return r.devices
}

// inUse are the ids of a resource that pods hold, and by whom a physical device is held.
func (k *kubelet) inUse(resourceName string) map[string]bool {
	used := map[string]bool{}
	for _, pod := range k.assigned {
		for _, container := range pod {
			for _, id := range container[resourceName] {
				used[id] = true
			}
		}
	}
	return used
}

// busy says whether a pod holds the device with this UUID, whole or in part.
func (k *kubelet) busy(uuid string) bool {
	for _, pod := range k.assigned {
		for _, container := range pod {
			for _, ids := range container {
				if slices.ContainsFunc(ids, func(id string) bool { return parentOf(id) == uuid }) {
					return true
				}
			}
		}
	}
	return false
}

// stepKubelet frees the devices of pods that ended and admits those that were bound.
func (s *scene) stepKubelet() error {
	k := &s.n.kubelet
	there := map[types.UID]bool{}
	for _, pod := range s.pods {
		if !terminal(pod) {
			there[pod.UID] = true
		}
	}
	for _, uid := range sortedKeys(k.assigned) {
		if !there[uid] {
			k.noteDevices("freed", k.names[uid], uid, k.assigned[uid])
			delete(k.assigned, uid)
			delete(k.names, uid)
		}
	}
	for _, pod := range s.pods {
		if terminal(pod) || k.assigned[pod.UID] != nil {
			continue
		}
		if text, ok := pod.Annotations[devicesAnnotation]; ok {
			// Given before this program started: kubelet's checkpoint.
			given := assignment{}
			if err := json.Unmarshal([]byte(text), &given); err == nil {
				k.assign(pod, given)
			}
			continue
		}
		if pod.Status.Phase != core.PodPending || pod.DeletionTimestamp != nil {
			continue
		}
		if err := s.admit(pod); err != nil {
			return err
		}
	}
	return nil
}

// admit gives a pod its devices, or rejects it.
func (s *scene) admit(pod *core.Pod) error {
	k := &s.n.kubelet
	given := assignment{}
	k.assigned[pod.UID] = given // so that its containers see each other's devices as in use
	refusal := k.allocatePod(pod, given)
	if refusal != nil {
		delete(k.assigned, pod.UID)
		return s.reject(pod, refusal)
	}
	if len(given) == 0 {
		delete(k.assigned, pod.UID)
		return nil
	}
	text, err := json.Marshal(given)
	if err == nil {
		var patch []byte
		patch, err = json.Marshal(map[string]any{"metadata": map[string]any{
			"uid": pod.UID, "annotations": map[string]string{devicesAnnotation: string(text)},
		}})
		if err == nil {
			_, err = s.client.CoreV1().Pods(pod.Namespace).Patch(s.ctx, pod.Name,
				types.MergePatchType, patch, meta.PatchOptions{FieldManager: "fake-operator"})
		}
	}
	if err != nil {
		delete(k.assigned, pod.UID)
		return err
	}
	k.assign(pod, given)
	return nil
}

func (k *kubelet) assign(pod *core.Pod, given assignment) {
	k.assigned[pod.UID] = given
	k.names[pod.UID] = pod.Namespace + "/" + pod.Name
	k.noteDevices("assigned", k.names[pod.UID], pod.UID, given)
}

func (s *scene) reject(pod *core.Pod, refusal error) error {
	changed := pod.DeepCopy()
	changed.Status.Phase = core.PodFailed
	changed.Status.Reason = "UnexpectedAdmissionError"
	changed.Status.Message = fmt.Sprintf(
		"Pod was rejected: Allocate failed due to %v, which is unexpected", refusal)
	_, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(s.ctx, changed,
		meta.UpdateOptions{FieldManager: "fake-operator"})
	return err
}

// allocatePod walks the containers as kubelet does: what init containers got can be used again by
// those that come after them.
func (k *kubelet) allocatePod(pod *core.Pod, given assignment) error {
	reusable := map[string][]string{}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if err := k.allocateContainer(c, given, reusable); err != nil {
			return err
		}
		if c.RestartPolicy != nil && *c.RestartPolicy == core.ContainerRestartPolicyAlways {
			continue // a sidecar keeps its own
		}
		for name, ids := range given[c.Name] {
			for _, id := range ids {
				if !slices.Contains(reusable[name], id) {
					reusable[name] = append(reusable[name], id)
				}
			}
		}
	}
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		if err := k.allocateContainer(c, given, reusable); err != nil {
			return err
		}
		for name, ids := range given[c.Name] {
			reusable[name] = slices.DeleteFunc(slices.Clone(reusable[name]),
				func(id string) bool { return slices.Contains(ids, id) })
		}
	}
	return nil
}

// allocateContainer follows devicesToAllocate() and the plugin's Allocate.
func (k *kubelet) allocateContainer(c *core.Container, given assignment,
	reusable map[string][]string,
) error {
	for key, quantity := range c.Resources.Limits {
		name := string(key)
		count := int(quantity.Value())
		r := k.resources[name]
		if !strings.HasPrefix(name, "nvidia.com/") || count == 0 || r == nil {
			continue // not a device plugin's
		}
		healthy := r.healthy()
		if len(healthy) == 0 {
			return fmt.Errorf("no healthy devices present; cannot allocate unhealthy devices %s", name)
		}
		ids := slices.Clone(reusable[name][:min(count, len(reusable[name]))])
		used := k.inUse(name)
		var free []string
		for _, d := range healthy {
			if !used[d.id] {
				free = append(free, d.id)
			}
		}
		needed := count - len(ids)
		if len(free) < needed {
			return fmt.Errorf("requested number of devices unavailable for %s. "+
				"Requested: %d, Available: %d", name, needed, len(free))
		}
		ids = append(ids, prefer(healthy, free, needed)...)
		if err := checkRequest(r.config, name, ids); err != nil {
			return err
		}
		if given[c.Name] == nil {
			given[c.Name] = map[string][]string{}
		}
		given[c.Name][name] = ids
	}
	return nil
}

// checkRequest is the plugin's own check of a request.
func checkRequest(config *spec.Config, name string, ids []string) error {
	sharing := &config.Sharing
	strict := sharing.SharingStrategy() == spec.SharingStrategyMPS ||
		sharing.ReplicatedResources().FailRequestsGreaterThanOne
	if strict && len(ids) > 1 && isReplica(ids[0]) {
		return fmt.Errorf("rpc error: code = Unknown desc = invalid allocation request for %q: "+
			"invalid request: maximum request size for shared resources is 1; found %d",
			name, len(ids))
	}
	return nil
}

// publishStatus writes capacity and allocatable at kubelet's pace: every ten seconds, if they
// changed.
func (s *scene) publishStatus() error {
	capacity, allocatable := core.ResourceList{}, core.ResourceList{}
	for name, r := range s.n.kubelet.resources {
		key := core.ResourceName(name)
		if !r.stopped.IsZero() && !r.expired {
			end := r.stopped.Add(s.scaled(endpointStopGracePeriod))
			if r.expired = s.now.After(end); !r.expired {
				s.wake.set(end.Add(time.Millisecond))
			}
		}
		count := int64(len(r.devices))
		if r.expired {
			count = 0 // the name stays on the node
		}
		capacity[key] = *resource.NewQuantity(count, resource.DecimalSI)
		allocatable[key] = *resource.NewQuantity(int64(len(r.healthy())), resource.DecimalSI)
	}
	if covers(s.object.Status.Capacity, capacity) &&
		covers(s.object.Status.Allocatable, allocatable) {
		return nil
	}
	period := s.scaled(nodeStatusUpdateFrequency)
	if due := s.n.kubelet.published.Add(period); s.now.Before(due) {
		s.wake.set(due)
		return nil
	}
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"capacity": capacity, "allocatable": allocatable,
	}})
	if err != nil {
		return err
	}
	s.n.kubelet.published = s.now
	_, err = s.client.CoreV1().Nodes().Patch(s.ctx, s.n.name, types.StrategicMergePatchType, patch,
		meta.PatchOptions{FieldManager: "fake-operator"}, "status")
	return err
}

func covers(there, wanted core.ResourceList) bool {
	for name, quantity := range wanted {
		found, ok := there[name]
		if !ok || found.Cmp(quantity) != 0 {
			return false
		}
	}
	return true
}

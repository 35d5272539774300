package main

import (
	"encoding/json"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
)

// testKubelet has two GPUs, registered under the config.
func testKubelet(t *testing.T, text string) *kubelet {
	t.Helper()
	k := &kubelet{}
	k.init()
	register(t, k, text)
	return k
}

func register(t *testing.T, k *kubelet, text string) {
	t.Helper()
	config, err := loadPluginConfig(text, "")
	if err != nil {
		t.Fatal(err)
	}
	offers, err := offered(twoGPUs(), config)
	if err != nil {
		t.Fatal(err)
	}
	k.register(offers, config)
}

// give admits a pod of which each container asks for so many; negative = an init container.
func give(k *kubelet, uid, name string, counts ...int) (string, error) {
	pod := &core.Pod{}
	for i, count := range counts {
		c := core.Container{Name: string(rune('a' + i))}
		quantity := resource.NewQuantity(int64(max(count, -count)), resource.DecimalSI)
		c.Resources.Limits = core.ResourceList{core.ResourceName(name): *quantity}
		if count < 0 {
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		} else {
			pod.Spec.Containers = append(pod.Spec.Containers, c)
		}
	}
	given := assignment{}
	k.assigned[types.UID(uid)] = given
	if err := k.allocatePod(pod, given); err != nil {
		delete(k.assigned, types.UID(uid))
		return "", err
	}
	text, err := json.Marshal(given)
	return string(text), err
}

const twoReplicas = "sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 2}]}}"

func TestKubeletGivesEachDeviceOnce(t *testing.T) {
	k := testKubelet(t, "")
	for _, c := range []struct{ uid, want string }{
		{"1", `{"a":{"nvidia.com/gpu":["GPU-a"]}}`}, {"2", `{"a":{"nvidia.com/gpu":["GPU-b"]}}`},
	} {
		if got, err := give(k, c.uid, "nvidia.com/gpu", 1); err != nil || got != c.want {
			t.Errorf("pod %s: %s, %v: expected %s", c.uid, got, err, c.want)
		}
	}
	_, err := give(k, "3", "nvidia.com/gpu", 1)
	if err == nil || err.Error() != "requested number of devices unavailable for nvidia.com/gpu. "+
		"Requested: 1, Available: 0" {
		t.Errorf("a third pod: %v", err)
	}
	delete(k.assigned, "1")
	if got, err := give(k, "3", "nvidia.com/gpu", 1); err != nil ||
		got != `{"a":{"nvidia.com/gpu":["GPU-a"]}}` {
		t.Errorf("after the first is gone: %s, %v", got, err)
	}
}

// What init containers had is used again, so that a pod of one GPU at a time needs one.
func TestKubeletReusesInitDevices(t *testing.T) {
	k := testKubelet(t, "")
	want := `{"a":{"nvidia.com/gpu":["GPU-a","GPU-b"]},"b":{"nvidia.com/gpu":["GPU-a"]},` +
		`"c":{"nvidia.com/gpu":["GPU-b"]}}`
	if got, err := give(k, "1", "nvidia.com/gpu", -2, 1, 1); err != nil || got != want {
		t.Errorf("%s, %v: expected %s", got, err, want)
	}
}

// Ids differ between exclusive and shared, so a switch with a pod on the GPU books it twice.
func TestKubeletBooksTwiceAfterASwitch(t *testing.T) {
	k := testKubelet(t, "")
	if _, err := give(k, "1", "nvidia.com/gpu", 1); err != nil {
		t.Fatal(err)
	}
	register(t, k, twoReplicas)
	if got, err := give(k, "2", "nvidia.com/gpu", 1); err != nil ||
		got != `{"a":{"nvidia.com/gpu":["GPU-a::0"]}}` {
		t.Errorf("%s, %v: expected a share of the GPU that the first pod has", got, err)
	}
	if !k.busy("GPU-a") || k.busy("GPU-b") {
		t.Error("busy: expected GPU-a only")
	}
}

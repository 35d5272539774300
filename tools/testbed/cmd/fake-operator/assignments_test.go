package main

import (
	"fmt"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The log shows a GPU that is held whole and handed out again, with the replicas that were in force.
func TestEachAssignmentIsNoted(t *testing.T) {
	k := testKubelet(t, "")
	hold := func(uid string, resource string) {
		if _, err := give(k, uid, resource, 1); err != nil {
			t.Fatal(err)
		}
		pod := &core.Pod{}
		pod.UID, pod.Namespace, pod.Name = types.UID(uid), "default", "p"+uid
		k.assign(pod, k.assigned[pod.UID])
	}
	hold("1", "nvidia.com/gpu")
	register(t, k, twoReplicas)
	hold("2", "nvidia.com/gpu")
	k.noteDevices("freed", "default/p1", "1", k.assigned["1"])
	var lines []string
	for i, e := range k.events {
		if e.Sequence != i || e.Time.IsZero() {
			t.Errorf("event %d: sequence %d, time %v", i, e.Sequence, e.Time)
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintln(e.Kind, e.Pod, e.ID, e.Device, e.Replicas)))
	}
	want := `registered    1
assigned default/p1 GPU-a GPU-a 1
registered    2
assigned default/p2 GPU-a::0 GPU-a 2
freed default/p1 GPU-a GPU-a 2`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("noted\n%s\nexpected\n%s", got, want)
	}
}

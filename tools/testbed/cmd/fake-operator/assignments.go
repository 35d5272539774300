package main

import (
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// event is one thing that the device manager of a node did.  The log of a node holds all of them in
// the order in which they happened, so that a test need not look at the right moment.
type event struct {
	Sequence int       `json:"sequence"` // of this node, from 0
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // registered, stopped, assigned, freed
	Pod      string    `json:"pod,omitempty"`
	UID      types.UID `json:"uid,omitempty"`
	Resource string    `json:"resource,omitempty"`
	ID       string    `json:"id,omitempty"`
	// Device is the UUID of the GPU or MIG instance that the id is of, and Replicas how many ids of it
	// the plugin that runs at this moment has registered; of a "registered", the most of any device.
	Device   string `json:"device,omitempty"`
	Replicas int    `json:"replicas"`
}

const eventsMax = 100000 // of a node; the oldest are forgotten

func (k *kubelet) note(e event) {
	e.Sequence = k.noted
	e.Time = time.Now()
	k.noted++
	k.events = append(k.events, e)
	if len(k.events) > eventsMax {
		k.events = slices.Delete(k.events, 0, eventsMax/10)
	}
}

// replicasOf is how many ids of a device are registered by plugins that run.
func (k *kubelet) replicasOf(uuid string) int {
	most := 0
	for _, r := range k.resources {
		count := 0
		for _, d := range r.healthy() {
			if d.parent == uuid {
				count++
			}
		}
		most = max(most, count)
	}
	return most
}

// noteDevices notes each device of a pod as assigned or freed.
func (k *kubelet) noteDevices(kind, pod string, uid types.UID, given assignment) {
	for _, container := range sortedKeys(given) {
		for _, name := range sortedKeys(given[container]) {
			for _, id := range given[container][name] {
				k.note(event{
					Kind: kind, Pod: pod, UID: uid, Resource: name, ID: id, Device: parentOf(id),
					Replicas: k.replicasOf(parentOf(id)),
				})
			}
		}
	}
}

// noteRegistered notes what the plugin offers from now on.
func (k *kubelet) noteRegistered(offers map[string][]device) {
	for _, name := range sortedKeys(offers) {
		ids := map[string]int{}
		most := 0
		for _, d := range offers[name] {
			ids[d.parent]++
			most = max(most, ids[d.parent])
		}
		if most > 0 {
			k.note(event{Kind: "registered", Resource: name, Replicas: most})
		}
	}
}

// assignments serves the logs by node, of ?node=NAME only that one.
func (w *world) assignments(out http.ResponseWriter, in *http.Request) {
	wanted := in.URL.Query().Get("node")
	w.mu.Lock()
	nodes := make([]*node, 0, len(w.nodes))
	for _, n := range w.nodes {
		if wanted == "" || n.name == wanted {
			nodes = append(nodes, n)
		}
	}
	w.mu.Unlock()
	logs := map[string][]event{}
	for _, n := range nodes {
		n.mu.Lock()
		logs[n.name] = slices.Clone(n.kubelet.events)
		n.mu.Unlock()
	}
	writeJSON(out, http.StatusOK, logs)
}

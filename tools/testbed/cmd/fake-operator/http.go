package main

import (
	"encoding/json"
	"net/http"
	"sort"
)

// handler serves health, what the fakes know (for tests), and Prometheus' query interface.
func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) {
		if !w.ready.Load() {
			http.Error(out, "caches are not filled yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = out.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /state", func(out http.ResponseWriter, _ *http.Request) {
		writeJSON(out, http.StatusOK, w.state())
	})
	mux.HandleFunc("GET /assignments", w.assignments)
	mux.HandleFunc("/api/v1/query", w.query)
	mux.HandleFunc("/api/v1/query_range", w.queryRange)
	return mux
}

func writeJSON(out http.ResponseWriter, code int, value any) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(code)
	_ = json.NewEncoder(out).Encode(value)
}

// nodeState is what the state page says of a node.
type nodeState struct {
	Node         string              `json:"node"`
	Devices      map[string][]string `json:"devices"`      // UUID: the pods that hold it
	DoubleBooked []string            `json:"doubleBooked"` // UUIDs held whole, and by another pod
	Config       string              `json:"config"`       // the key that the plugin runs with
	Restarts     int                 `json:"restarts"`     // of plugin and config-manager
	Error        string              `json:"error,omitempty"`
	MIG          string              `json:"mig"`
	MIGError     string              `json:"migError,omitempty"`
}

func (w *world) state() []nodeState {
	w.mu.Lock()
	nodes := make([]*node, 0, len(w.nodes))
	for _, n := range w.nodes {
		nodes = append(nodes, n)
	}
	w.mu.Unlock()
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].name < nodes[j].name })
	states := make([]nodeState, 0, len(nodes))
	for _, n := range nodes {
		states = append(states, n.state())
	}
	return states
}

func (n *node) state() nodeState {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := nodeState{
		Node: n.name, Config: n.plugin.link, MIG: n.manager.phaseName(),
		MIGError: n.manager.lastLine, Restarts: n.plugin.main.restarts + n.plugin.manager.restarts,
		Devices: map[string][]string{}, DoubleBooked: []string{},
	}
	for _, p := range []*process{&n.plugin.main, &n.plugin.manager} {
		if !p.running() {
			state.Error = p.message
		}
	}
	whole := map[string]bool{}
	for i := range n.history {
		span := &n.history[i]
		if !span.to.IsZero() {
			continue
		}
		name := span.holder.namespace + "/" + span.holder.pod
		state.Devices[span.device] = append(state.Devices[span.device], name)
		whole[span.device] = whole[span.device] || !isReplica(span.holder.id)
	}
	for _, device := range sortedKeys(state.Devices) {
		if whole[device] && len(state.Devices[device]) > 1 {
			state.DoubleBooked = append(state.DoubleBooked, device)
		}
	}
	return state
}

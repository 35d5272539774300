package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// state is what cluster.json keeps of a cluster: enough to watch, restart and end it later.
type state struct {
	Name       string              `json:"name"`
	Version    string              `json:"version"`
	Ports      map[string]int      `json:"ports"` // by component; "etcd-peer" too
	PodNet     int                 `json:"podNet"`
	Route      bool                `json:"route,omitempty"` // of --routed: there is one to take away
	Options    upOptions           `json:"options"`
	Tokens     map[string]string   `json:"tokens"` // bearer token by user
	Components []string            `json:"components"`
	Processes  map[string]*process `json:"processes"` // by component; absent = stopped on purpose

	dir string
}

// process names a running process so that a reused pid is not taken for it.
type process struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"` // field 22 of /proc/PID/stat
}

const stateFile = "cluster.json"

func (s *state) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

func (s *state) kubeconfig() string { return s.path("kubeconfig") }

func (s *state) log(component string) string { return s.path("logs", component+".log") }

func (s *state) server() string { return fmt.Sprintf("https://127.0.0.1:%d", s.Ports["apiserver"]) }

// save replaces the file in one step: a reader never sees half of it.
func (s *state) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	part := s.path(stateFile + ".part")
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(part, s.path(stateFile))
}

func loadState(p *place) (*state, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no cluster %q in %s: start one with: tools/cluster up %s",
			p.name, p.dir, p.name)
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(p.dir, stateFile), err)
	}
	s.dir = p.dir
	if s.Processes == nil {
		s.Processes = map[string]*process{}
	}
	return s, nil
}

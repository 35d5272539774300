package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"slicewright.io/testbed/internal/nodes"
)

// upOptions are kept in the state: a restarted component gets the same ones.
type upOptions struct {
	Nodes            string `json:"nodes,omitempty"`
	NodeCount        int    `json:"nodeCount"`
	FakeOperator     bool   `json:"fakeOperator,omitempty"`
	FakeOperatorArgs string `json:"fakeOperatorArgs,omitempty"`
	FeatureGates     string `json:"featureGates,omitempty"`
	RuntimeConfig    string `json:"runtimeConfig,omitempty"`
	AuditLog         string `json:"auditLog,omitempty"`
	Routed           bool   `json:"routed,omitempty"`
}

//go:embed stages.yaml
var stages string

func runUp(args []string) error {
	flags, p := placeFlags("up")
	var o upOptions
	flags.StringVar(&o.Nodes, "nodes", "", "YAML file of the nodes to make")
	flags.BoolVar(&o.FakeOperator, "fake-operator", false, "play NVIDIA's parts on the nodes")
	flags.StringVar(&o.FakeOperatorArgs, "fake-operator-args", "", "its options, in one string")
	flags.StringVar(&o.FeatureGates, "feature-gates", "", "A=true,B=false, for all components")
	flags.StringVar(&o.RuntimeConfig, "runtime-config", "", "--runtime-config of the API server")
	flags.StringVar(&o.AuditLog, "audit-log", "", "file for the API server's audit log")
	flags.BoolVar(&o.Routed, "routed", false,
		"give pods addresses that are no loopback's: takes a route on lo (root)")
	timeout := flags.Duration("timeout", 3*time.Minute, "how long starting may take")
	if _, err := parsePlace(flags, p, args); err != nil {
		return err
	}
	if o.FakeOperatorArgs != "" && !o.FakeOperator {
		return usagef("--fake-operator-args without --fake-operator")
	}
	var specs []nodes.Node
	if o.Nodes != "" {
		var err error
		if specs, err = nodes.Load(o.Nodes); err != nil {
			return err
		}
	}
	o.NodeCount = len(specs)

	s, err := create(p, &o)
	if err != nil {
		return err
	}
	began := time.Now()
	interruptible, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interruptible, *timeout)
	defer cancel()
	if err := s.start(ctx, specs); err != nil {
		if interruptible.Err() != nil {
			err = errors.New("interrupted")
		}
		if endErr := s.end(); endErr != nil {
			err = errors.Join(err, endErr)
		}
		return fmt.Errorf("%w\nnothing was left running", err)
	}
	fmt.Fprintf(os.Stderr, "cluster %s (%s) is ready after %.1f s: %d nodes, server %s\n", s.Name,
		s.Version, time.Since(began).Seconds(), len(specs), s.server())
	fmt.Println(s.kubeconfig())
	return nil
}

// create makes the directory of a new cluster with all files that do not need a running server.
func create(p *place, o *upOptions) (*state, error) {
	if old, err := loadState(p); err == nil {
		return nil, fmt.Errorf("cluster %q is there already (kubeconfig %s): end it with: "+
			"tools/cluster down %s", old.Name, old.kubeconfig(), p.name)
	}
	if err := os.MkdirAll(filepath.Dir(p.dir), 0o700); err != nil {
		return nil, err
	}
	// Mkdir is what makes two `up` of one name exclude each other.
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		entries, readErr := os.ReadDir(p.dir)
		if readErr != nil || len(entries) > 0 {
			return nil, fmt.Errorf("%s is in use and holds no cluster: name another directory", p.dir)
		}
	}
	var err error
	if o.AuditLog, err = absolute(o.AuditLog); err != nil {
		return nil, err
	}
	s := &state{
		Name: p.name, Options: *o, dir: p.dir,
		Version: os.Getenv("SLICEWRIGHT_KUBERNETES"),
		Tokens:  map[string]string{}, Processes: map[string]*process{},
	}
	for i := range components {
		if components[i].name != "fake-operator" || o.FakeOperator {
			s.Components = append(s.Components, components[i].name)
		}
	}
	if err := s.furnish(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return s, nil
}

func (s *state) furnish() error {
	for _, dir := range []string{"logs", "users"} {
		if err := os.Mkdir(s.path(dir), 0o700); err != nil {
			return err
		}
	}
	if err := s.pickPorts(); err != nil {
		return err
	}
	if err := makePKI(s.path("pki")); err != nil {
		return err
	}
	if err := s.makeUsers(); err != nil {
		return err
	}
	text := strings.ReplaceAll(stages, "KUBERNETES_VERSION", s.Version)
	if s.Options.FakeOperator {
		text = strings.ReplaceAll(text, "# with the fake operator: ", "")
	}
	if err := os.WriteFile(s.path("stages.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("audit-policy.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	return s.save()
}

// pickPorts finds free ports, all held open until the last one is found so that they differ, and a
// network of 127/8 for pods that no other cluster uses.
func (s *state) pickPorts() error {
	s.Ports = map[string]int{}
	for _, name := range append([]string{"etcd-peer"}, s.Components...) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("no free port on 127.0.0.1: %w", err)
		}
		defer listener.Close()
		s.Ports[name] = listener.Addr().(*net.TCPAddr).Port
	}
	// The ports above are random, and so is where the search begins.
	taken := podNetsTaken()
	networks := 250
	if s.Options.Routed {
		networks = routedNets
	}
	for i := range networks {
		network := 1 + (s.Ports["etcd"]+i)%networks
		if !taken[network] {
			s.PodNet = network
			return nil
		}
	}
	return fmt.Errorf("%d clusters run here already: no network left for pods", networks)
}

// podNetsTaken looks at the clusters of the state directory.
func podNetsTaken() map[int]bool {
	taken := map[int]bool{}
	for _, other := range knownClusters() {
		taken[other.PodNet] = true
	}
	return taken
}

// makeUsers gives every component and the admin a token of its own.
func (s *state) makeUsers() error {
	users := []struct{ name, user, groups string }{
		{"admin", "admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"kwok", "kwok", "system:masters"},
		{"fake-operator", "fake-operator", "system:masters"},
	}
	var lines strings.Builder
	for _, u := range users {
		token, err := newToken()
		if err != nil {
			return err
		}
		s.Tokens[u.name] = token
		fmt.Fprintf(&lines, "%s,%s,%s,\"%s\"\n", token, u.user, u.name, u.groups)
		path := s.userKubeconfig(u.name)
		if u.name == "admin" {
			path = s.kubeconfig()
		}
		if err := s.writeKubeconfig(path, u.name, credentials{token: token}); err != nil {
			return err
		}
	}
	return os.WriteFile(s.path("tokens.csv"), []byte(lines.String()), 0o600)
}

// start brings the components up in the order in which they need each other, then the nodes.
func (s *state) start(ctx context.Context, specs []nodes.Node) error {
	probe, err := newProber(s)
	if err != nil {
		return err
	}
	if err := s.addRoute(); err != nil {
		return err
	}
	for _, name := range []string{"etcd", "apiserver"} {
		if err := s.bring(ctx, probe, name); err != nil {
			return err
		}
	}
	var rest []string
	for _, name := range s.Components {
		if name != "etcd" && name != "apiserver" && name != "fake-operator" {
			rest = append(rest, name)
		}
	}
	if err := s.bringAll(ctx, probe, rest); err != nil {
		return err
	}
	if err := s.makeNodes(ctx, specs); err != nil {
		return err
	}
	if !s.Options.FakeOperator {
		return nil
	}
	if err := s.bring(ctx, probe, "fake-operator"); err != nil {
		return err
	}
	return s.waitForGPUs(ctx, specs)
}

func (s *state) bring(ctx context.Context, probe *prober, name string) error {
	c, err := findComponent(name)
	if err != nil {
		return err
	}
	if err := s.launch(c); err != nil {
		return err
	}
	return probe.await(ctx, c)
}

// bringAll launches components one after the other, because each launch writes the state, and waits
// for them side by side.
func (s *state) bringAll(ctx context.Context, probe *prober, names []string) error {
	for _, name := range names {
		c, err := findComponent(name)
		if err != nil {
			return err
		}
		if err := s.launch(c); err != nil {
			return err
		}
	}
	var group sync.WaitGroup
	results := make([]error, len(names))
	for i, name := range names {
		group.Go(func() {
			c, err := findComponent(name)
			if err == nil {
				err = probe.await(ctx, c)
			}
			results[i] = err
		})
	}
	group.Wait()
	return errors.Join(results...)
}

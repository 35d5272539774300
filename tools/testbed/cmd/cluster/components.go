package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// component is one process of the control plane.
type component struct {
	name string
	main string // what controlplane calls it; "" = a program of its own
	user string // its identity at the API server; "" = none
	args func(s *state) []string
	// health is where it says that it is well: a path on its port.  "" = alive is enough.
	health string
}

var components = []component{
	{name: "etcd", main: "etcd", args: etcdArgs, health: "/health"},
	{name: "apiserver", main: "kube-apiserver", args: apiserverArgs, health: "/readyz"},
	{
		name: "controller-manager", main: "kube-controller-manager", args: controllerManagerArgs,
		user: "system:kube-controller-manager", health: "/healthz",
	},
	{
		name: "scheduler", main: "kube-scheduler", args: schedulerArgs,
		user: "system:kube-scheduler", health: "/readyz",
	},
	{name: "kwok", main: "kwok", args: kwokArgs, user: "kwok", health: "/healthz"},
	{name: "fake-operator", args: fakeOperatorArgs, user: "fake-operator", health: "/healthz"},
}

func findComponent(name string) (*component, error) {
	var names []string
	for i := range components {
		c := &components[i]
		if c.name == name || (c.main != "" && c.main == name) {
			return c, nil
		}
		names = append(names, c.name)
	}
	return nil, usagef("no component %q; the components are: %s", name, strings.Join(names, ", "))
}

// program is the executable of a component; the wrapper script says where they are.
func (c *component) program() (string, error) {
	variable := "SLICEWRIGHT_CONTROLPLANE"
	if c.main == "" {
		variable = "SLICEWRIGHT_FAKE_OPERATOR"
	}
	path := os.Getenv(variable)
	if path == "" {
		return "", fmt.Errorf("%s is not set: start this program as tools/cluster", variable)
	}
	return path, nil
}

func (c *component) argv(s *state) ([]string, error) {
	program, err := c.program()
	if err != nil {
		return nil, err
	}
	argv := []string{program}
	if c.main != "" {
		argv = append(argv, c.main)
	}
	return append(argv, c.args(s)...), nil
}

func (s *state) pki(name string) string { return s.path("pki", name) }

func (s *state) userKubeconfig(component string) string {
	return s.path("users", component+".kubeconfig")
}

func (s *state) port(name string) string { return strconv.Itoa(s.Ports[name]) }

func etcdArgs(s *state) []string {
	client := "https://127.0.0.1:" + s.port("etcd")
	peer := "https://127.0.0.1:" + s.port("etcd-peer")
	return []string{
		"--name=" + s.Name,
		"--data-dir=" + s.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + s.Name + "=" + peer,
		"--cert-file=" + s.pki("server.crt"), "--key-file=" + s.pki("server.key"),
		"--client-cert-auth", "--trusted-ca-file=" + s.pki("ca.crt"),
		"--peer-cert-file=" + s.pki("server.crt"), "--peer-key-file=" + s.pki("server.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + s.pki("ca.crt"),
		"--unsafe-no-fsync", // the state dies with the cluster
		"--quota-backend-bytes=4294967296",
		"--log-level=warn",
	}
}

func apiserverArgs(s *state) []string {
	args := []string{
		"--etcd-servers=https://127.0.0.1:" + s.port("etcd"),
		"--etcd-cafile=" + s.pki("ca.crt"),
		"--etcd-certfile=" + s.pki("etcd-client.crt"), "--etcd-keyfile=" + s.pki("etcd-client.key"),
		// Without an address of its own to advertise it would look for a default route.
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--secure-port=" + s.port("apiserver"),
		"--tls-cert-file=" + s.pki("server.crt"), "--tls-private-key-file=" + s.pki("server.key"),
		"--client-ca-file=" + s.pki("ca.crt"),
		"--token-auth-file=" + s.path("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + s.pki("sa.pub"),
		"--service-account-signing-key-file=" + s.pki("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/16",
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--shutdown-delay-duration=0s",
	}
	args = append(args, s.featureGates()...)
	if s.Options.RuntimeConfig != "" {
		args = append(args, "--runtime-config="+s.Options.RuntimeConfig)
	}
	if s.Options.AuditLog != "" {
		args = append(args, "--audit-policy-file="+s.path("audit-policy.yaml"),
			"--audit-log-path="+s.Options.AuditLog)
	}
	return args
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
# What a controller under test writes is held against what it said it would.
- level: Request
  userGroups: ["system:serviceaccounts:slicewright"]
  verbs: [create, update, patch, delete]
  resources:
  - group: ""
    resources: [nodes, configmaps, pods/eviction]
  - group: coordination.k8s.io
    resources: [leases]
- level: Metadata
`

func (s *state) featureGates() []string {
	if s.Options.FeatureGates == "" {
		return nil
	}
	return []string{"--feature-gates=" + s.Options.FeatureGates}
}

// clientArgs is what the controller manager and the scheduler have in common.
func clientArgs(s *state, component string) []string {
	args := []string{
		"--kubeconfig=" + s.userKubeconfig(component),
		"--authentication-kubeconfig=" + s.userKubeconfig(component),
		"--authorization-kubeconfig=" + s.userKubeconfig(component),
		"--bind-address=127.0.0.1",
		"--secure-port=" + s.port(component),
		"--tls-cert-file=" + s.pki("server.crt"), "--tls-private-key-file=" + s.pki("server.key"),
		"--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
		"--leader-elect=false",
		"--kube-api-qps=400", "--kube-api-burst=800",
	}
	return append(args, s.featureGates()...)
}

func controllerManagerArgs(s *state) []string {
	lease := s.leaseSeconds()
	return append(clientArgs(s, "controller-manager"),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file="+s.pki("sa.key"),
		"--root-ca-file="+s.pki("ca.crt"),
		// Endpoints refuse the loopback addresses that pods have here.
		"--controllers=*,-endpoints-controller,-endpointslice-controller,"+
			"-endpointslice-mirroring-controller,-node-ipam-controller",
		fmt.Sprintf("--node-monitor-grace-period=%ds", lease+lease/4),
	)
}

func schedulerArgs(s *state) []string { return clientArgs(s, "scheduler") }

// leaseSeconds is kubelet's 40 s, more where renewing the leases of many nodes would keep two cores
// busy: a quarter of it passes between two renewals.
func (s *state) leaseSeconds() int {
	const usual, nodesPerUsual = 40, 500
	if s.Options.NodeCount <= nodesPerUsual {
		return usual
	}
	return usual * s.Options.NodeCount / nodesPerUsual
}

func kwokArgs(s *state) []string {
	return []string{
		"--kubeconfig=" + s.userKubeconfig("kwok"),
		"--config=" + s.path("stages.yaml"),
		"--manage-nodes-with-label-selector=fake.slicewright.io/kubelet!=dead",
		"--cidr=" + s.podNet(),
		"--node-ip=127.0.0.1",
		"--server-address=127.0.0.1:" + s.port("kwok"),
		fmt.Sprintf("--node-lease-duration-seconds=%d", s.leaseSeconds()),
	}
}

func fakeOperatorArgs(s *state) []string {
	args := []string{
		"--kubeconfig=" + s.userKubeconfig("fake-operator"),
		"--listen=127.0.0.1:" + s.port("fake-operator"),
	}
	return append(args, strings.Fields(s.Options.FakeOperatorArgs)...)
}

// healthURL is where a component answers.
func (c *component) healthURL(s *state) string {
	scheme := "https"
	if c.name == "kwok" || c.name == "fake-operator" {
		scheme = "http"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, s.Ports[c.name], c.health)
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

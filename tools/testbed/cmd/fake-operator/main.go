// fake-operator plays NVIDIA's parts on the nodes of a test cluster: GPU Operator, device plugin
// with its config-manager, GPU feature discovery, mig-manager and dcgm-exporter, and the device
// manager of kubelet, by the protocols that the real ones follow.  docs/CLUSTER.md says what is
// real and what is not.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"slicewright.io/testbed/internal/mig"
)

type options struct {
	kubeconfig    string
	catalog       string
	listen        string
	timeScale     float64
	usage         string
	usageScale    float64
	history       time.Duration
	smMetrics     bool
	configName    string
	migStrategy   string
	pluginVersion string
	exporterPort  int
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "fake-operator: %v\n", err)
		os.Exit(1)
	}
}

func parseOptions() (*options, error) {
	o := &options{}
	flags := pflag.NewFlagSet("fake-operator", pflag.ContinueOnError)
	flags.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "cluster to act in")
	flags.StringVar(&o.catalog, "catalog",
		filepath.Join(os.Getenv("SLICEWRIGHT_ROOT"), "data/mig/catalog.json"), "MIG catalog")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of health, state and Prometheus")
	flags.Float64Var(&o.timeScale, "time-scale", 1, "how many times faster than real the waits are")
	flags.StringVar(&o.usage, "usage", "", "CSV file: what pods use over time")
	flags.Float64Var(&o.usageScale, "usage-scale", 1, "how many times faster the CSV's time runs")
	flags.DurationVar(&o.history, "history", 0,
		"how long before its start Prometheus has samples, with the pods of now")
	flags.BoolVar(&o.smMetrics, "sm-metrics", false,
		"export DCGM_FI_PROF_SM_ACTIVE and SM_OCCUPANCY, off by default in dcgm-exporter")
	flags.StringVar(&o.configName, "config-name", "device-plugin-config",
		"devicePlugin.config.name of the ClusterPolicy that is made if there is none")
	flags.StringVar(&o.migStrategy, "mig-strategy", "mixed",
		"mig.strategy of that ClusterPolicy (the Operator's default is single)")
	flags.StringVar(&o.pluginVersion, "plugin-version", "v0.18.0",
		"devicePlugin.version of that ClusterPolicy; from v0.18.2 on config-manager acts before it has "+
			"seen the node's label")
	flags.IntVar(&o.exporterPort, "exporter-port", 9400, "port of dcgm-exporter on its pods' addresses")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.timeScale < 0.1 || o.timeScale > 1000 || o.usageScale <= 0 {
		return nil, fmt.Errorf("--time-scale must be from 0.1 to 1000, --usage-scale above 0")
	}
	return o, nil
}

func run() error {
	o, err := parseOptions()
	if err == pflag.ErrHelp {
		return nil
	}
	if err != nil {
		return err
	}
	catalog, err := mig.Load(o.catalog)
	if err != nil {
		return fmt.Errorf("MIG catalog: %w", err)
	}
	usage, err := loadUsage(o.usage)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	custom, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	w := newWorld(o, catalog, usage, client, custom)
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: w.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	fmt.Fprintf(os.Stderr, "fake-operator: http://%s\n", listener.Addr())
	return w.run(ctx)
}

func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

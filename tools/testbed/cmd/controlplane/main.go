// controlplane is etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok and kubectl
// in one program: they share most of their code, so one link and one file on disk do for all.  Its
// first argument says which one it is to be; the rest is that program's own command line.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	_ "time/tzdata" // time zones of CronJobs where the machine has no tzdata

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/component-base/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

var mains = []struct {
	name string
	run  func(args []string) int
}{
	{"etcd", runEtcd},
	{"kube-apiserver", cobraMain(apiserver.NewAPIServerCommand)},
	{"kube-controller-manager", cobraMain(controllers.NewControllerManagerCommand)},
	{"kube-scheduler", cobraMain(func() *cobra.Command { return scheduler.NewSchedulerCommand() })},
	{"kwok", runKwok},
	{"kubectl", runKubectl},
	{"version", runVersion},
}

func main() {
	names := make([]string, 0, len(mains))
	for _, m := range mains {
		if len(os.Args) > 1 && os.Args[1] == m.name {
			os.Exit(m.run(os.Args[1:]))
		}
		names = append(names, m.name)
	}
	fmt.Fprintf(os.Stderr, "controlplane: the first argument must be one of: %s\n",
		strings.Join(names, ", "))
	os.Exit(2)
}

// cobraMain runs a command of Kubernetes as its own main() does.  The command is made only when it
// is the one asked for: making it registers feature gates and metrics of that component.
func cobraMain(newCommand func() *cobra.Command) func(args []string) int {
	return func(args []string) int {
		os.Args = args
		return cli.Run(newCommand())
	}
}

// forgetFlags empties the process-wide flags, which cobra adds to every command: the packages of
// Kubernetes put a --version of their own there, which is not the one that other commands expect.
func forgetFlags() { pflag.CommandLine = pflag.NewFlagSet(os.Args[0], pflag.ContinueOnError) }

func runEtcd(args []string) int {
	os.Args = args
	etcdmain.Main(args)
	return 0
}

// runKwok follows kwok's own main(): the configuration flags are read before the command exists.
func runKwok(args []string) int {
	os.Args = args
	forgetFlags()
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}

	ctx, logger := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("Init config flags", "err", err)
		return 1
	}
	return kwokExecute(ctx, flags, logger)
}

func kwokExecute(ctx context.Context, flags *pflag.FlagSet, logger *log.Logger) int {
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("Execute exit", "err", err)
		return 1
	}
	return 0
}

func runKubectl(args []string) int {
	os.Args = args
	forgetFlags()
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err) // prints as kubectl does, and exits
	}
	return 0
}

func runVersion([]string) int {
	fmt.Println(version.Get().GitVersion)
	return 0
}

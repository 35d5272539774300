// cluster starts, watches and ends a Kubernetes control plane made of ordinary processes on the
// loopback.  docs/CLUSTER.md is its manual.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// usageError is a mistake in the command line: exit 2.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

type verb struct {
	name string
	help string
	run  func(args []string) error
}

func verbs() []verb {
	return []verb{
		{"up", "up [NAME]: start a cluster, print the path of its kubeconfig", runUp},
		{"status", "status [NAME]: health of each component", runStatus},
		{"down", "down [NAME]: end a cluster and remove what it left", runDown},
		{"list", "list: the clusters that are there", runList},
		{"start", "start NAME COMPONENT: start a component again", runStart},
		{"stop", "stop NAME COMPONENT: end a component", runStop},
		{"restart", "restart NAME COMPONENT: end and start a component", runRestart},
		{"kubeconfig", "kubeconfig NAME: write a kubeconfig for another user", runKubeconfig},
		{"kubectl", "kubectl NAME -- ARGS: kubectl of the cluster's version, as admin", runKubectl},
	}
}

func main() {
	err := dispatch(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(2)
	}
	os.Exit(1)
}

func dispatch(args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Println("usage: tools/cluster VERB [ARGUMENTS]; the manual is docs/CLUSTER.md")
		for _, v := range verbs() {
			fmt.Println("  " + v.help)
		}
		return nil
	}
	var names []string
	for _, v := range verbs() {
		if v.name == args[0] {
			err := v.run(args[1:])
			if errors.Is(err, pflag.ErrHelp) {
				return nil
			}
			return err
		}
		names = append(names, v.name)
	}
	return usagef("no verb %q; the verbs are: %s", args[0], strings.Join(names, ", "))
}

// place is the part of the command line that every verb shares: which cluster.
type place struct {
	name string
	dir  string
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// placeFlags adds --name and --dir to a verb's flags.
func placeFlags(verb string) (*pflag.FlagSet, *place) {
	flags := pflag.NewFlagSet(verb, pflag.ContinueOnError)
	p := &place{}
	flags.StringVar(&p.name, "name", "", "the cluster's name (default \"default\")")
	flags.StringVar(&p.dir, "dir", "", "directory of the cluster's state")
	return flags, p
}

// parsePlace parses a verb's arguments: an optional NAME, then as many others as `want` names.
func parsePlace(flags *pflag.FlagSet, p *place, args []string, want ...string) ([]string, error) {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil, err
		}
		return nil, usagef("%v", err)
	}
	rest := flags.Args()
	if len(rest) > len(want) {
		if p.name != "" {
			return nil, usagef("name the cluster once: %q and --name %q", rest[0], p.name)
		}
		p.name, rest = rest[0], rest[1:]
	}
	if len(rest) != len(want) {
		if len(rest) > len(want) {
			return nil, usagef("unexpected argument %q", rest[len(want)])
		}
		return nil, usagef("missing argument %s", want[len(rest)])
	}
	if p.name == "" {
		p.name = "default"
	}
	if !validName.MatchString(p.name) {
		return nil, usagef("cluster name %q: expected up to 40 of a-z, 0-9 and -", p.name)
	}
	return rest, p.resolve()
}

func (p *place) resolve() error {
	if p.dir == "" {
		root, err := stateRoot()
		if err != nil {
			return err
		}
		p.dir = filepath.Join(root, p.name)
	}
	dir, err := filepath.Abs(p.dir)
	if err != nil {
		return err
	}
	p.dir = dir
	return nil
}

// stateRoot is where clusters without --dir live.
func stateRoot() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", usagef("neither XDG_STATE_HOME nor HOME is set: say --dir DIR")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "slicewright", "cluster"), nil
}

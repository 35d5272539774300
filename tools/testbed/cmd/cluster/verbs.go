package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"
)

func runStatus(args []string) error {
	flags, p := placeFlags("status")
	if _, err := parsePlace(flags, p, args); err != nil {
		return err
	}
	s, err := loadState(p)
	if err != nil {
		return err
	}
	probe, err := newProber(s)
	if err != nil {
		return err
	}
	fmt.Printf("cluster %s, Kubernetes %s, kubeconfig %s\n", s.Name, s.Version, s.kubeconfig())
	total, ill := 0, 0
	var tails []string
	for _, name := range s.Components {
		c, err := findComponent(name)
		if err != nil {
			return err
		}
		process := s.Processes[name]
		word, detail := "ok", ""
		switch {
		case process == nil:
			word, detail = "stopped", "tools/cluster start "+s.Name+" "+name
		case !process.alive():
			word, detail = "dead", "log "+s.log(name)
			tails = append(tails, name+" ended:\n"+s.logTail(name))
		default:
			if err := probe.ask(c); err != nil {
				word, detail = "ill", err.Error()
			}
		}
		pid, memory := "-", "-"
		if process.alive() {
			pid, memory = fmt.Sprint(process.Pid), fmt.Sprintf("%d MiB", process.memoryMiB())
			total += process.memoryMiB()
		}
		if word != "ok" {
			ill++
		}
		fmt.Printf("  %-20s %-8s pid %-8s port %-6d %9s  %s\n", name, word, pid, s.Ports[name],
			memory, detail)
	}
	fmt.Printf("  %-46s %5d MiB\n", "all", total)
	for _, tail := range tails {
		fmt.Println(tail)
	}
	if ill > 0 {
		return fmt.Errorf("%d of %d components are not well", ill, len(s.Components))
	}
	return nil
}

func runDown(args []string) error {
	flags, p := placeFlags("down")
	if _, err := parsePlace(flags, p, args); err != nil {
		return err
	}
	s, err := loadState(p)
	if err != nil {
		return err
	}
	return s.end()
}

// end kills everything at once, since nothing of the state is kept, and removes the directory.
func (s *state) end() error {
	var failures []error
	for _, process := range s.Processes {
		if process.alive() {
			_ = syscall.Kill(process.Pid, syscall.SIGKILL) // halt below looks again
		}
	}
	for name, process := range s.Processes {
		if err := process.halt(true); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		}
	}
	if err := s.deleteRoute(); err != nil {
		failures = append(failures, err)
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	return os.RemoveAll(s.dir)
}

// knownClusters are those under the state directory, by name.
func knownClusters() []*state {
	root, err := stateRoot()
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	var found []*state
	for _, entry := range entries {
		s, err := loadState(&place{name: entry.Name(), dir: filepath.Join(root, entry.Name())})
		if err == nil {
			found = append(found, s)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found
}

func runList(args []string) error {
	if len(args) > 0 {
		return usagef("list takes no argument")
	}
	for _, s := range knownClusters() {
		alive := 0
		for _, process := range s.Processes {
			if process.alive() {
				alive++
			}
		}
		fmt.Printf("%-20s %d of %d components run  %s\n", s.Name, alive, len(s.Components),
			s.kubeconfig())
	}
	return nil
}

// change is the common part of start, stop and restart.
func change(verb string, args []string, work func(s *state, c *component, kill bool) error) error {
	flags, p := placeFlags(verb)
	kill := false
	if verb != "start" {
		flags.BoolVar(&kill, "kill", false, "kill it as a crash would")
	}
	rest, err := parsePlace(flags, p, args, "COMPONENT")
	if err != nil {
		return err
	}
	c, err := findComponent(rest[0])
	if err != nil {
		return err
	}
	s, err := loadState(p)
	if err != nil {
		return err
	}
	if !slices.Contains(s.Components, c.name) {
		return usagef("cluster %s has no %s: it has %s", s.Name, c.name,
			strings.Join(s.Components, ", "))
	}
	return work(s, c, kill)
}

func (s *state) halt(c *component, kill bool) error {
	if err := s.Processes[c.name].halt(kill); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	delete(s.Processes, c.name)
	return s.save()
}

func (s *state) resume(c *component) error {
	if s.Processes[c.name].alive() {
		return fmt.Errorf("%s runs already (pid %d)", c.name, s.Processes[c.name].Pid)
	}
	probe, err := newProber(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// The ports are of the range that clients are given their own ends from: one that tries again
	// while nobody listens may connect to itself, and has the port for a moment.
	for try := 1; ; try++ {
		err := s.bring(ctx, probe, c.name)
		if err == nil || try == resumeTries || s.Processes[c.name].alive() ||
			!strings.Contains(s.logTail(c.name), "address already in use") {
			return err
		}
		delete(s.Processes, c.name)
		time.Sleep(250 * time.Millisecond)
	}
}

const resumeTries = 20

func runStop(args []string) error {
	return change("stop", args, func(s *state, c *component, kill bool) error {
		return s.halt(c, kill)
	})
}

func runStart(args []string) error {
	return change("start", args, func(s *state, c *component, _ bool) error {
		return s.resume(c)
	})
}

func runRestart(args []string) error {
	return change("restart", args, func(s *state, c *component, kill bool) error {
		if err := s.halt(c, kill); err != nil {
			return err
		}
		return s.resume(c)
	})
}

// runKubectl becomes kubectl.
func runKubectl(args []string) error {
	flags, p := placeFlags("kubectl")
	var rest []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, rest = args[:i], args[i+1:]
	}
	if _, err := parsePlace(flags, p, args); err != nil {
		return err
	}
	s, err := loadState(p)
	if err != nil {
		return err
	}
	c := component{main: "kubectl"}
	program, err := c.program()
	if err != nil {
		return err
	}
	if err := os.Setenv("KUBECONFIG", s.kubeconfig()); err != nil {
		return err
	}
	return syscall.Exec(program, append([]string{program, "kubectl"}, rest...), os.Environ())
}

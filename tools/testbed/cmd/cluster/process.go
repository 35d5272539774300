package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// procStat reads the state letter and the start time of a process; ok is false when it is gone.
func procStat(pid int) (letter byte, start uint64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	// The second field, the program's name, may hold spaces and brackets: count after the last one.
	_, rest, found := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return 0, 0, false
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return fields[0][0], start, err == nil
}

func (p *process) alive() bool {
	if p == nil {
		return false
	}
	letter, start, ok := procStat(p.Pid)
	return ok && letter != 'Z' && start == p.Start
}

// memoryMiB is what the process holds in memory, with its part of the pages that it shares with the
// others: all run the same program.  0 when it is gone.
func (p *process) memoryMiB() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(rest, " kB")))
			if err == nil {
				return kib / 1024
			}
		}
	}
	return 0
}

// launch starts a component in a session of its own, so that it outlives this program and the
// terminal; its output goes to the end of its log.
func (s *state) launch(c *component) error {
	argv, err := c.argv(s)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.log(c.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	_, start, _ := procStat(cmd.Process.Pid)
	s.Processes[c.name] = &process{Pid: cmd.Process.Pid, Start: start}
	go func() { _ = cmd.Wait() }() // while this program lives: a crash leaves no zombie
	return s.save()
}

// halt ends a process and waits until it is gone.  Without `kill` it gets ten seconds to leave.
func (p *process) halt(kill bool) error {
	if !p.alive() {
		return nil
	}
	if !kill {
		if err := syscall.Kill(p.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		if p.gone(10 * time.Second) {
			return nil
		}
	}
	if err := syscall.Kill(p.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	if !p.gone(10 * time.Second) {
		return fmt.Errorf("pid %d does not end", p.Pid)
	}
	return nil
}

func (p *process) gone(patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if !p.alive() {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return !p.alive()
}

// logTail is the end of a component's log, indented; what crashed says there why.
func (s *state) logTail(component string) string {
	const wanted = 15
	text, err := os.ReadFile(s.log(component))
	if err != nil {
		return "  (no log: " + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > wanted {
		lines = lines[len(lines)-wanted:]
	}
	return "  | " + strings.Join(lines, "\n  | ")
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
)

// program is a running `slicewright dra allocate --batch`.
type program struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(bin string) *program {
	cmd := exec.Command(bin, "dra", "allocate", "--batch")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		fail("%v", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		fail("%v", err)
	}
	if err := cmd.Start(); err != nil {
		fail("%s: %v", bin, err)
	}
	return &program{cmd, in, bufio.NewReaderSize(out, 1<<20)}
}

func (p *program) ask(line []byte) Answer {
	if _, err := p.in.Write(append(line[:len(line):len(line)], '\n')); err != nil {
		fail("the program ended at: %s", line)
	}
	text, err := p.out.ReadBytes('\n')
	if err != nil {
		fail("the program ended at: %s", line)
	}
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil {
		fail("answer %q: %v", text, err)
	}
	return a
}

// normal leaves out what is random: share ids.
func normal(a Answer) Answer {
	id := types.UID("share")
	for i := range a.Allocations {
		for k := range a.Allocations[i].Devices.Results {
			if r := &a.Allocations[i].Devices.Results[k]; r.ShareID != nil {
				r.ShareID = &id
			}
		}
	}
	return a
}

func same(ours, theirs Answer) bool {
	return ours.Outcome == theirs.Outcome &&
		equality.Semantic.DeepEqual(normal(ours).Allocations, normal(theirs).Allocations)
}

func compare(p *program, text []byte) (ours, theirs Answer, ok bool) {
	var c Case
	if err := json.Unmarshal(text, &c); err != nil {
		return ours, theirs, true
	}
	theirs = upstream(&c)
	if theirs.Outcome == "timeout" {
		return ours, theirs, true // ours may take as long
	}
	ours = p.ask(text)
	return ours, theirs, same(ours, theirs)
}

// smaller lists copies of a JSON tree with one item or member left out, larger parts first.
func smaller(v any) []any {
	var out []any
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		with := func(k string, part any, keep bool) map[string]any {
			m := make(map[string]any)
			for other, value := range v {
				if other != k {
					m[other] = value
				}
			}
			if keep {
				m[k] = part
			}
			return m
		}
		for _, k := range keys {
			out = append(out, with(k, nil, false))
		}
		for _, k := range keys {
			for _, part := range smaller(v[k]) {
				out = append(out, with(k, part, true))
			}
		}
	case []any:
		for i := range v {
			out = append(out, append(append([]any{}, v[:i]...), v[i+1:]...))
		}
		for i := range v {
			for _, part := range smaller(v[i]) {
				with := append([]any{}, v...)
				with[i] = part
				out = append(out, with)
			}
		}
	}
	return out
}

// shrink drops parts of a case while the two still differ in the same way.
func shrink(p *program, text []byte, want string) []byte {
	for {
		var tree any
		_ = json.Unmarshal(text, &tree)
		found := false
		for _, candidate := range smaller(tree) {
			try, _ := json.Marshal(candidate)
			var c Case
			if json.Unmarshal(try, &c) != nil || !plausible(&c) {
				continue
			}
			ours, theirs, ok := compare(p, try)
			if !ok && ours.Outcome+"/"+theirs.Outcome == want {
				text, found = try, true
				break
			}
		}
		if !found {
			return text
		}
	}
}

// plausible keeps the shrinker to objects that an API server could have stored.
func plausible(c *Case) bool {
	if c.Node == nil {
		return false
	}
	for _, class := range c.Classes {
		for _, s := range class.Spec.Selectors {
			if s.CEL == nil {
				return false
			}
		}
	}
	for _, claim := range c.Claims {
		for _, r := range claim.Spec.Devices.Requests {
			if (r.Exactly == nil) == (len(r.FirstAvailable) == 0) {
				return false
			}
			if r.Exactly != nil && (r.Exactly.AllocationMode == "" ||
				r.Exactly.AllocationMode == "ExactCount" && r.Exactly.Count == 0) {
				return false
			}
			for _, sub := range r.FirstAvailable {
				if sub.AllocationMode == "" || sub.AllocationMode == "ExactCount" && sub.Count == 0 {
					return false
				}
			}
		}
	}
	for _, slice := range c.Slices {
		for _, d := range slice.Spec.Devices {
			for _, capacity := range d.Capacity {
				if p := capacity.RequestPolicy; p != nil && (p.Default == nil || p.ValidRange != nil && p.ValidRange.Min == nil) {
					return false
				}
			}
			for _, a := range d.Attributes {
				if a.IntValue == nil && a.BoolValue == nil && a.StringValue == nil && a.VersionValue == nil &&
					len(a.IntValues)+len(a.StringValues)+len(a.VersionValues)+len(a.BoolValues) == 0 {
					return false
				}
			}
		}
	}
	return true
}

func table(m map[string]int) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(parts, ", ")
}

func diff(bin string, n, seed uint64, keep int) int {
	p := start(bin)
	counts, outcomes := map[string]int{}, map[string]int{}
	equal, timeouts, unsupported, different := 0, 0, 0, 0
	for i := uint64(0); i < n && different < keep; i++ {
		text, err := json.Marshal(generate(seed+i, counts))
		if err != nil {
			fail("%v", err)
		}
		ours, theirs, ok := compare(p, text)
		outcomes[theirs.Outcome]++
		if ours.Pruned {
			counts["pruned"]++
		}
		switch {
		case theirs.Outcome == "timeout":
			timeouts++
		case ours.Outcome == "unsupported":
			unsupported++
		case ok:
			equal++
		default:
			different++
			text = shrink(p, text, ours.Outcome+"/"+theirs.Outcome)
			ours, theirs, _ = compare(p, text)
			o, _ := json.Marshal(ours)
			t, _ := json.Marshal(theirs)
			fmt.Printf("seed %d differs; shrunk to:\n%s\nours:     %s\nupstream: %s\n", seed+i, text, o, t)
		}
	}
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		fail("the program: %v", err)
	}
	fmt.Printf("%d cases equal, %d differ; not compared: %d (upstream over %v), %d (not supported)\n",
		equal, different, timeouts, upstreamLimit, unsupported)
	fmt.Printf("outcomes: %s\n", table(outcomes))
	fmt.Printf("features: %s\n", table(counts))
	if different > 0 {
		return 1
	}
	return 0
}

// Package main compares dra lint's rules of the API with Kubernetes' own.
//
//	draoracle gen -n N | dravalid -batch DRA-VALIDATE -seed S -mutations M
//
// Each object of the cases, as it is and changed in M ways, goes through the API server's decoding,
// defaulting and validation for a create, and through ours: both must refuse it or neither, and what
// they find must be of the same kind at the same paths.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"sort"
	"strings"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "dravalid: "+format+"\n", args...)
	os.Exit(2)
}

// program answers a line with the problems, each "path: kind".
type program struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func start(path string) *program {
	cmd := exec.Command(path)
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
		fail("%v", err)
	}
	return &program{in, bufio.NewReaderSize(out, 1<<20)}
}

func (p *program) ask(object []byte) []problem {
	if _, err := p.in.Write(append(object[:len(object):len(object)], '\n')); err != nil {
		fail("the program ended at %s", object)
	}
	text, err := p.out.ReadBytes('\n')
	if err != nil {
		fail("the program ended at %s", object)
	}
	var problems []problem
	if err := json.Unmarshal(text, &problems); err != nil {
		fail("answer %q: %v", text, err)
	}
	return problems
}

type problem struct {
	Path, Text string
}

// The kinds of field errors, as their text begins.
var kinds = []string{"Invalid value", "Required value", "Duplicate value", "Unsupported value", "Too many", "Too long", "Forbidden"}

func kind(text string) string {
	for _, k := range kinds {
		if strings.HasPrefix(text, k) {
			return k
		}
	}
	return "other: " + text
}

func lines(problems []problem) string {
	seen := map[string]bool{}
	out := []string{}
	for _, p := range problems {
		line := p.Path + ": " + kind(p.Text)
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	sort.Strings(out)
	return strings.Join(out, "\n")
}

type counts struct {
	objects, refused, shapes, different int
	kinds                               map[string]int
	only                                map[string]int // what one side alone says
}

var digits = regexp.MustCompile(`\[[^]]*\]`)

// difference is what one side alone says, without indices and keys.
func difference(ours, theirs []problem, shape bool) string {
	if shape {
		return "upstream's decoder alone: " + theirs[0].Text
	}
	have := map[string]int{}
	for _, line := range strings.Split(lines(ours), "\n") {
		have[line]++
	}
	for _, line := range strings.Split(lines(theirs), "\n") {
		have[line]--
	}
	out := []string{}
	for line, n := range have {
		if n != 0 && line != "" {
			out = append(out, map[bool]string{true: "ours: ", false: "upstream: "}[n > 0]+digits.ReplaceAllString(line, "[]"))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "; ")
}

func check(p *program, object []byte, c *counts, keep int) {
	theirs, shape := upstream(object)
	ours := p.ask(object)
	c.objects++
	if len(theirs) > 0 {
		c.refused++
	}
	same := lines(ours) == lines(theirs)
	if shape { // decoding stops at the first problem, in words of its own
		c.shapes++
		same = len(ours) > 0
	}
	if same {
		for _, t := range theirs {
			c.kinds[kind(t.Text)]++
		}
		return
	}
	c.different++
	only := difference(ours, theirs, shape)
	if c.only[only]++; c.only[only] == 1 && len(c.only) <= keep {
		fmt.Printf("differs: %s\n  ours:     %v\n  upstream: %v\n", object, ours, theirs)
	}
}

func main() {
	batch := flag.String("batch", "", "our rules")
	seed := flag.Uint64("seed", 1, "of the changes")
	mutations := flag.Int("mutations", 3, "changed copies of each object")
	keep := flag.Int("keep", 5, "differences to print")
	flag.Parse()
	p := start(*batch)
	c := counts{kinds: map[string]int{}, only: map[string]int{}}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	rng := rand.New(rand.NewPCG(*seed, 0))
	for in.Scan() {
		for _, object := range objects(in.Bytes()) {
			text, _ := json.Marshal(object)
			check(p, text, &c, *keep)
			for m := 0; m < *mutations; m++ {
				var tree any
				_ = json.Unmarshal(text, &tree)
				for n := 1 + rng.IntN(2); n > 0; n-- {
					mutate(tree, rng)
				}
				changed, _ := json.Marshal(tree)
				check(p, changed, &c, *keep)
			}
		}
	}
	for only, n := range c.only {
		fmt.Printf("%6d differ by %s\n", n, only)
	}
	fmt.Printf("%d objects, %d refused (%d for their shape), %d differ; problems by kind: %v\n",
		c.objects, c.refused, c.shapes, c.different, c.kinds)
	if c.different > 0 || c.objects == 0 {
		os.Exit(1)
	}
}

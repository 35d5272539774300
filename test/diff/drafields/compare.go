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
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
)

const (
	theirWords = "unknown field "
	ourWords   = "strict decoding error: unknown field"
)

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

// ask is what ours says of an object: the paths, sorted.
func (p *program) ask(object []byte) []string {
	if _, err := p.in.Write(append(object[:len(object):len(object)], '\n')); err != nil {
		fail("the program ended at %s", object)
	}
	text, err := p.out.ReadBytes('\n')
	if err != nil {
		fail("the program ended at %s", object)
	}
	var problems []struct{ Path, Text string }
	if err := json.Unmarshal(text, &problems); err != nil {
		fail("answer %q: %v", text, err)
	}
	paths := map[string]bool{}
	for _, p := range problems {
		if !strings.HasPrefix(p.Text, ourWords) {
			fail("%s: %s", p.Text, object)
		}
		paths[p.Path] = true
	}
	return sorted(paths)
}

func sorted(set map[string]bool) []string {
	out := []string{}
	for item := range set {
		out = append(out, item)
	}
	sort.Strings(out)
	return out
}

var decoder runtime.Decoder

// upstream is what a strict decoding says; false: it could not decode the object at all.
func upstream(object []byte) ([]string, bool) {
	_, _, err := decoder.Decode(object, nil, nil)
	if err == nil {
		return []string{}, true
	}
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return nil, false
	}
	paths := map[string]bool{}
	for _, e := range strict.Errors() {
		path, err := strconv.Unquote(strings.TrimPrefix(e.Error(), theirWords))
		if err != nil {
			fail("%v: %s", e, object)
		}
		paths[path] = true
	}
	return sorted(paths), true
}

type counts struct {
	objects, undecodable, unknown, different int
}

func check(p *program, tree any, c *counts) {
	object, err := json.Marshal(tree)
	if err != nil {
		fail("%v", err)
	}
	theirs, decoded := upstream(object)
	ours := p.ask(object)
	c.objects++
	if !decoded {
		c.undecodable++
		return
	}
	c.unknown += len(theirs)
	if strings.Join(ours, "\n") == strings.Join(theirs, "\n") {
		return
	}
	if c.different++; c.different <= 5 {
		fmt.Printf("differs: %s\n  ours:     %q\n  upstream: %q\n", object, ours, theirs)
	}
}

func compare(arguments []string) {
	flags := flag.NewFlagSet("compare", flag.ExitOnError)
	batch := flags.String("batch", "", "ours")
	seed := flags.Uint64("seed", 1, "of the objects")
	n := flags.Int("n", 5000, "valid objects, each of them changed once")
	_ = flags.Parse(arguments)
	scheme := newScheme()
	decoder = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Strict: true})
	p := start(*batch)
	rng := rand.New(rand.NewPCG(*seed, 0))
	all := roots()
	var c counts
	wanted, seen := map[string]bool{}, map[string]bool{}
	for _, r := range all {
		paths(r, wanted)
	}
	for i := 0; i < *n; i++ {
		r := all[rng.IntN(len(all))]
		tree := object(r, rng)
		used(tree, r.Version+" "+r.Kind, seen)
		check(p, tree, &c)
		insert(tree, rng)
		check(p, tree, &c)
	}
	missing := []string{}
	for path := range wanted {
		if !seen[path] {
			missing = append(missing, path)
		}
	}
	sort.Strings(missing)
	fmt.Printf("%d objects, %d differ; %d unknown fields, %d objects with content of a wrong kind; %d fields, %d never used\n",
		c.objects, c.different, c.unknown, c.undecodable, len(wanted), len(missing))
	if len(missing) > 0 {
		fmt.Printf("never used: %q\n", missing[:min(len(missing), 5)])
	}
	if c.different > 0 || c.unknown == 0 || c.undecodable*2 > c.objects || len(missing) > 0 {
		os.Exit(1)
	}
}

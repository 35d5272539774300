// Package main compares slicewright's DRA allocator with Kubernetes' own.
//
//	draoracle batch                        one case a line in, upstream's answer out
//	draoracle diff -bin P -n N -seed S     random cases through both; shrinks what differs
//	draoracle gen -n N -seed S             random cases, one a line
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "draoracle: "+format+"\n", args...)
	os.Exit(2)
}

func batch() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			var c Case
			if e := json.Unmarshal(line, &c); e != nil {
				fail("input: %v", e)
			}
			text, _ := json.Marshal(upstream(&c))
			fmt.Fprintf(out, "%s\n", text)
			out.Flush()
		}
		if err != nil {
			return
		}
	}
}

func gen(n, seed uint64) {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i := uint64(0); i < n; i++ {
		text, _ := json.Marshal(generate(seed+i, map[string]int{}))
		fmt.Fprintf(out, "%s\n", text)
	}
}

func main() {
	if len(os.Args) < 2 {
		fail("expected batch, diff or gen")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	bin := flags.String("bin", os.Getenv("SLICEWRIGHT_BIN"), "the slicewright program")
	n := flags.Uint64("n", 1000, "cases")
	seed := flags.Uint64("seed", 1, "of the first case; case i has seed+i")
	keep := flags.Int("keep", 3, "stop after so many differences")
	_ = flags.Parse(os.Args[2:])
	switch os.Args[1] {
	case "batch":
		batch()
	case "gen":
		gen(*n, *seed)
	case "diff":
		os.Exit(diff(*bin, *n, *seed, *keep))
	default:
		fail("expected batch, diff or gen, not %s", os.Args[1])
	}
}

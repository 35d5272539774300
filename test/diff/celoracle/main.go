// Package main compares slicewright's CEL engine with Kubernetes' own compiler of device selectors
// on random expressions and devices, and its regular expressions, quantities and versions with the
// Go packages that Kubernetes uses.
//
//	celoracle -batch PROGRAM [-n N] [-seed S] [-mode expr|regex|quantity|semver]
//	celoracle < LINES      answers lines like {"expr": ..., "device": ...}
//	celoracle -bench       times every expression of bench/cel_expressions.txt (stdin)
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
)

func main() {
	batch := flag.String("batch", "", "the C program that answers lines")
	n := flag.Int("n", 20000, "cases")
	seed := flag.Int64("seed", 1, "of the random cases")
	mode := flag.String("mode", "expr", "expr, regex, quantity or semver")
	bench := flag.Bool("bench", false, "time the expressions on standard input")
	show := flag.Int("show", 3, "how many failing cases to shrink and print")
	flag.Parse()
	switch {
	case *bench:
		runBench(os.Stdin)
	case *batch == "":
		answerLines(os.Stdin)
	default:
		c, err := startClient(*batch)
		if err != nil {
			log.Fatal(err)
		}
		if !compareAll(c, *mode, *n, *show, rand.New(rand.NewSource(*seed))) {
			os.Exit(1)
		}
	}
}

func answerLines(in *os.File) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c exprCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Printf("{\"outcome\":\"input\",\"message\":%q}\n", err.Error())
			continue
		}
		out, _ := json.Marshal(upstream(&c))
		fmt.Println(string(out))
	}
}

package main

import (
	"fmt"
	"log"
	"math/rand"
	"sort"
	"strings"
	"unicode/utf8"
)

type exprReply struct {
	Eval     answer `json:"eval"`
	Estimate uint64 `json:"estimate"`
}

// verdict tells how the two answers relate: "" when they are equal.
func verdict(theirs answer, ours exprReply) string {
	switch {
	case theirs.Outcome == "panic" || ours.Eval.Outcome == "unsupported":
		return ""
	case theirs.Outcome != ours.Eval.Outcome:
		return "outcome"
	case theirs.Cost != ours.Eval.Cost:
		return "cost"
	case theirs.Outcome != "compile-error" && theirs.Estimate != 0 && theirs.Estimate != ours.Estimate:
		return "estimate"
	}
	return ""
}

// cel-go walks a map literal in Go's order, which is another one each time, so what a macro over it
// costs, and which of two errors it meets, may differ from run to run: ours must be one of them.
const upstreamTries = 50

// compareCase asks both; upstream again, as often as it takes, where a map may be to blame.
func compareCase(c *client, test *exprCase) (theirs answer, ours exprReply, what string) {
	ours = ask(c, test)
	for i := 0; i == 0 || i < upstreamTries && strings.Contains(test.Expr, "{"); i++ {
		theirs = upstream(test)
		if what = verdict(theirs, ours); what == "" {
			break
		}
	}
	return theirs, ours, what
}

func compareAll(c *client, mode string, n, show int, r *rand.Rand) bool {
	switch mode {
	case "regex":
		return compareRegex(c, n, show, r)
	case "quantity":
		return compareQuantities(c, n, show, r)
	case "semver":
		return compareVersions(c, n, show, r)
	}
	return compareExprs(c, n, show, r)
}

func compareExprs(c *client, n, show int, r *rand.Rand) bool {
	g := &generator{r: r}
	counts := map[string]int{}
	failed := 0
	for i := 0; i < n; i++ {
		test := g.exprCase()
		if !utf8.ValidString(test.Expr) {
			counts["skipped: not UTF-8"]++
			continue
		}
		theirs, ours, what := compareCase(c, &test)
		switch {
		case what != "":
			counts["DIFFERENT: "+what]++
			if failed++; failed <= show {
				report(c, test, what)
			}
		case theirs.Outcome == "panic" || ours.Eval.Outcome == "unsupported":
			counts["not compared: "+map[bool]string{true: "cel-go panics", false: "unsupported"}[theirs.Outcome == "panic"]]++
		default:
			counts["equal: "+theirs.Outcome]++
		}
	}
	printCounts(counts)
	return failed == 0
}

func printCounts(counts map[string]int) {
	keys := []string{}
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Printf("%8d %s\n", counts[k], k)
	}
}

func ask(c *client, test *exprCase) exprReply {
	var reply exprReply
	if err := c.ask(test, &reply); err != nil {
		log.Fatalf("the C program: %v on %q", err, test.Expr)
	}
	return reply
}

// report shrinks a failing case and prints it.
func report(c *client, test exprCase, what string) {
	fails := func(t exprCase) bool {
		_, _, now := compareCase(c, &t)
		return now == what
	}
	for again := true; again; {
		again = false
		for _, shorter := range shrinks(test) {
			if fails(shorter) {
				test, again = shorter, true
				break
			}
		}
	}
	theirs, ours := upstream(&test), ask(c, &test)
	fmt.Printf("DIFFERENT %s\n  expr   %s\n  device %+v\n  theirs %+v\n  ours   %+v\n", what, test.Expr, deviceText(test.Device), theirs, ours)
}

// shrinks are smaller variants: balanced parts of the expression, parts replaced by constants, fewer
// attributes.
func shrinks(test exprCase) []exprCase {
	out := []exprCase{}
	with := func(expr string) {
		if len(expr) < len(test.Expr) {
			out = append(out, exprCase{expr, test.Device})
		}
	}
	for i := 0; i < len(test.Expr); i++ {
		if strings.IndexByte("([{", test.Expr[i]) < 0 {
			continue
		}
		depth := 0
		for j := i; j < len(test.Expr); j++ {
			if strings.IndexByte("([{", test.Expr[j]) >= 0 {
				depth++
			} else if strings.IndexByte(")]}", test.Expr[j]) >= 0 {
				depth--
			}
			if depth == 0 {
				inner := test.Expr[i+1 : j]
				with(inner)
				with(test.Expr[:i] + inner + test.Expr[j+1:])
				for _, simple := range []string{"true", "false", "1", `"a"`, "[1]", "optional.of(1)"} {
					with(test.Expr[:i] + simple + test.Expr[j+1:])
				}
				break
			}
		}
	}
	for _, op := range []string{" && ", " || ", " == ", " != ", " ? ", " : ", " + ", " < "} {
		for at := strings.Index(test.Expr, op); at >= 0; {
			with(test.Expr[:at])
			with(test.Expr[at+len(op):])
			next := strings.Index(test.Expr[at+1:], op)
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	for name := range test.Device.Attributes {
		d := test.Device
		d.Attributes = map[string]attribute{}
		for k, v := range test.Device.Attributes {
			if k != name {
				d.Attributes[k] = v
			}
		}
		out = append(out, exprCase{test.Expr, d})
	}
	return out
}

func deviceText(d device) string {
	parts := []string{d.Driver}
	for k, a := range d.Attributes {
		switch {
		case a.Int != nil:
			parts = append(parts, fmt.Sprintf("%s=%d", k, *a.Int))
		case a.Bool != nil:
			parts = append(parts, fmt.Sprintf("%s=%t", k, *a.Bool))
		case a.String != nil:
			parts = append(parts, fmt.Sprintf("%s=%q", k, *a.String))
		case a.Version != nil:
			parts = append(parts, fmt.Sprintf("%s=v%s", k, *a.Version))
		default:
			parts = append(parts, fmt.Sprintf("%s=%v%v%v%v", k, a.Ints, a.Strings, a.Bools, a.Versions))
		}
	}
	for k, q := range d.Capacity {
		parts = append(parts, k+"="+q.Value)
	}
	return strings.Join(parts, " ")
}

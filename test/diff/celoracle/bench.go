package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"

	dracel "k8s.io/dynamic-resource-allocation/cel"
)

type timing struct {
	Expr       string  `json:"expr"`
	CompileNs  float64 `json:"compile_ns"`
	EvaluateNs float64 `json:"evaluate_ns"`
	Cost       uint64  `json:"cost"`
	Estimate   uint64  `json:"estimate"`
}

// median of five runs, each long enough to be timed, in nanoseconds a call.
func median(run func()) float64 {
	times := []float64{}
	for i := 0; i < 5; i++ {
		count := 0
		start := time.Now()
		for time.Since(start) < 60*time.Millisecond {
			for j := 0; j < 10; j++ {
				run()
			}
			count += 10
		}
		times = append(times, float64(time.Since(start).Nanoseconds())/float64(count))
	}
	sort.Float64s(times)
	return times[2]
}

// runBench reads "DEVICE-JSON" and then an expression a line, and prints a JSON line for each.
func runBench(in io.Reader) {
	runtime.GOMAXPROCS(1)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	var d device
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &d) != nil {
		log.Fatal("the first line is no device")
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	compiler := dracel.GetCompiler(features)
	for lines.Scan() {
		expr := strings.TrimSpace(lines.Text())
		if expr == "" || strings.HasPrefix(expr, "#") {
			continue
		}
		t := timing{Expr: expr}
		p := compiler.CompileCELExpression(expr, dracel.Options{})
		if p.Error != nil {
			log.Fatalf("%s: %v", expr, p.Error)
		}
		input := d.convert()
		_, details, err := p.DeviceMatches(context.Background(), input)
		if err != nil {
			log.Fatalf("%s: %v", expr, err)
		}
		t.Cost, t.Estimate = *details.ActualCost(), p.MaxCost
		t.CompileNs = median(func() { compiler.CompileCELExpression(expr, dracel.Options{}) })
		t.EvaluateNs = median(func() { p.DeviceMatches(context.Background(), input) })
		if err := out.Encode(t); err != nil {
			log.Fatal(err)
		}
	}
}

// Package main runs the conformance files of cel-spec against our CEL engine.
//
//	celconform -batch CEL-BATCH -data DIR [-v]
//
// DIR is tests/simple/testdata of the module cel.dev/expr.  A test is left out, and counted by the
// reason, where it needs what device selectors do not have.  Anything else must come out as written, or,
// where Kubernetes' own environment differs from the files (it refuses lists and maps of mixed types,
// and quoted field names), as it does there.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	test "cel.dev/expr/conformance/test"
	"google.golang.org/protobuf/encoding/prototext"

	_ "cel.dev/expr/conformance/proto2" // messages that the files name
	_ "cel.dev/expr/conformance/proto3"
)

type answer struct {
	Outcome, Message, Type string
	Value                  json.RawMessage
}

type engine struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "celconform: "+format+"\n", args...)
	os.Exit(2)
}

func start(program string) *engine {
	cmd := exec.Command(program)
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
	return &engine{in, bufio.NewReaderSize(out, 1<<20)}
}

func (e *engine) ask(expr string) answer {
	line, _ := json.Marshal(map[string]string{"value": expr})
	if _, err := e.in.Write(append(line, '\n')); err != nil {
		fail("%s: %v", expr, err)
	}
	text, err := e.out.ReadBytes('\n')
	if err != nil {
		fail("%s: the engine ended", expr)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		fail("%s: %q: %v", expr, text, err)
	}
	return a
}

// Whole files whose subject device selectors do not have.
var leftOutFiles = map[string]string{
	"block_ext":    "library cel.block",
	"encoders_ext": "library base64",
	"math_ext":     "library math",
	"proto2":       "protocol buffers",
	"proto2_ext":   "protocol buffers",
	"proto3":       "protocol buffers",
	"enums":        "protocol buffers",
	"wrappers":     "protocol buffers",
	"unknowns":     "unknown values",
}

var protobuf = regexp.MustCompile(`TestAllTypes|google\.protobuf|NestedTestAllTypes|GlobalEnum|NestedEnum`)
var ident = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// leftOut is why a test is not run, or "".
func leftOut(t *test.SimpleTest) string {
	switch {
	case protobuf.MatchString(t.GetExpr()) || protobuf.MatchString(prototext.Format(t)):
		return "protocol buffers"
	case t.GetContainer() != "":
		return "containers"
	case t.GetDisableMacros():
		return "macros switched off"
	case t.GetDisableCheck():
		return "evaluation without a check"
	}
	for name, v := range t.GetBindings() {
		if !ident.MatchString(name) {
			return "variables with dots in their names"
		}
		if _, ok := literal(v.GetValue()); !ok {
			return "variables that no literal can say"
		}
	}
	for _, d := range t.GetTypeEnv() {
		if d.GetFunction() != nil {
			return "functions of the test's own"
		}
		if _, bound := t.GetBindings()[d.GetName()]; !bound {
			return "variables without a value"
		}
	}
	return ""
}

// source binds the test's variables by cel.bind: the engine's environment has none.
func source(t *test.SimpleTest) string {
	names := make([]string, 0, len(t.GetBindings()))
	for name := range t.GetBindings() {
		names = append(names, name)
	}
	sort.Strings(names)
	expr := t.GetExpr()
	for _, name := range names {
		text, _ := literal(t.GetBindings()[name].GetValue())
		expr = fmt.Sprintf("cel.bind(%s, %s, %s)", name, text, expr)
	}
	return expr
}

// judge says what is wrong with an answer, or "".
func judge(t *test.SimpleTest, a answer) string {
	if typed := t.GetTypedResult(); typed != nil && a.Type != "" {
		if want := typeName(typed.GetDeducedType()); want != a.Type && len(t.GetBindings()) == 0 {
			return fmt.Sprintf("type %s, want %s", a.Type, want)
		}
	}
	if t.GetCheckOnly() {
		return map[bool]string{true: "", false: a.Outcome + " " + a.Message}[a.Type != ""]
	}
	if t.GetEvalError() != nil || t.GetAnyEvalErrors() != nil {
		if a.Outcome == "runtime-error" || a.Outcome == "compile-error" {
			return ""
		}
		return fmt.Sprintf("%s %s, want an error", a.Outcome, a.Value)
	}
	want := t.GetValue()
	if typed := t.GetTypedResult(); typed != nil {
		want = typed.GetResult()
	}
	if a.Outcome != "value" {
		return a.Outcome + " " + a.Message
	}
	expected := "bool:true" // a test that says nothing else
	if want != nil {
		expected = canonical(want)
	}
	if text := canonicalJSON(a.Value); text != expected {
		return fmt.Sprintf("%s, want %s", text, expected)
	}
	return ""
}

func main() {
	batch := flag.String("batch", "", "our engine")
	data := flag.String("data", "", "the folder with *.textproto")
	verbose := flag.Bool("v", false, "name what is left out")
	flag.Parse()
	files, _ := filepath.Glob(filepath.Join(*data, "*.textproto"))
	if len(files) == 0 {
		fail("no *.textproto in %q", *data)
	}
	e := start(*batch)
	env := kubernetes()
	passed, wrong, otherwise, out := 0, 0, 0, map[string]int{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			fail("%v", err)
		}
		file := &test.SimpleTestFile{}
		if err := prototext.Unmarshal(text, file); err != nil {
			fail("%s: %v", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".textproto")
		for _, section := range file.GetSection() {
			for _, t := range section.GetTest() {
				why := leftOutFiles[name]
				if why == "" {
					why = leftOut(t)
				}
				var a answer
				if why == "" {
					a = e.ask(source(t))
					why = notOurs(a)
				}
				if why != "" {
					out[why]++
					if *verbose {
						fmt.Printf("left out %s/%s/%s: %s: %s\n", name, section.GetName(), t.GetName(), why, t.GetExpr())
					}
					continue
				}
				bad := judge(t, a)
				if bad != "" && ours(a) == theirs(env, source(t)) {
					otherwise++
					if *verbose {
						fmt.Printf("as Kubernetes %s/%s/%s: %s: %s\n", name, section.GetName(), t.GetName(), bad, source(t))
					}
					continue
				}
				if bad != "" {
					wrong++
					fmt.Printf("%s/%s/%s: %s\n    %s\n", name, section.GetName(), t.GetName(), bad, source(t))
					continue
				}
				passed++
			}
		}
	}
	sum, parts := 0, []string{}
	for why, n := range out {
		sum += n
		parts = append(parts, fmt.Sprintf("%s %d", why, n))
	}
	sort.Strings(parts)
	fmt.Printf("%d as expected, %d otherwise but as Kubernetes answers, %d wrong; left out %d: %s\n",
		passed, otherwise, wrong, sum, strings.Join(parts, ", "))
	if wrong > 0 || passed == 0 {
		os.Exit(1)
	}
}

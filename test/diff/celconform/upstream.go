package main

import (
	"github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// kubernetes is the environment that device selectors are compiled in, without their variable.
func kubernetes() *cel.Env {
	set := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	env, err := set.Env(environment.StoredExpressions)
	if err != nil {
		fail("%v", err)
	}
	return env
}

// theirs is what Kubernetes makes of an expression: "error" or the value's canonical text.
func theirs(env *cel.Env, source string) string {
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		return "error"
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return "error"
	}
	value, _, err := program.Eval(map[string]any{})
	if err != nil {
		return "error"
	}
	out, err := cel.ValueAsProto(value)
	if err != nil {
		return "?"
	}
	return canonical(out)
}

// ours is the same of the engine's answer.
func ours(a answer) string {
	if a.Outcome != "value" {
		return "error"
	}
	return canonicalJSON(a.Value)
}

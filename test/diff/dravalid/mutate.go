package main

import (
	"encoding/json"
	"math/rand/v2"
	"sort"
	"strings"
)

// objects are those of a case that an API server stores, with what the case leaves out.
func objects(line []byte) []any {
	var c struct {
		Slices, Classes, Claims, TaintRules []map[string]any
	}
	if err := json.Unmarshal(line, &c); err != nil {
		fail("input: %v", err)
	}
	var out []any
	add := func(kind string, list []map[string]any) {
		for _, object := range list {
			object["kind"] = kind
			object["apiVersion"] = "resource.k8s.io/v1"
			delete(object, "status")
			if spec, ok := object["spec"].(map[string]any); ok && kind == "ResourceClaim" && len(spec) == 0 {
				continue
			}
			out = append(out, object)
		}
	}
	add("ResourceSlice", c.Slices)
	add("DeviceClass", c.Classes)
	add("ResourceClaim", c.Claims)
	add("DeviceTaintRule", c.TaintRules)
	return out
}

var words = []string{"", "a", "A", "a_b", "a/b", "-a", "a.b", "example.com/a", "Example.com/a", "/a", "a/", "All", "ExactCount",
	"Exists", "NoSchedule", "NoExecute", "None", "1Gi", "-1", "0", "0.5", "1e40", "x y", "true", "1.2.3", "01.2.3",
	strings.Repeat("a", 64), strings.Repeat("a", 254), strings.Repeat("a", 33) + "/a", "device.driver == 'a'", "1 +", "'a'"}

var numbers = []float64{-1, 0, 1, 2, 32, 33, 128, 129, 1.5, 1 << 40}

// change is another value in the place of v.
func change(v any, rng *rand.Rand) any {
	switch v.(type) {
	case string:
		return words[rng.IntN(len(words))]
	case float64:
		return numbers[rng.IntN(len(numbers))]
	case bool:
		return rng.IntN(2) == 0
	}
	return v
}

// mutate changes one place of a tree, deeper ones rather than kind and apiVersion.
func mutate(v any, rng *rand.Rand) {
	switch v := v.(type) {
	case map[string]any:
		keys := []string{}
		for k := range v {
			if k != "kind" && k != "apiVersion" && (k != "metadata" || rng.IntN(8) == 0) {
				keys = append(keys, k)
			}
		}
		if len(keys) == 0 {
			return
		}
		sort.Strings(keys)
		k := keys[rng.IntN(len(keys))]
		switch inner := v[k].(type) {
		case map[string]any:
			if len(inner) > 0 && rng.IntN(12) > 0 {
				mutate(inner, rng)
				return
			}
		case []any:
			if len(inner) > 0 && rng.IntN(8) > 0 {
				mutateList(v, k, inner, rng)
				return
			}
		}
		mutateMember(v, k, rng)
	}
}

func mutateMember(v map[string]any, k string, rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		delete(v, k)
	case 1:
		if rng.IntN(4) == 0 {
			v[words[rng.IntN(len(words))]] = v[k]
			return
		}
		fallthrough
	default:
		v[k] = change(v[k], rng)
	}
}

func mutateList(v map[string]any, k string, list []any, rng *rand.Rand) {
	i := rng.IntN(len(list))
	switch rng.IntN(10) {
	case 0:
		v[k] = append(append([]any{}, list[:i]...), list[i+1:]...)
	case 1:
		var copied any
		text, _ := json.Marshal(list[i])
		_ = json.Unmarshal(text, &copied)
		v[k] = append(append([]any{}, list...), copied)
	case 2:
		for len(list) < 40 && rng.IntN(3) == 0 {
			list = append(list, list...)
		}
		v[k] = list
	default:
		if _, isMap := list[i].(map[string]any); isMap {
			mutate(list[i], rng)
		} else {
			list[i] = change(list[i], rng)
		}
	}
}

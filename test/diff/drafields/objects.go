package main

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"sort"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

var words = []string{"a", "gpu", "example.com/model", "b.c", "", "All", "x y", "spec"}

// below are the types that read their JSON themselves, with a content.
var below = map[reflect.Type]func(rng *rand.Rand) any{
	reflect.TypeFor[metav1.Time]():          func(r *rand.Rand) any { return metav1.Unix(r.Int64N(1<<32), 0) },
	reflect.TypeFor[metav1.MicroTime]():     func(r *rand.Rand) any { return metav1.NewMicroTime(time.Unix(r.Int64N(1<<32), 0)) },
	reflect.TypeFor[metav1.Duration]():      func(r *rand.Rand) any { return metav1.Duration{Duration: time.Second} },
	reflect.TypeFor[resource.Quantity]():    func(r *rand.Rand) any { return resource.MustParse("10Gi") },
	reflect.TypeFor[runtime.RawExtension](): func(r *rand.Rand) any { return runtime.RawExtension{Raw: []byte(`{"a":{"b":[{"c":1}]}}`)} },
	reflect.TypeFor[metav1.FieldsV1]():      func(r *rand.Rand) any { return metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:a":{}}}`)} },
}

// fill gives v some content, nearly all of its fields.
func fill(v reflect.Value, rng *rand.Rand) {
	t := v.Type()
	if make, ok := below[t]; ok {
		v.Set(reflect.ValueOf(make(rng)))
		return
	}
	if readsItself(t) && t.Kind() != reflect.Pointer {
		fail("%v: give it a content", t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		if rng.IntN(4) > 0 {
			v.Set(reflect.New(t.Elem()))
			fill(v.Elem(), rng)
		}
	case reflect.Slice:
		for n := rng.IntN(3); v.Len() < n; {
			item := reflect.New(t.Elem()).Elem()
			fill(item, rng)
			v.Set(reflect.Append(v, item))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		for n := rng.IntN(3); n > 0; n-- {
			key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			key.SetString(words[rng.IntN(len(words))])
			fill(value, rng)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			fill(v.Field(i), rng)
		}
	case reflect.String:
		v.SetString(words[rng.IntN(len(words))])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(rng.Int64N(9))
	default:
		fail("%v: a kind of type that nobody thought of", t)
	}
}

// object is a random one that upstream decodes.
func object(r root, rng *rand.Rand) map[string]any {
	v := reflect.New(r.Type)
	fill(v.Elem(), rng)
	text, err := json.Marshal(v.Interface())
	if err != nil {
		fail("%v", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		fail("%v", err)
	}
	tree["kind"], tree["apiVersion"] = r.Kind, r.Version
	return tree
}

// paths adds every path that the fields of a root make, without indices and keys.
func paths(r root, out map[string]bool) {
	var add func(t reflect.Type, path string)
	add = func(t reflect.Type, path string) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			if readsItself(t) {
				return
			}
			if t.Kind() == reflect.Map {
				path += "."
			}
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || readsItself(t) {
			return
		}
		for _, f := range fields(t) {
			out[path+"."+f.Name] = true
			add(f.Type, path+"."+f.Name)
		}
	}
	add(r.Type, r.Version+" "+r.Kind)
}

// used adds the paths of a tree, and for each object those that hold if it is a map.
func used(v any, path string, out map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			used(item, path, out)
		}
	case map[string]any:
		for key, item := range v {
			out[path+"."+key] = true
			used(item, path+"."+key, out)
			if _, inner := item.(map[string]any); inner {
				used(item, path+".", out)
			}
		}
	}
}

// holders are the objects below v, itself included, in an order that is always the same.
func holders(v any) []map[string]any {
	var out []map[string]any
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			out = append(out, holders(item)...)
		}
	case map[string]any:
		out = append(out, v)
		for _, key := range keys(v) {
			out = append(out, holders(v[key])...)
		}
	}
	return out
}

func keys(v map[string]any) []string {
	out := []string{}
	for key := range v {
		out = append(out, key)
	}
	sort.Strings(out)
	return out
}

// known are all names of fields, most of them unknown at another place.
var known = func() []string {
	set := map[string]bool{}
	for _, r := range roots() {
		all := map[string]bool{}
		paths(r, all)
		for path := range all {
			set[path[strings.LastIndex(path, ".")+1:]] = true
		}
	}
	return sorted(set)
}()

// misspelt is a name near `key`, which may be the name of another field by chance.
func misspelt(key string, rng *rand.Rand) string {
	if key == "" {
		return " "
	}
	i := rng.IntN(len(key))
	switch rng.IntN(5) {
	case 0:
		return strings.ToUpper(key[:1]) + key[1:]
	case 1:
		return strings.ToLower(key)
	case 2:
		return key[:i] + key[i+1:]
	case 3:
		return key + "s"
	}
	return key[:i] + "x" + key[i:]
}

// insert puts one to four fields, most of them unknown, somewhere into the tree.
func insert(tree map[string]any, rng *rand.Rand) {
	for n := 1 + rng.IntN(4); n > 0; n-- {
		all := holders(tree)
		to := all[rng.IntN(len(all))]
		names := keys(to)
		name := known[rng.IntN(len(known))]
		if len(names) > 0 && rng.IntN(2) == 0 {
			name = misspelt(names[rng.IntN(len(names))], rng)
		}
		if _, there := to[name]; there {
			continue
		}
		values := []any{"a", 1, true, nil, []any{}, map[string]any{"kind": "x", "a": []any{map[string]any{}}}}
		to[name] = values[rng.IntN(len(values))]
		if len(names) > 0 && rng.IntN(4) > 0 { // as its neighbours are, which a map wants
			to[name] = to[names[rng.IntN(len(names))]]
		}
	}
}

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	expr "cel.dev/expr"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// literal writes a value as CEL source; false: there is no literal for it.
func literal(v *expr.Value) (string, bool) {
	switch k := v.GetKind().(type) {
	case *expr.Value_NullValue:
		return "null", true
	case *expr.Value_BoolValue:
		return strconv.FormatBool(k.BoolValue), true
	case *expr.Value_Int64Value:
		return strconv.FormatInt(k.Int64Value, 10), true
	case *expr.Value_Uint64Value:
		return strconv.FormatUint(k.Uint64Value, 10) + "u", true
	case *expr.Value_DoubleValue:
		if math.IsNaN(k.DoubleValue) || math.IsInf(k.DoubleValue, 0) {
			return "", false
		}
		return strconv.FormatFloat(k.DoubleValue, 'e', -1, 64), true
	case *expr.Value_StringValue:
		return strconv.Quote(k.StringValue), true
	case *expr.Value_ListValue:
		parts := []string{}
		for _, item := range k.ListValue.GetValues() {
			text, ok := literal(item)
			if !ok {
				return "", false
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	case *expr.Value_MapValue:
		parts := []string{}
		for _, entry := range k.MapValue.GetEntries() {
			key, ok1 := literal(entry.GetKey())
			value, ok2 := literal(entry.GetValue())
			if !ok1 || !ok2 {
				return "", false
			}
			parts = append(parts, key+": "+value)
		}
		return "{" + strings.Join(parts, ", ") + "}", true
	}
	return "", false
}

func double(v float64) string {
	return "double:" + strconv.FormatFloat(v, 'g', -1, 64)
}

// canonical writes an expected value so that equal values have equal text; maps have no order.
func canonical(v *expr.Value) string {
	switch k := v.GetKind().(type) {
	case *expr.Value_NullValue:
		return "null_type:null"
	case *expr.Value_BoolValue:
		return fmt.Sprintf("bool:%v", k.BoolValue)
	case *expr.Value_Int64Value:
		return fmt.Sprintf("int:%d", k.Int64Value)
	case *expr.Value_Uint64Value:
		return fmt.Sprintf("uint:%du", k.Uint64Value)
	case *expr.Value_DoubleValue:
		return double(k.DoubleValue)
	case *expr.Value_StringValue:
		return "string:" + hex.EncodeToString([]byte(k.StringValue))
	case *expr.Value_BytesValue:
		return "bytes:" + hex.EncodeToString(k.BytesValue)
	case *expr.Value_TypeValue:
		return "type:" + k.TypeValue
	case *expr.Value_ListValue:
		parts := []string{}
		for _, item := range k.ListValue.GetValues() {
			parts = append(parts, canonical(item))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *expr.Value_MapValue:
		parts := []string{}
		for _, entry := range k.MapValue.GetEntries() {
			parts = append(parts, canonical(entry.GetKey())+"="+canonical(entry.GetValue()))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case *expr.Value_ObjectValue:
		if m, err := k.ObjectValue.UnmarshalNew(); err == nil {
			switch m := m.(type) {
			case *timestamppb.Timestamp:
				return fmt.Sprintf("timestamp:%d.%09d", m.GetSeconds(), m.GetNanos())
			case *durationpb.Duration:
				return fmt.Sprintf("duration:%d", m.AsDuration().Nanoseconds())
			}
		}
	}
	return fmt.Sprintf("?%T", v.GetKind())
}

// canonicalJSON is the same for a value of the engine's.
func canonicalJSON(text []byte) string {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err.Error()
	}
	return canonicalGot(v)
}

func canonicalGot(v any) string {
	for kind, value := range v.(map[string]any) {
		switch kind {
		case "double":
			f, _ := strconv.ParseFloat(value.(string), 64)
			return double(f)
		case "list", "map", "optional":
			parts := []string{}
			for _, item := range value.([]any) {
				if kind == "map" {
					pair := item.([]any)
					parts = append(parts, canonicalGot(pair[0])+"="+canonicalGot(pair[1]))
				} else {
					parts = append(parts, canonicalGot(item))
				}
			}
			if kind == "map" {
				sort.Strings(parts)
				return "{" + strings.Join(parts, ",") + "}"
			}
			return map[string]string{"list": "", "optional": "optional"}[kind] + "[" + strings.Join(parts, ",") + "]"
		default:
			return kind + ":" + value.(string)
		}
	}
	return "nothing"
}

var primitives = map[expr.Type_PrimitiveType]string{
	expr.Type_BOOL: "bool", expr.Type_INT64: "int", expr.Type_UINT64: "uint",
	expr.Type_DOUBLE: "double", expr.Type_STRING: "string", expr.Type_BYTES: "bytes",
}

// typeName is the checker's name of a type.
func typeName(t *expr.Type) string {
	switch k := t.GetTypeKind().(type) {
	case *expr.Type_Dyn:
		return "dyn"
	case *expr.Type_Null:
		return "null_type"
	case *expr.Type_Primitive:
		return primitives[k.Primitive]
	case *expr.Type_ListType_:
		return "list(" + typeName(k.ListType.GetElemType()) + ")"
	case *expr.Type_MapType_:
		return "map(" + typeName(k.MapType.GetKeyType()) + ", " + typeName(k.MapType.GetValueType()) + ")"
	case *expr.Type_Type:
		if k.Type == nil || k.Type.GetTypeKind() == nil {
			return "type"
		}
		return "type(" + typeName(k.Type) + ")"
	case *expr.Type_TypeParam:
		return k.TypeParam
	case *expr.Type_WellKnown:
		return strings.ToLower(k.WellKnown.String())
	case *expr.Type_AbstractType_:
		parts := []string{}
		for _, p := range k.AbstractType.GetParameterTypes() {
			parts = append(parts, typeName(p))
		}
		return k.AbstractType.GetName() + "(" + strings.Join(parts, ", ") + ")"
	}
	return "?"
}

// notOurs names what the engine says that it leaves out.
func notOurs(a answer) string {
	if a.Outcome == "unsupported" {
		return "left out by src/cel/README.md"
	}
	return ""
}

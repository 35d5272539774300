package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

// An attribute as the API writes it.
type attribute struct {
	Int      *int64   `json:"int,omitempty"`
	Bool     *bool    `json:"bool,omitempty"`
	String   *string  `json:"string,omitempty"`
	Version  *string  `json:"version,omitempty"`
	Ints     []int64  `json:"ints,omitempty"`
	Strings  []string `json:"strings,omitempty"`
	Bools    []bool   `json:"bools,omitempty"`
	Versions []string `json:"versions,omitempty"`
}

type capacity struct {
	Value string `json:"value"`
}

type device struct {
	Driver     string               `json:"driver"`
	Multi      bool                 `json:"allowMultipleAllocations,omitempty"`
	Attributes map[string]attribute `json:"attributes,omitempty"`
	Capacity   map[string]capacity  `json:"capacity,omitempty"`
}

type exprCase struct {
	Expr   string `json:"expr"`
	Device device `json:"device"`
}

type answer struct {
	Outcome  string `json:"outcome"`
	Message  string `json:"message,omitempty"`
	Cost     uint64 `json:"cost,omitempty"`
	Estimate uint64 `json:"estimate,omitempty"`
}

func (d *device) convert() dracel.Device {
	out := dracel.Device{
		Driver:                   d.Driver,
		AllowMultipleAllocations: &d.Multi,
		Attributes:               map[resourceapi.QualifiedName]resourceapi.DeviceAttribute{},
		Capacity:                 map[resourceapi.QualifiedName]resourceapi.DeviceCapacity{},
	}
	for name, a := range d.Attributes {
		out.Attributes[resourceapi.QualifiedName(name)] = resourceapi.DeviceAttribute{
			IntValue: a.Int, BoolValue: a.Bool, StringValue: a.String, VersionValue: a.Version,
			IntValues: a.Ints, BoolValues: a.Bools, StringValues: a.Strings, VersionValues: a.Versions,
		}
	}
	for name, c := range d.Capacity {
		out.Capacity[resourceapi.QualifiedName(name)] =
			resourceapi.DeviceCapacity{Value: resource.MustParse(c.Value)}
	}
	return out
}

var features = dracel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true}

// upstream evaluates as the scheduler does and estimates as the API server does.  Some expressions
// make cel-go panic outside its own recovery: these have no answer.
func upstream(c *exprCase) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Outcome: "panic", Message: fmt.Sprint(r)}
		}
	}()
	p := dracel.GetCompiler(features).CompileCELExpression(c.Expr, dracel.Options{})
	if p.Error != nil {
		return answer{Outcome: "compile-error", Message: p.Error.Detail}
	}
	if p.MaxCost != math.MaxUint64 {
		a.Estimate = p.MaxCost
	}
	match, details, err := p.DeviceMatches(context.Background(), c.Device.convert())
	switch {
	case err != nil:
		a.Outcome, a.Message = "runtime-error", err.Error()
		if strings.Contains(a.Message, "internal error") {
			a.Outcome = "panic"
		}
	case match:
		a.Outcome = "match"
	default:
		a.Outcome = "no-match"
	}
	if err == nil {
		a.Cost = *details.ActualCost()
	}
	return a
}

// Package main answers, line by line, what Kubernetes' own CEL compiler makes of a device selector:
// the oracle that slicewright's engine is compared with.
package main

import (
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apiserver/pkg/cel/environment"
	dracel "k8s.io/dynamic-resource-allocation/cel"
)

func main() {
	stored := environment.StoredExpressions
	c := dracel.GetCompiler(dracel.Features{EnableConsumableCapacity: true, EnableListTypeAttributes: true})
	r := c.CompileCELExpression(os.Args[1], dracel.Options{EnvType: &stored})
	fmt.Println(r.Error, r.MaxCost, cel.BoolType, resourceapi.CELSelectorExpressionMaxCost, resource.MustParse("1Ki"))
}

package main

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/resource"
	_ "k8s.io/kubernetes/pkg/apis/resource/install"
	"k8s.io/kubernetes/pkg/registry/resource/deviceclass"
	"k8s.io/kubernetes/pkg/registry/resource/devicetaintrule"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaim"
	"k8s.io/kubernetes/pkg/registry/resource/resourceslice"
)

// Ours knows the fields of these gates too; an API server without them drops the fields.
var gates = []string{"DRACompatibilityGroups", "DRADeviceCompatibilityGroups", "DRADerivedAttributes", "DRAListTypeAttributes",
	"DRAOptionalNodeOperations", "DRAFractionalCapacityRange", "DRAConsumableCapacity", "DRAPartitionableDevices", "DRADeviceTaintRules"}

// The namespace of the claims may ask for admin access.
var namespaces = fake.NewClientset(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
	Name: "default", Labels: map[string]string{resource.DRAAdminNamespaceLabelKey: "true"}}}).CoreV1().Namespaces()

var decoder runtime.Decoder

func init() {
	known := utilfeature.DefaultMutableFeatureGate.GetAll()
	for _, gate := range gates {
		for name := range known {
			if string(name) == gate {
				if err := utilfeature.DefaultMutableFeatureGate.Set(gate + "=true"); err != nil {
					fail("%v", err)
				}
			}
		}
	}
	decoder = serializer.NewCodecFactory(legacyscheme.Scheme).UniversalDecoder(resource.SchemeGroupVersion)
}

func strategyOf(object runtime.Object) rest.RESTCreateStrategy {
	switch object.(type) {
	case *resource.ResourceSlice:
		return resourceslice.Strategy
	case *resource.DeviceClass:
		return deviceclass.Strategy
	case *resource.DeviceTaintRule:
		return devicetaintrule.Strategy
	case *resource.ResourceClaim:
		return resourceclaim.NewStrategy(namespaces, nil)
	}
	fail("%T", object)
	return nil
}

// upstream is what an API server says to a create; shape: it could not even decode the object.
func upstream(text []byte) (problems []problem, shape bool) {
	object, _, err := decoder.Decode(text, nil, nil)
	if err != nil {
		return []problem{{"", err.Error()}}, true
	}
	strategy := strategyOf(object)
	if m, ok := object.(metav1.Object); ok {
		rest.FillObjectMetaSystemFields(m)
	}
	info := genericapirequest.RequestInfo{APIGroup: "resource.k8s.io", APIVersion: "v1"}
	ctx := genericapirequest.WithRequestInfo(context.Background(), &info)
	if !strategy.NamespaceScoped() {
		ctx = genericapirequest.WithNamespace(ctx, "")
	} else {
		ctx = genericapirequest.WithNamespace(ctx, "default")
		if m, ok := object.(metav1.Object); ok {
			m.SetNamespace("default")
		}
	}
	err = rest.BeforeCreate(strategy, ctx, object)
	var status *apierrors.StatusError
	if err == nil {
		return nil, false
	}
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return []problem{{"", err.Error()}}, false
	}
	for _, cause := range status.ErrStatus.Details.Causes {
		problems = append(problems, problem{cause.Field, cause.Message})
	}
	return problems, false
}

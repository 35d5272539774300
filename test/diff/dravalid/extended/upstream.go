package main

import (
	"cmp"
	"slices"
	_ "unsafe" // for linkname

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/dynamic-resource-allocation/deviceclass/extendedresourcecache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
)

// The scheduler's plugin exports nothing that makes this claim without a scheduler around it.
//
//go:linkname createRequestsAndMappings k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources.createRequestsAndMappings
func createRequestsAndMappings(pod *corev1.Pod, extendedResources map[corev1.ResourceName]int64, logger klog.Logger,
	deviceClassMapping fwk.DeviceClassResolver) ([]resourceapi.DeviceRequest, []corev1.ContainerExtendedResourceRequest)

// upstream is what the scheduler would ask for a pod on a node whose device plugin offers nothing.
func upstream(c *sample) []request {
	logger := klog.Background()
	// Oldest first: a class that comes after a newer one of its resource name is passed over whole,
	// its implicit name too, although that has no rival.
	classes := slices.Clone(c.Classes)
	slices.SortFunc(classes, func(a, b *resourceapi.DeviceClass) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), -cmp.Compare(a.Name, b.Name))
	})
	cache := extendedresourcecache.NewExtendedResourceCache(logger)
	for _, class := range classes {
		cache.OnAdd(class, true)
	}
	pod := c.Pod.DeepCopy()
	legacyscheme.Scheme.Default(pod)
	asked := map[corev1.ResourceName]int64{}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for name := range container.Resources.Requests {
			asked[name] = 1 // the amounts are read from the containers
		}
	}
	requests, _ := createRequestsAndMappings(pod, asked, logger, cache)
	out := []request{}
	for _, r := range requests {
		out = append(out, request{r.Name, r.Exactly.DeviceClassName, r.Exactly.Count})
	}
	return out
}

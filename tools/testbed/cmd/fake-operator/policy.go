package main

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"
)

// policy is what this program reads of the ClusterPolicy: names as there.
type policy struct {
	Daemonsets struct {
		Tolerations       []core.Toleration `json:"tolerations"`
		PriorityClassName string            `json:"priorityClassName"`
		UpdateStrategy    string            `json:"updateStrategy"`
	} `json:"daemonsets"`
	MIG struct {
		Strategy string `json:"strategy"`
	} `json:"mig"`
	DevicePlugin struct {
		Version string `json:"version"`
		Config  struct {
			Name    string `json:"name"`
			Default string `json:"default"`
		} `json:"config"`
	} `json:"devicePlugin"`
	MIGManager struct {
		Config struct {
			Name    string `json:"name"`
			Default string `json:"default"`
		} `json:"config"`
	} `json:"migManager"`
	DCGMExporter struct {
		Env []core.EnvVar `json:"env"`
	} `json:"dcgmExporter"`
}

// virtualGPUs says whether dcgm-exporter names every pod of a time-sliced GPU.
func (p *policy) virtualGPUs() bool {
	for _, e := range p.DCGMExporter.Env {
		if e.Name == "KUBERNETES_VIRTUAL_GPUS" && e.Value == "true" {
			return true
		}
	}
	return false
}

//go:embed policy.yaml
var policyObjects string

var (
	policyResource = schema.GroupVersionResource{
		Group: "nvidia.com", Version: "v1", Resource: "clusterpolicies",
	}
	crdResource = schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	}
)

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// installPolicy makes the namespace, the CRD, and the ClusterPolicy and the default MIG config if
// there are none yet.
func (w *world) installPolicy(ctx context.Context) error {
	namespace := &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: operatorNamespace}}
	_, err := w.client.CoreV1().Namespaces().Create(ctx, namespace, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	text := strings.NewReplacer("CONFIG_NAME", w.options.configName,
		"MIG_STRATEGY", w.options.migStrategy, "PLUGIN_VERSION", w.options.pluginVersion).Replace(policyObjects)
	crd, object, _ := strings.Cut(text, "\n---\n")
	if err := w.createCustom(ctx, crdResource, crd); err != nil {
		return err
	}
	// The API server serves a new kind a moment after its definition was accepted.
	for {
		err := w.createCustom(ctx, policyResource, object)
		if err == nil {
			break
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	for name, data := range map[string]map[string]string{
		"default-mig-parted-config": {"config.yaml": defaultMIGConfig(w.catalog)},
		// As the chart makes it with devicePlugin.config.create.
		w.options.configName: {"default": "version: v1\n"},
	} {
		config := &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: name}, Data: data}
		_, err = w.client.CoreV1().ConfigMaps(operatorNamespace).Create(ctx, config,
			meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return w.readPolicy(ctx)
}

func (w *world) createCustom(ctx context.Context, resource schema.GroupVersionResource, text string,
) error {
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		return err
	}
	_, err := w.custom.Resource(resource).Create(ctx, object, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// readPolicy takes the ClusterPolicy over and makes the DaemonSets follow it.
func (w *world) readPolicy(ctx context.Context) error {
	list, err := w.custom.Resource(policyResource).List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return nil // deleted: what runs goes on, as with the Operator
	}
	p := &policy{}
	spec, _, err := unstructured.NestedMap(list.Items[0].Object, "spec")
	if err != nil {
		return err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(spec, p); err != nil {
		return err
	}
	for _, set := range daemonSets(p) {
		if err := w.applyDaemonSet(ctx, set); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.policy = p
	w.mu.Unlock()
	w.wakeAll()
	return w.reportPolicy(ctx, &list.Items[0])
}

// reportPolicy writes the state that the Operator writes when all is in place.
func (w *world) reportPolicy(ctx context.Context, object *unstructured.Unstructured) error {
	if state, _, _ := unstructured.NestedString(object.Object, "status", "state"); state == "ready" {
		return nil
	}
	status := map[string]any{"state": "ready", "namespace": operatorNamespace}
	if err := unstructured.SetNestedMap(object.Object, status, "status"); err != nil {
		return err
	}
	_, err := w.custom.Resource(policyResource).UpdateStatus(ctx, object, meta.UpdateOptions{})
	return err
}

func (w *world) watchPolicy(ctx context.Context) {
	for ctx.Err() == nil {
		watch, err := w.custom.Resource(policyResource).Watch(ctx, meta.ListOptions{})
		if err == nil {
			for range watch.ResultChan() {
				if err := w.readPolicy(ctx); err != nil && ctx.Err() == nil {
					logf("cluster policy: %v", err)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// part is one of the Operator's DaemonSets.
type part struct {
	name       string // of the DaemonSet, and its label app
	deploy     string // the node label nvidia.com/gpu.deploy.* that places it
	containers []string
	image      string
}

// pluginImage has the policy's devicePlugin.version for its tag.
const pluginImage = "nvcr.io/nvidia/k8s-device-plugin"

var parts = []part{
	{
		"nvidia-device-plugin-daemonset", "device-plugin",
		[]string{"nvidia-device-plugin", "config-manager"}, pluginImage,
	},
	{
		"gpu-feature-discovery", "gpu-feature-discovery",
		[]string{"gpu-feature-discovery", "config-manager"}, pluginImage,
	},
	{
		"nvidia-dcgm-exporter", "dcgm-exporter", []string{"nvidia-dcgm-exporter"},
		"nvcr.io/nvidia/k8s/dcgm-exporter:4.4.1-4.5.2-ubuntu22.04",
	},
	{
		"nvidia-mig-manager", "mig-manager", []string{"nvidia-mig-manager"},
		"nvcr.io/nvidia/cloud-native/k8s-mig-manager:v0.10.0",
	},
}

// daemonSets are the Operator's, with the policy's tolerations and nothing else tolerated.
func daemonSets(p *policy) []*apps.DaemonSet {
	var sets []*apps.DaemonSet
	for i := range parts {
		labels := map[string]string{"app": parts[i].name}
		pod := core.PodSpec{
			NodeSelector: map[string]string{"nvidia.com/gpu.deploy." + parts[i].deploy: "true"},
			Tolerations:  p.Daemonsets.Tolerations, PriorityClassName: p.Daemonsets.PriorityClassName,
		}
		image := parts[i].image
		if image == pluginImage {
			image += ":" + p.DevicePlugin.Version
		}
		config := p.DevicePlugin.Config.Name
		for _, name := range parts[i].containers {
			if name == "config-manager" && config == "" {
				continue
			}
			pod.Containers = append(pod.Containers, core.Container{
				Name: name, Image: image,
				Env: []core.EnvVar{{Name: "MIG_STRATEGY", Value: p.MIG.Strategy}},
			})
		}
		if len(parts[i].containers) > 1 && config != "" {
			pod.Volumes = []core.Volume{{
				Name: config,
				VolumeSource: core.VolumeSource{ConfigMap: &core.ConfigMapVolumeSource{
					LocalObjectReference: core.LocalObjectReference{Name: config},
				}},
			}}
			pod.Containers[1].Env = []core.EnvVar{
				{Name: "DEFAULT_CONFIG", Value: p.DevicePlugin.Config.Default},
				{Name: "FALLBACK_STRATEGIES", Value: "empty"},
			}
		}
		if parts[i].name == "nvidia-dcgm-exporter" {
			pod.Containers[0].Env = p.DCGMExporter.Env
			pod.Containers[0].Ports = []core.ContainerPort{{Name: "metrics", ContainerPort: 9400}}
		}
		sets = append(sets, &apps.DaemonSet{
			ObjectMeta: meta.ObjectMeta{
				Name: parts[i].name, Namespace: operatorNamespace, Labels: maps.Clone(labels),
			},
			Spec: apps.DaemonSetSpec{
				Selector: &meta.LabelSelector{MatchLabels: labels},
				UpdateStrategy: apps.DaemonSetUpdateStrategy{
					Type: apps.DaemonSetUpdateStrategyType(p.Daemonsets.UpdateStrategy),
				},
				Template: core.PodTemplateSpec{ObjectMeta: meta.ObjectMeta{Labels: labels}, Spec: pod},
			},
		})
	}
	return sets
}

// applyDaemonSet creates or updates; the DaemonSet controller replaces pods only if the template
// changed.
func (w *world) applyDaemonSet(ctx context.Context, set *apps.DaemonSet) error {
	sets := w.client.AppsV1().DaemonSets(operatorNamespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		old, err := sets.Get(ctx, set.Name, meta.GetOptions{})
		if apierrors.IsNotFound(err) {
			_, err = sets.Create(ctx, set, meta.CreateOptions{})
			return err
		}
		if err != nil {
			return err
		}
		old.Spec.UpdateStrategy = set.Spec.UpdateStrategy
		old.Spec.Template.Spec.Tolerations = set.Spec.Template.Spec.Tolerations
		old.Spec.Template.Spec.Containers = set.Spec.Template.Spec.Containers
		old.Spec.Template.Spec.Volumes = set.Spec.Template.Spec.Volumes
		_, err = sets.Update(ctx, old, meta.UpdateOptions{})
		return err
	})
}

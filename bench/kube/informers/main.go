// informers does with client-go what bench/kube.c does: informers for nodes and pods that keep the
// same fields by SetTransform, then idle under changes.  Prints one JSON object.
//
//	informers --server https://127.0.0.1:1 --ca FILE --seconds 20
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

func meta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp}
}

// trimPod keeps what core needs of a pod.
func trimPod(p *v1.Pod) *v1.Pod {
	out := &v1.Pod{ObjectMeta: meta(&p.ObjectMeta)}
	for i := range p.OwnerReferences {
		if o := &p.OwnerReferences[i]; o.Controller != nil && *o.Controller {
			out.OwnerReferences = []metav1.OwnerReference{{Kind: o.Kind, Name: o.Name, UID: o.UID}}
		}
	}
	out.Spec.NodeName = p.Spec.NodeName
	out.Spec.SchedulerName = p.Spec.SchedulerName
	out.Spec.PriorityClassName = p.Spec.PriorityClassName
	out.Spec.NodeSelector = p.Spec.NodeSelector
	for i := range p.Spec.Containers {
		out.Spec.Containers = append(out.Spec.Containers,
			v1.Container{Resources: v1.ResourceRequirements{Requests: p.Spec.Containers[i].Resources.Requests}})
	}
	out.Status.Phase = p.Status.Phase
	out.Status.StartTime = p.Status.StartTime
	out.Status.PodIP = p.Status.PodIP
	for _, c := range p.Status.Conditions {
		if c.Type == v1.PodReady || c.Type == v1.PodScheduled {
			out.Status.Conditions = append(out.Status.Conditions,
				v1.PodCondition{Type: c.Type, Status: c.Status, Reason: c.Reason})
		}
	}
	return out
}

// trimNode keeps what core needs of a node.
func trimNode(n *v1.Node) *v1.Node {
	out := &v1.Node{ObjectMeta: meta(&n.ObjectMeta)}
	out.Labels = map[string]string{}
	for k, v := range n.Labels {
		if strings.HasPrefix(k, "nvidia.com/") || strings.HasPrefix(k, "topology.kubernetes.io/") ||
			k == "node.kubernetes.io/instance-type" {
			out.Labels[k] = v
		}
	}
	out.Spec.ProviderID = n.Spec.ProviderID
	out.Spec.Unschedulable = n.Spec.Unschedulable
	out.Spec.Taints = n.Spec.Taints
	out.Status.Allocatable = n.Status.Allocatable
	for _, c := range n.Status.Conditions {
		if c.Type == v1.NodeReady {
			out.Status.Conditions = []v1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return out
}

func cpuMs() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano()/1e6 + u.Stime.Nano()/1e6
}

func peakKiB() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			value, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
			return value
		}
	}
	return 0
}

func main() {
	server := flag.String("server", "", "URL")
	ca := flag.String("ca", "", "authority")
	seconds := flag.Int("seconds", 20, "how long changes are followed")
	flag.Parse()
	began := time.Now()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: *server, TLSClientConfig: rest.TLSClientConfig{CAFile: *ca},
		QPS: 200, Burst: 200})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	var changes atomic.Int64
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changes.Add(1) },
		UpdateFunc: func(any, any) { changes.Add(1) },
		DeleteFunc: func(any) { changes.Add(1) },
	}
	pods, nodes := factory.Core().V1().Pods().Informer(), factory.Core().V1().Nodes().Informer()
	_ = pods.SetTransform(func(o any) (any, error) {
		if p, ok := o.(*v1.Pod); ok {
			return trimPod(p), nil
		}
		return o, nil
	})
	_ = nodes.SetTransform(func(o any) (any, error) {
		if n, ok := o.(*v1.Node); ok {
			return trimNode(n), nil
		}
		return o, nil
	})
	var synced []cache.InformerSynced
	for _, informer := range []cache.SharedIndexInformer{nodes, pods} {
		registration, _ := informer.AddEventHandler(handler)
		synced = append(synced, registration.HasSynced)
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		os.Exit(1)
	}
	sync := time.Since(began)
	syncCPU := cpuMs()
	before := changes.Load()
	time.Sleep(time.Duration(*seconds) * time.Second)
	_ = json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"nodes": int64(len(nodes.GetStore().ListKeys())), "pods": int64(len(pods.GetStore().ListKeys())),
		"sync_ms": sync.Milliseconds(), "sync_cpu_ms": syncCPU, "changes": changes.Load() - before,
		"change_cpu_ms": cpuMs() - syncCPU, "peak_kib": peakKiB()})
}

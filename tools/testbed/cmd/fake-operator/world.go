package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"slicewright.io/testbed/internal/mig"
)

// world is the cluster as this program sees it, and the fake nodes in it.  A node is stepped by one
// worker at a time; each step looks at the world, does what is due and says when it wants the next.
type world struct {
	options *options
	catalog mig.Catalog
	usage   *usage
	client  *kubernetes.Clientset
	custom  dynamic.Interface
	began   time.Time
	ready   atomic.Bool
	queue   workqueue.TypedRateLimitingInterface[string]

	nodeLister   corelisters.NodeLister
	configLister corelisters.ConfigMapLister
	podIndexer   cache.Indexer

	mu     sync.Mutex
	nodes  map[string]*node
	policy *policy
}

const operatorNamespace = "gpu-operator"

func newWorld(o *options, catalog mig.Catalog, u *usage, client *kubernetes.Clientset,
	custom dynamic.Interface,
) *world {
	return &world{
		options: o, catalog: catalog, usage: u, client: client, custom: custom, began: time.Now(),
		nodes: map[string]*node{}, policy: &policy{},
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond,
				5*time.Second)),
	}
}

// scaled is how long a wait of real life takes here.
func (w *world) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / w.options.timeScale)
}

// chance is a number in [0, 1) that follows from what it is for: the same in every run.
func chance(parts ...any) float64 {
	h := fnv.New64a()
	fmt.Fprintln(h, parts...)
	return float64(h.Sum64()>>11) / (1 << 53)
}

func (w *world) run(ctx context.Context) error {
	if err := w.installPolicy(ctx); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(w.client, 0)
	nodeInformer := factory.Core().V1().Nodes()
	podInformer := factory.Core().V1().Pods()
	local := informers.NewSharedInformerFactoryWithOptions(w.client, 0,
		informers.WithNamespace(operatorNamespace))
	configInformer := local.Core().V1().ConfigMaps()
	w.nodeLister, w.configLister = nodeInformer.Lister(), configInformer.Lister()
	w.podIndexer = podInformer.Informer().GetIndexer()
	if err := w.podIndexer.AddIndexers(cache.Indexers{"node": func(obj any) ([]string, error) {
		return []string{obj.(*core.Pod).Spec.NodeName}, nil
	}}); err != nil {
		return err
	}
	watch := func(informer cache.SharedIndexInformer, changed func(obj any)) error {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			UpdateFunc: func(_, obj any) { changed(obj) },
			DeleteFunc: func(obj any) {
				if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
					obj = gone.Obj
				}
				changed(obj)
			},
		})
		return err
	}
	if err := watch(nodeInformer.Informer(), func(obj any) {
		w.queue.Add(obj.(*core.Node).Name)
	}); err != nil {
		return err
	}
	if err := watch(podInformer.Informer(), func(obj any) {
		if name := obj.(*core.Pod).Spec.NodeName; name != "" {
			w.queue.Add(name)
		}
	}); err != nil {
		return err
	}
	if err := watch(configInformer.Informer(), func(any) { w.wakeAll() }); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	local.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	local.WaitForCacheSync(ctx.Done())
	go w.watchPolicy(ctx)
	w.ready.Store(true)

	const workers = 4
	for range workers {
		go func() {
			for w.work(ctx) {
			}
		}()
	}
	<-ctx.Done()
	w.queue.ShutDown()
	return nil
}

func (w *world) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.nodes {
		w.queue.Add(name)
	}
}

// work steps one node; false when the program ends.
func (w *world) work(ctx context.Context) bool {
	name, quit := w.queue.Get()
	if quit {
		return false
	}
	defer w.queue.Done(name)
	object, err := w.nodeLister.Get(name)
	if apierrors.IsNotFound(err) {
		w.forget(name)
		return true
	}
	var next time.Time
	if err == nil {
		next, err = w.step(ctx, object)
	}
	if err != nil && ctx.Err() == nil {
		// A conflict is another writer's right; the next look will see what it wrote.
		if !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			logf("%s: %v", name, err)
		}
		w.queue.AddRateLimited(name)
		return true
	}
	w.queue.Forget(name)
	if !next.IsZero() {
		w.queue.AddAfter(name, max(time.Until(next), time.Millisecond))
	}
	return true
}

// forget ends what a deleted node had.
func (w *world) forget(name string) {
	w.mu.Lock()
	n := w.nodes[name]
	delete(w.nodes, name)
	w.mu.Unlock()
	if n != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.closeExporter()
	}
}

// podsOf are the pods of a node in order of creation, which is the order in which kubelet admits
// them.
func (w *world) podsOf(nodeName string) []*core.Pod {
	objects, err := w.podIndexer.ByIndex("node", nodeName)
	if err != nil {
		return nil
	}
	pods := make([]*core.Pod, 0, len(objects))
	for _, object := range objects {
		pods = append(pods, object.(*core.Pod))
	}
	sort.Slice(pods, func(i, j int) bool {
		a, b := pods[i], pods[j]
		if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
			return a.CreationTimestamp.Before(&b.CreationTimestamp)
		}
		return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
	})
	return pods
}

// patchLabels writes labels of a node; nil removes one.
func (w *world) patchLabels(ctx context.Context, nodeName string, labels map[string]any) error {
	return w.patchMetadata(ctx, nodeName, "labels", labels)
}

func (w *world) patchMetadata(ctx context.Context, nodeName, field string, values map[string]any,
) error {
	if len(values) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{field: values}})
	if err != nil {
		return err
	}
	_, err = w.client.CoreV1().Nodes().Patch(ctx, nodeName, types.MergePatchType, patch,
		meta.PatchOptions{FieldManager: "fake-operator"})
	return err
}

// terminal pods hold no device any more.
func terminal(pod *core.Pod) bool {
	return pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed
}

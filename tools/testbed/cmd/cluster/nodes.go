package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"slicewright.io/testbed/internal/gfd"
	"slicewright.io/testbed/internal/hardware"
	"slicewright.io/testbed/internal/nodes"
)

// makeNodes creates the Node objects, waits until the cluster can run pods, and until kwok has made
// every node ready.
func (s *state) makeNodes(ctx context.Context, specs []nodes.Node) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	if err := s.createNodes(ctx, client, specs); err != nil {
		return err
	}
	if err := waitFor(ctx, "the default service account", func() (bool, string) {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", meta.GetOptions{})
		return err == nil, fmt.Sprint(err)
	}); err != nil {
		return err
	}
	return waitForNodes(ctx, client, "ready nodes", len(specs), ready)
}

func waitFor(ctx context.Context, what string, done func() (bool, string)) error {
	for {
		ok, detail := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("time is up waiting for %s: %s", what, detail)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// waitForNodes watches the nodes until `want` of them are as asked: listing thousands again and
// again would take the processor from those that make them so.
func waitForNodes(ctx context.Context, client *kubernetes.Clientset, what string, want int,
	is func(*core.Node) bool,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lists := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "nodes", "",
		fields.Everything())
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: lists, ObjectType: &core.Node{}, Handler: cache.ResourceEventHandlerFuncs{},
	})
	go controller.RunWithContext(ctx)
	return waitFor(ctx, what, func() (bool, string) {
		have := 0
		for _, object := range store.List() {
			if is(object.(*core.Node)) {
				have++
			}
		}
		return have >= want, fmt.Sprintf("%d of %d", have, want)
	})
}

// createNodes makes them sixteen at a time.
func (s *state) createNodes(ctx context.Context, client *kubernetes.Clientset,
	specs []nodes.Node,
) error {
	const workers = 16
	queue := make(chan *nodes.Node)
	failures := make(chan error, workers)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			var failed error
			for n := range queue {
				if failed != nil {
					continue // drain the queue
				}
				failed = s.createNode(ctx, client, n)
			}
			failures <- failed
		})
	}
	for i := range specs {
		queue <- &specs[i]
	}
	close(queue)
	group.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (s *state) createNode(ctx context.Context, client *kubernetes.Clientset,
	n *nodes.Node,
) error {
	labels := n.CloudLabels()
	annotations := map[string]string{}
	maps.Copy(annotations, n.Group.Annotations)
	capacity := n.Resources()
	switch {
	case n.Model == nil:
	case s.Options.FakeOperator:
		// The operator finds the hardware and does the rest, as it does on a node that joins.
		text, err := json.Marshal(hardware.New(n.Name, n.Model, n.Group.GPUs, n.Group.Driver))
		if err != nil {
			return err
		}
		annotations[hardware.Annotation] = string(text)
		labels["feature.node.kubernetes.io/pci-10de.present"] = "true"
	default:
		maps.Copy(labels, gfd.Labels(&gfd.Facts{
			Model: n.Model, GPUs: n.Group.GPUs, Whole: n.Group.GPUs, Driver: n.Group.Driver,
			Machine: n.Group.InstanceType, MIGStrategy: "mixed", Sharing: gfd.Exclusive,
			Timestamp: time.Now().Unix(),
		}))
		labels["nvidia.com/gpu.present"] = "true"
		capacity["nvidia.com/gpu"] = *resource.NewQuantity(int64(n.Group.GPUs), resource.DecimalSI)
	}
	maps.Copy(labels, n.Group.Labels) // the file has the last word
	node := &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: n.Name, Labels: labels, Annotations: annotations},
		Spec:       core.NodeSpec{ProviderID: "kwok://" + n.Name, Taints: n.Group.Taints},
		Status:     core.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
	if _, err := client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{}); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return nil
}

// waitForGPUs waits until the device plugins have registered everywhere.
func (s *state) waitForGPUs(ctx context.Context, specs []nodes.Node) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	want := 0
	for i := range specs {
		if specs[i].Model != nil {
			want++
		}
	}
	return waitForNodes(ctx, client, "nodes with GPUs", want, func(n *core.Node) bool {
		quantity, there := n.Status.Allocatable["nvidia.com/gpu"]
		return there && !quantity.IsZero()
	})
}

func ready(n *core.Node) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == core.NodeReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}

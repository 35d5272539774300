// Package main compares the claim that ours makes of a pod's extended resources with the one that the
// scheduler's plugin makes.
//
//	extended -batch DRA-EXTENDED -n N -seed S
//
// Each case is a pod and some classes; both answer with the requests: name, class, count.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type request struct {
	Name, Class string
	Count       int64
}

type sample struct {
	Classes []*resourceapi.DeviceClass `json:"classes"`
	Pod     *corev1.Pod                `json:"pod"`
}

type reply struct {
	Requests []request
	Error    string
}

var classNames = []string{"a", "b", "gpu", "gpu-2", "fast.example.com"}

// Names in all orders around cpu and memory, which count for a request's name.
var resources = []corev1.ResourceName{"example.com/gpu", "example.com/nic", "a.io/x", "z.io/x", "cpu", "memory", "hugepages-2Mi",
	"deviceclass.resource.kubernetes.io/gpu", "deviceclass.resource.kubernetes.io/a", "deviceclass.resource.kubernetes.io/none"}

func class(name string, rng *rand.Rand) *resourceapi.DeviceClass {
	c := &resourceapi.DeviceClass{}
	c.Name = name
	if rng.IntN(8) > 0 {
		c.CreationTimestamp = metav1.NewTime(time.Unix(1700000000+int64(rng.IntN(3)), 0).UTC())
	}
	if rng.IntN(4) > 0 {
		extended := string(resources[rng.IntN(4)])
		c.Spec.ExtendedResourceName = &extended
	}
	return c
}

func amounts(rng *rand.Rand) corev1.ResourceList {
	list := corev1.ResourceList{}
	for n := rng.IntN(5); n > 0; n-- {
		name := resources[rng.IntN(len(resources))]
		list[name] = *resource.NewQuantity(int64(rng.IntN(6)), resource.DecimalSI)
		if name == "cpu" && rng.IntN(2) == 0 {
			list[name] = resource.MustParse("1500m")
		}
	}
	return list
}

// container asks by requests, limits or both, which the API server makes equal.
func container(name string, rng *rand.Rand) corev1.Container {
	c := corev1.Container{Name: name}
	list := amounts(rng)
	if how := rng.IntN(4); how > 0 {
		c.Resources.Requests = list
		if how == 1 {
			c.Resources.Limits = list
		}
	} else {
		c.Resources.Limits = list
	}
	return c
}

func generate(rng *rand.Rand) *sample {
	s := &sample{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default"}}}
	for _, i := range rng.Perm(len(classNames))[:rng.IntN(len(classNames)+1)] {
		s.Classes = append(s.Classes, class(classNames[i], rng))
	}
	always := corev1.ContainerRestartPolicyAlways
	for i := rng.IntN(4); i > 0; i-- {
		c := container(fmt.Sprintf("i%d", i), rng)
		if rng.IntN(3) == 0 {
			c.RestartPolicy = &always
		}
		s.Pod.Spec.InitContainers = append(s.Pod.Spec.InitContainers, c)
	}
	for i := 1 + rng.IntN(3); i > 0; i-- {
		s.Pod.Spec.Containers = append(s.Pod.Spec.Containers, container(fmt.Sprintf("c%d", i), rng))
	}
	return s
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "extended: "+format+"\n", args...)
	os.Exit(2)
}

func main() {
	batch := flag.String("batch", "", "our side")
	n := flag.Int("n", 5000, "cases")
	seed := flag.Uint64("seed", 1, "of the cases")
	flag.Parse()
	cmd := exec.Command(*batch)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		fail("%v", err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		fail("%v", err)
	}
	if err := cmd.Start(); err != nil {
		fail("%v", err)
	}
	out := bufio.NewReaderSize(pipe, 1<<20)
	rng := rand.New(rand.NewPCG(*seed, 0))
	different, with, requests := 0, 0, 0
	for i := 0; i < *n; i++ {
		s := generate(rng)
		text, err := json.Marshal(s)
		if err != nil {
			fail("%v", err)
		}
		if _, err := in.Write(append(text, '\n')); err != nil {
			fail("it ended at %s", text)
		}
		line, err := out.ReadBytes('\n')
		if err != nil {
			fail("it ended at %s", text)
		}
		var ours reply
		if err := json.Unmarshal(line, &ours); err != nil {
			fail("answer %q: %v", line, err)
		}
		theirs := upstream(s)
		requests += len(theirs)
		if len(theirs) > 0 {
			with++
		}
		if ours.Error == "" && len(ours.Requests) == len(theirs) &&
			(len(theirs) == 0 || reflect.DeepEqual(ours.Requests, theirs)) {
			continue
		}
		if different++; different <= 5 {
			fmt.Printf("differs: %s\n  ours:     %+v\n  upstream: %+v\n", text, ours, theirs)
		}
	}
	fmt.Printf("%d pods, %d with a claim, %d requests, %d differ\n", *n, with, requests, different)
	if different > 0 || with == 0 {
		os.Exit(1)
	}
}

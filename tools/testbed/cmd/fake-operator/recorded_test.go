package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"slicewright.io/testbed/internal/gfd"
	"slicewright.io/testbed/internal/gpu"
	"slicewright.io/testbed/internal/hardware"
	"slicewright.io/testbed/internal/mig"
)

// These tests hold the fake parts to what NVIDIA's real programs did with the same inputs:
// test/fake/record and test/fake/record-config-manager wrote it down.
//
// Not played: compute instances ("1c.3g.20gb"), whose recordings are compute.

const recordings = "../../../../test/fake/recorded"

func recorded(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recordings, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recordedNode is the node of the recordings, without MIG: what its NVML says.
func recordedNode(t *testing.T) *scene {
	t.Helper()
	found, err := gpu.Find("A100-40GB")
	if err != nil {
		t.Fatal(err)
	}
	model := *found
	model.MemoryMiB = 40448 // what the NVML of the recordings says
	catalog, err := mig.Load("../../../../data/mig/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{name: "node", model: &model, mig: catalog[model.MIG], hw: &hardware.Node{
		Model: model.Key, Driver: "580.95.05",
		GPUs: []hardware.GPU{
			{UUID: "GPU-00000000-0000-0000-0000-000000000000"},
			{UUID: "GPU-00000001-0000-0000-0000-000000000000"},
		},
	}}
	n.kubelet.init()
	return &scene{
		world: &world{options: &options{timeScale: 1}}, n: n, policy: &policy{}, wake: &alarm{},
		now: time.Unix(1e9, 0), object: &core.Node{ObjectMeta: meta.ObjectMeta{
			Name: "node", Labels: map[string]string{"node.kubernetes.io/instance-type": "machine"},
		}},
	}
}

// partition has mig-manager apply a config of the recordings.
func (s *scene) partition(t *testing.T, config string) ([]*target, error) {
	t.Helper()
	file := &core.ConfigMap{Data: map[string]string{"config.yaml": recorded(t, "mig-parted.yaml")}}
	targets, err := migTargets(file, config, s.n.mig, len(s.n.hw.GPUs))
	if err == nil {
		err = s.setModes(targets)
	}
	if err == nil {
		err = s.setConfigs(targets)
	}
	return targets, err
}

// renumber gives instances the ids of the recordings, which count them up in order of creation.
func (s *scene) renumber() {
	for g := range s.n.hw.GPUs {
		instances := s.n.hw.GPUs[g].Instances
		for i := range instances {
			instances[i].UUID = fmt.Sprintf("MIG-%08x-0000-0000-%04x-000000000000", g, i+1)
		}
	}
}

// What a device plugin registers, or the error it ends with.
func TestPluginAsRecorded(t *testing.T) {
	for _, c := range []struct{ recording, layout, strategy, config string }{
		{"exclusive", "off", "mixed", "exclusive"},
		{"shared", "off", "mixed", "shared"},
		{"renamed", "off", "mixed", "renamed"},
		{"article", "off", "none", "article"},
		{"version", "off", "none", "version"},
		{"duplicate", "off", "none", "duplicate"},
		{"mps-mixed", "off", "mixed", "mps-mixed"},
		{"mig-mixed", "mixed", "mixed", "exclusive"},
		{"mig-shared", "mixed", "mixed", "mig-shared"},
		{"mig-single-invalid", "mixed", "single", "exclusive"},
		{"mig-single", "all-1g.5gb", "single", "exclusive"},
	} {
		s := recordedNode(t)
		if _, err := s.partition(t, c.layout); err != nil {
			t.Fatal(err)
		}
		s.renumber()
		want := recorded(t, "plugin-"+c.recording+".txt")
		got := ""
		config, err := loadPluginConfig(recorded(t, c.config+".yaml"), c.strategy)
		if err == nil {
			var offers map[string][]device
			offers, err = offered(s.n.hw, config)
			s.n.kubelet.register(offers, config)
			got = s.registrations()
		}
		if err != nil {
			// The real one says more on the way, and where in its source.
			if !strings.HasPrefix(want, "ended:") || !sameEnd(want, err) {
				t.Errorf("%s: %v: expected %s", c.recording, err, want)
			}
		} else if got != want {
			t.Errorf("%s:\n%sexpected\n%s", c.recording, got, want)
		}
	}
}

// registrations writes what kubelet knows as test/diff/nvidia/kubelet does.
func (s *scene) registrations() string {
	text := ""
	for _, name := range sortedKeys(s.n.kubelet.resources) {
		r := s.n.kubelet.resources[name]
		var ids []string
		for _, d := range r.healthy() {
			ids = append(ids, d.id)
		}
		slices.Sort(ids)
		text += "resource " + name + "\n"
		for _, id := range ids {
			text += "  id " + id + " Healthy\n"
		}
		for count := 1; count <= 2; count++ {
			text += allocated(r, ids[:count], name)
		}
	}
	return text
}

// allocated is the plugin's answer to an allocation.
func allocated(r *registered, ids []string, name string) string {
	if err := checkRequest(r.config, name, ids); err != nil {
		return fmt.Sprintf("  allocate %d: error: %v\n", len(ids), err)
	}
	var parents []string
	for _, id := range ids {
		if !slices.Contains(parents, parentOf(id)) {
			parents = append(parents, parentOf(id))
		}
	}
	return fmt.Sprintf("  allocate %d: NVIDIA_VISIBLE_DEVICES=%s\n", len(ids),
		strings.Join(parents, ","))
}

// sameEnd says whether the last clause of both is the same.
func sameEnd(recording string, err error) bool {
	last := func(text string) string {
		clauses := strings.Split(strings.TrimSpace(text), ": ")
		return clauses[len(clauses)-1]
	}
	return last(recording) == last(err.Error())
}

// GFD's labels, value by value.
func TestGFDAsRecorded(t *testing.T) {
	for _, c := range []struct{ recording, layout, strategy, config string }{
		{"exclusive", "off", "mixed", "exclusive"},
		{"shared", "off", "mixed", "shared"},
		{"renamed", "off", "mixed", "renamed"},
		{"single-off", "off", "single", "exclusive"},
		{"mig-mixed", "mixed", "mixed", "exclusive"},
		{"mig-shared", "mixed", "mixed", "mig-shared"},
		{"mig-single-invalid", "mixed", "single", "exclusive"},
		{"mig-single", "all-1g.5gb", "single", "exclusive"},
	} {
		s := recordedNode(t)
		if _, err := s.partition(t, c.layout); err != nil {
			t.Fatal(err)
		}
		config, err := loadPluginConfig(recorded(t, c.config+".yaml"), c.strategy)
		if err != nil {
			t.Fatal(err)
		}
		got := gfd.Labels(s.gfdFacts(config))
		delete(got, "nvidia.com/gfd.timestamp") // recorded with --no-timestamp
		for line := range strings.Lines(recorded(t, "gfd-"+c.recording+".txt")) {
			key, want, _ := strings.Cut(strings.TrimSpace(line), "=")
			if value, there := got[key]; !there || value != want {
				t.Errorf("%s: %s=%q, %t: expected %q", c.recording, key, value, there, want)
			}
			delete(got, key)
		}
		for _, key := range sortedKeys(got) {
			t.Errorf("%s: %s=%q is not there", c.recording, key, got[key])
		}
	}
}

// What nvidia-mig-parted makes of a config, whether it says that it is applied, and what it leaves.
func TestMIGPartedAsRecorded(t *testing.T) {
	text := recorded(t, "mig-parted.txt")
	s := recordedNode(t)
	for _, name := range []string{
		"off", "all-1g.5gb", "mixed", "zero", "too-many", "some", "unknown",
	} {
		apply, rest := afterCommand(t, text, "apply -c "+name)
		assert, rest := afterCommand(t, rest, "assert -c "+name)
		export, _ := afterCommand(t, rest, "export ")

		targets, err := s.partition(t, name)
		if made := strings.Contains(apply, "applied successfully"); made != (err == nil) {
			t.Errorf("apply %s: %v: expected %s", name, err, apply)
		}
		for _, why := range []string{"INSUFFICIENT_RESOURCES", "selected mig-config not present: "} {
			ours := strings.ReplaceAll(why, "INSUFFICIENT_RESOURCES", "Insufficient Resources")
			if strings.Contains(apply, why) && (err == nil || !strings.Contains(err.Error(), ours)) {
				t.Errorf("apply %s: %v: expected %s", name, err, ours)
			}
		}
		there := strings.Contains(assert, "currently applied\n") &&
			!strings.Contains(assert, "not currently applied")
		if done := targets != nil && s.migDone(targets); done != there {
			t.Errorf("assert %s: %t: expected %t", name, done, there)
		}
		if got := s.exported(); got != export {
			t.Errorf("export after %s:\n%sexpected\n%s", name, got, export)
		}
	}
	if _, err := s.partition(t, "compute"); err == nil {
		t.Error("compute instances are not played: expected a refusal")
	}
}

// mig-manager writes the state success exactly when the real mig-parted applies the config.
func TestMIGStatesAsRecorded(t *testing.T) {
	text := recorded(t, "mig-parted.txt")
	s := recordedNode(t)
	server := s.serveNode(t)
	defer server.Close()
	configs := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	file := &core.ConfigMap{Data: map[string]string{"config.yaml": recorded(t, "mig-parted.yaml")}}
	file.Namespace, file.Name = operatorNamespace, "configs"
	if err := configs.Add(file); err != nil {
		t.Fatal(err)
	}
	s.configLister = corelisters.NewConfigMapLister(configs)
	s.policy.MIGManager.Config.Name = "configs"
	s.ctx = t.Context()
	manager := &core.Pod{Status: core.PodStatus{Phase: core.PodRunning}}
	manager.Namespace = operatorNamespace
	manager.Labels = map[string]string{"app": "nvidia-mig-manager"}
	s.pods = []*core.Pod{manager}

	s.object.Labels["nvidia.com/gpu.deploy.device-plugin"] = "true"
	for _, name := range []string{
		"off", "all-1g.5gb", "mixed", "zero", "too-many", "some", "unknown",
	} {
		apply, rest := afterCommand(t, text, "apply -c "+name)
		export, _ := afterCommand(t, rest, "export ")
		want := "failed"
		if strings.Contains(apply, "applied successfully") {
			want = "success"
		}
		s.object.Labels[migConfigLabel] = name
		for begun := false; !begun || s.n.manager.phase != migIdle; begun = true {
			s.wake.at = time.Time{}
			if err := s.stepMIGManager(); err != nil {
				t.Fatal(err)
			}
			if s.n.manager.phase == migWaitPods &&
				s.object.Labels["nvidia.com/gpu.deploy.device-plugin"] != paused {
				t.Errorf("%s: the plugin is not paused", name)
			}
			s.now = s.now.Add(time.Minute)
		}
		if got := s.object.Labels[migStateLabel]; got != want {
			t.Errorf("state after %s: %s: expected %s", name, got, want)
		}
		if got := s.object.Labels["nvidia.com/gpu.deploy.device-plugin"]; got != "true" {
			t.Errorf("device-plugin after %s: %s: expected true", name, got)
		}
		if got := s.exported(); got != export {
			t.Errorf("export after %s:\n%sexpected\n%s", name, got, export)
		}
	}
}

// serveNode is an API server that takes merge patches of the node's metadata.
func (s *scene) serveNode(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		patch := struct {
			Metadata struct {
				Labels map[string]*string `json:"labels"`
			} `json:"metadata"`
		}{}
		if err := json.NewDecoder(in.Body).Decode(&patch); err != nil || in.Method != http.MethodPatch {
			http.Error(out, "expected a merge patch", http.StatusBadRequest)
			return
		}
		for key, value := range patch.Metadata.Labels {
			delete(s.object.Labels, key)
			if value != nil {
				s.object.Labels[key] = *value
			}
		}
		out.Header().Set("Content-Type", "application/json")
		_, _ = out.Write([]byte(`{"kind": "Node", "apiVersion": "v1"}`))
	}))
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
	return server
}

// afterCommand returns the output of a command of a recording and what follows it.
func afterCommand(t *testing.T, text, command string) (output, rest string) {
	t.Helper()
	_, after, found := strings.Cut(text, "$ nvidia-mig-parted "+command+"\n")
	if !found {
		t.Fatalf("no %q in the recording", command)
	}
	output, rest, _ = strings.Cut(after, "$ ")
	return output, "$ " + rest
}

// exported writes the node's state as nvidia-mig-parted export does.
func (s *scene) exported() string {
	text := "version: v1\nmig-configs:\n  current:\n"
	entry := func(devices string, g *hardware.GPU) string {
		text := fmt.Sprintf("  - devices: %s\n    mig-enabled: %t\n", devices, g.MIG)
		counts := layout(g)
		if len(counts) == 0 {
			return text + "    mig-devices: {}\n"
		}
		text += "    mig-devices:\n"
		for _, name := range sortedKeys(counts) {
			text += fmt.Sprintf("      %s: %d\n", name, counts[name])
		}
		return text
	}
	gpus := s.n.hw.GPUs
	if first := entry("all", &gpus[0]); first == entry("all", &gpus[1]) {
		return text + first
	}
	return text + entry("[0]", &gpus[0]) + entry("[1]", &gpus[1])
}

// configManagerCase drives one case of a recording of config-manager.
type configManagerCase struct {
	s       *scene
	pod     *core.Pod
	configs cache.Indexer
	plugin  bool // the main container runs
	alive   bool // config-manager does: not before it started, nor after its end
	files   map[string]string
}

func newConfigManagerCase(t *testing.T, version, settings string) *configManagerCase {
	c := &configManagerCase{s: recordedNode(t)}
	c.configs = cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	c.s.configLister = corelisters.NewConfigMapLister(c.configs)
	c.s.policy.DevicePlugin.Config.Name = "config"
	container := core.Container{Name: "config-manager", Image: pluginImage + ":" + version}
	for word := range strings.FieldsSeq(settings) {
		name, value, _ := strings.Cut(word, "=")
		container.Env = append(container.Env, core.EnvVar{Name: name, Value: value})
	}
	c.pod = &core.Pod{ObjectMeta: meta.ObjectMeta{UID: "pod"}}
	c.pod.Spec.Containers = []core.Container{{Name: "nvidia-device-plugin"}, container}
	return c
}

// volume changes the ConfigMap and lets kubelet bring it.
func (c *configManagerCase) volume(t *testing.T, keys []string) {
	data := map[string]string{}
	for _, key := range keys {
		name, source, other := strings.Cut(key, "=")
		if !other {
			source = name
		}
		data[name] = recorded(t, source+".yaml")
	}
	object := &core.ConfigMap{Data: data}
	object.Namespace, object.Name = operatorNamespace, "config"
	if err := c.configs.Update(object); err != nil {
		t.Fatal(err)
	}
	if c.s.n.plugin.mount != nil {
		c.s.n.plugin.mount = data // as after kubelet's lag
	}
}

// settle steps the pod until nothing is due any more, or config-manager has ended.
func (c *configManagerCase) settle() {
	p := &c.s.n.plugin
	for range 10 {
		c.s.wake.at = time.Time{}
		if c.alive {
			before := p.manager.restarts
			c.s.stepConfigManager(p, c.pod)
			c.alive = p.manager.restarts == before
		}
		if c.plugin {
			c.s.stepMain(p)
		}
		if c.s.wake.at.IsZero() {
			return
		}
		c.s.now = c.s.wake.at
	}
}

// step does one step of a recording and returns what is to be compared.
func (c *configManagerCase) step(t *testing.T, verb string, words []string) string {
	p := &c.s.n.plugin
	p.manager.message = ""
	c.s.n.kubelet.resources = map[string]*registered{}
	switch verb {
	case "files":
		c.volume(t, words)
	case "label":
		delete(c.s.object.Labels, configLabel)
		if len(words) > 0 {
			c.s.object.Labels[configLabel] = words[0]
		}
	case "plugin":
		c.plugin = true
	case "start", "init":
		c.alive = true
		p.manager.until = time.Time{} // kubelet starts it again
		if verb == "start" {
			p.besides = time.Time{}
		}
	}
	if verb == "init" {
		c.s.stepConfigManager(p, c.pod) // and no further
		c.alive = false
	} else {
		c.settle()
	}
	link := "nothing"
	if p.linked {
		link = "/dev/null"
		if p.link != "" {
			link = "/available-configs/" + p.link
		}
	}
	text := p.manager.message + "\nlink " + link + "\n"
	for line := range strings.Lines(c.s.registrations()) {
		if !strings.HasPrefix(line, "  allocate") {
			text += line
		}
	}
	return text
}

// config-manager and the plugin beside it: what it links, how it ends, what is registered then.
func TestConfigManagerAsRecorded(t *testing.T) {
	for _, version := range []string{"v0.18.0", "v0.19.1"} {
		text := recorded(t, "config-manager-"+version+".txt")
		for _, part := range strings.Split("\n"+text, "\n# ")[1:] {
			title, rest, _ := strings.Cut(part, "\n")
			at := strings.LastIndex(title, ": ")
			c := newConfigManagerCase(t, version, title[at+2:])
			for _, step := range strings.Split("\n"+rest, "\n$ ")[1:] {
				line, output, _ := strings.Cut(step+"\n", "\n")
				words := strings.Fields(line)
				got := c.step(t, words[0], words[1:])
				if want := wanted(output); got != want {
					t.Fatalf("%s: %s: %s:\n%sexpected\n%s", version, title, line, got, want)
				}
			}
		}
	}
}

// wanted is of a step's output the error it ended with, the link, and what was registered.
func wanted(output string) string {
	said, rest := "", ""
	failed := strings.Contains(output, "exit code 1\n")
	message := ""
	for line := range strings.Lines(output) {
		switch {
		case strings.HasPrefix(line, "link "), strings.HasPrefix(line, "resource "),
			strings.HasPrefix(line, "  id "):
			rest += line
		case !strings.HasPrefix(line, "exit code ") && line != "\n":
			said = strings.TrimSpace(line)
		}
	}
	if failed {
		message = said
	}
	return message + "\n" + rest
}

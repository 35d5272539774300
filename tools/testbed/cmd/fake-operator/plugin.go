package main

import (
	"errors"
	"fmt"
	"maps"
	"time"

	spec "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const configLabel = "nvidia.com/device-plugin.config"

// pluginPod is a pod of the device plugin or of GFD: config-manager as init container, then the main
// container and, beside it, config-manager again, which chooses the config of the main one by a
// label of the node.  Source: k8s-device-plugin, cmd/config-manager; recorded_test.go holds this to
// what the real one does.
type pluginPod struct {
	uid     types.UID
	mount   map[string]string // the ConfigMap as this pod's volume has it; nil = not mounted
	syncAt  time.Time         // when kubelet will bring the volume up to date; zero = it is
	link    string            // the key that /config/config.yaml points to, "" = /dev/null
	linked  bool
	label   string    // of the node, as config-manager saw it last
	looked  bool      // config-manager has seen the label since it started
	besides time.Time // when config-manager comes up beside the main container; zero = it has
	manager process
	main    process
	config  *spec.Config // that the main container runs with; nil while it does not
	startAt time.Time    // when the main container will have started; zero = it has, or is down
}

// process is a container that kubelet starts again, ever more slowly, when it ends.
type process struct {
	restarts int
	until    time.Time // of the back-off; zero while it runs
	message  string    // why it ended last
}

func (p *process) running() bool { return p.until.IsZero() }

// crash ends a process.  The first restart comes at once, then after 10 s, 20 s, up to 5 minutes.
func (p *process) crash(s *scene, err error) {
	delay := time.Second
	if p.restarts > 0 {
		delay = min(10*time.Second<<min(p.restarts-1, 5), 5*time.Minute)
	}
	p.message = err.Error()
	p.until = s.now.Add(s.scaled(delay))
	p.restarts++
	s.wake.set(p.until)
}

// due ends the back-off when its time has come; true while the process runs.
func (p *process) due(s *scene) bool {
	if p.until.IsZero() {
		return true
	}
	if s.now.Before(p.until) {
		s.wake.set(p.until)
		return false
	}
	p.until = time.Time{}
	return true
}

const pluginStart = 2 * time.Second // from exec, or from SIGHUP, to Register

// stepPlugin runs the device plugin's pod.
func (s *scene) stepPlugin() error {
	p := &s.n.plugin
	pod := s.partPod("nvidia-device-plugin-daemonset")
	if pod == nil || pod.UID != p.uid {
		if p.uid != "" {
			s.n.kubelet.stopPlugins(s.now)
		}
		*p = pluginPod{}
	}
	if pod == nil {
		return nil
	}
	before := *p
	if !s.stepConfigManager(p, pod) {
		return s.showProcesses(pod, p, &before)
	}
	s.stepMain(p)
	return s.showProcesses(pod, p, &before)
}

// stepMain runs the plugin itself.
func (s *scene) stepMain(p *pluginPod) {
	if p.config == nil && p.startAt.IsZero() && p.main.due(s) {
		p.startAt = s.now.Add(s.scaled(pluginStart))
	}
	if p.startAt.IsZero() {
		return
	}
	if s.now.Before(p.startAt) {
		s.wake.set(p.startAt)
		return
	}
	p.startAt = time.Time{}
	s.startPlugin(p)
}

// startPlugin reads the config and registers, or ends with the plugin's own error.
func (s *scene) startPlugin(p *pluginPod) {
	config, err := loadPluginConfig(p.text(), s.policy.MIG.Strategy)
	var offers map[string][]device
	if err == nil {
		offers, err = offered(s.n.hw, config)
	}
	if err != nil {
		p.main.crash(s, err)
		return
	}
	p.config = config
	s.n.kubelet.register(offers, config)
}

// text is the file that the link points to now.
func (p *pluginPod) text() string {
	if p.link == "" {
		return ""
	}
	return p.mount[p.link]
}

// stepConfigManager runs the volume and config-manager of a pod.  It returns whether the main
// container may run: config-manager is its init container too.
func (s *scene) stepConfigManager(p *pluginPod, pod *core.Pod) bool {
	name := s.policy.DevicePlugin.Config.Name
	if len(pod.Spec.Containers) < 2 {
		p.uid, p.linked = pod.UID, true // no config-manager: the plugin runs without a file
		return true
	}
	configMap, err := s.configLister.ConfigMaps(operatorNamespace).Get(name)
	if err != nil && p.mount == nil {
		return false // the volume cannot be mounted: the containers wait
	}
	if p.uid == "" {
		p.uid = pod.UID
		p.mount = maps.Clone(configMap.Data)
		if p.mount == nil {
			p.mount = map[string]string{}
		}
	}
	if err == nil {
		s.syncVolume(p, configMap)
	}
	if p.manager.due(s) {
		s.runConfigManager(p, s.configManagerOf(pod))
	}
	return p.linked
}

// sidecarStart is how long after the init container config-manager runs again: kubelet starts the
// main container first, which has registered by then.
const sidecarStart = 3 * time.Second

// runConfigManager is what it does now: as init container, at its start beside the plugin, or when
// the label moved.
func (s *scene) runConfigManager(p *pluginPod, c *configManager) {
	label := s.object.Labels[configLabel]
	if p.linked && s.now.Before(p.besides) {
		s.wake.set(p.besides)
		return
	}
	if p.linked && p.looked && label == p.label {
		return
	}
	looks := []string{label}
	if c.actsFirst && !p.linked {
		looks = []string{""}
	} else if c.actsFirst && !p.looked {
		looks = []string{"", label}
	}
	begins := !p.linked
	for i, look := range looks {
		if i > 0 && look == looks[i-1] {
			break // no change to wait for
		}
		signal, err := p.choose(look, c)
		if signal {
			err = s.signalPlugin(p)
		}
		if err != nil {
			p.looked = false // it starts again and looks again
			p.manager.crash(s, err)
			return
		}
	}
	if begins {
		p.besides = s.now.Add(s.scaled(sidecarStart))
		s.wake.set(p.besides)
		return
	}
	p.looked, p.label = true, label
}

// signalPlugin is SIGHUP: every plugin stops, and starts with the file as it is now.
func (s *scene) signalPlugin(p *pluginPod) error {
	if p.config == nil && p.startAt.IsZero() {
		return errors.New("error finding pid: no process found")
	}
	if p == &s.n.plugin {
		s.n.kubelet.stopPlugins(s.now)
	}
	p.config = nil
	p.startAt = s.now.Add(s.scaled(pluginStart))
	s.wake.set(p.startAt)
	return nil
}

// syncVolume brings the pod's volume up to date as late as kubelet does: its sync comes by every 60
// to 90 seconds.
func (s *scene) syncVolume(p *pluginPod, configMap *core.ConfigMap) {
	if maps.Equal(p.mount, configMap.Data) {
		p.syncAt = time.Time{}
		return
	}
	if p.syncAt.IsZero() {
		lag := 1 + 89*chance(s.n.name, p.uid, configMap.ResourceVersion)
		wait := s.scaled(time.Duration(lag * float64(time.Second)))
		if extra, err := time.ParseDuration(s.n.faults["config-lag"]); err == nil {
			wait += s.scaled(extra)
		}
		p.syncAt = s.now.Add(wait)
	}
	if s.now.Before(p.syncAt) {
		s.wake.set(p.syncAt)
		return
	}
	p.mount, p.syncAt = maps.Clone(configMap.Data), time.Time{}
	if p.mount == nil {
		p.mount = map[string]string{}
	}
}

// showProcesses writes into the pod's status what kubelet would: restarts, back-off, the error.
func (s *scene) showProcesses(pod *core.Pod, p, before *pluginPod) error {
	if p.main == before.main && p.manager == before.manager {
		return nil
	}
	changed := pod.DeepCopy()
	ready := core.ConditionTrue
	for i := range changed.Status.ContainerStatuses {
		status := &changed.Status.ContainerStatuses[i]
		process := &p.main
		if status.Name == "config-manager" {
			process = &p.manager
		}
		status.RestartCount = int32(process.restarts)
		status.Ready = process.running()
		if process.running() {
			status.State = core.ContainerState{Running: &core.ContainerStateRunning{
				StartedAt: meta.NewTime(s.now),
			}}
			continue
		}
		ready = core.ConditionFalse
		status.State = core.ContainerState{Waiting: &core.ContainerStateWaiting{
			Reason:  "CrashLoopBackOff",
			Message: fmt.Sprintf("back-off restarting failed container=%s", status.Name),
		}}
		status.LastTerminationState = core.ContainerState{Terminated: &core.ContainerStateTerminated{
			ExitCode: 1, Reason: "Error", Message: process.message, FinishedAt: meta.NewTime(s.now),
		}}
	}
	for i := range changed.Status.Conditions {
		condition := &changed.Status.Conditions[i]
		if condition.Type == core.PodReady || condition.Type == core.ContainersReady {
			condition.Status = ready
		}
	}
	_, err := s.client.CoreV1().Pods(pod.Namespace).UpdateStatus(s.ctx, changed,
		meta.UpdateOptions{FieldManager: "fake-operator"})
	return err
}

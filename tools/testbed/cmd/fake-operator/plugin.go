package main

import (
	"fmt"
	"maps"
	"time"

	spec "github.com/NVIDIA/k8s-device-plugin/api/config/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const configLabel = "nvidia.com/device-plugin.config"

// pluginPod is a pod of the device plugin or of GFD: two containers, of which config-manager
// chooses the config of the other by a label of the node.  Source: k8s-device-plugin v0.18.0,
// cmd/config-manager.
type pluginPod struct {
	uid     types.UID
	mount   map[string]string // the ConfigMap as this pod's volume has it; nil = not mounted
	syncAt  time.Time         // when kubelet will bring the volume up to date; zero = it is
	link    string            // the key that /config/config.yaml points to, "" = /dev/null
	linked  bool
	label   string // of the node, as config-manager saw it last
	looked  bool   // config-manager has seen the label since it started
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
	if p.config == nil && p.startAt.IsZero() && p.main.due(s) {
		p.startAt = s.now.Add(s.scaled(pluginStart))
	}
	if !p.startAt.IsZero() {
		if s.now.Before(p.startAt) {
			s.wake.set(p.startAt)
		} else {
			p.startAt = time.Time{}
			s.startPlugin(p)
		}
	}
	return s.showProcesses(pod, p, &before)
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
	if !p.manager.due(s) {
		return p.linked
	}
	label := s.object.Labels[configLabel]
	if p.looked && label == p.label {
		return p.linked
	}
	p.looked, p.label = true, label
	signal, err := p.choose(label, s.policy.DevicePlugin.Config.Default)
	if err != nil {
		p.looked = false // it starts again and looks again
		p.manager.crash(s, err)
		return p.linked
	}
	if signal && p.config != nil {
		s.signalPlugin(p)
	}
	return p.linked
}

// signalPlugin is SIGHUP: every plugin stops, and starts with the file as it is now.
func (s *scene) signalPlugin(p *pluginPod) {
	if p == &s.n.plugin {
		s.n.kubelet.stopPlugins(s.now)
	}
	p.config = nil
	p.startAt = s.now.Add(s.scaled(pluginStart))
	s.wake.set(p.startAt)
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

// choose is config-manager's updateConfig: which key, and whether the plugin is to be signalled.
func (p *pluginPod) choose(label, byDefault string) (signal bool, err error) {
	if len(p.mount) == 0 {
		return false, fmt.Errorf("no configuration files available")
	}
	key := label
	if key == "" {
		key = byDefault
	}
	if _, there := p.mount[key]; key != "" && !there {
		return false, fmt.Errorf("specified config %s does not exist", label)
	}
	if p.linked {
		if p.link == key {
			return false, nil
		}
		// A link to a key that was deleted dangles: it is not found, and not replaced either.
		if _, there := p.mount[p.link]; p.link != "" && !there {
			return false, fmt.Errorf("error creating symlink: symlink /available-configs/%s "+
				"/config/config.yaml: file exists", key)
		}
	}
	signal = p.linked
	p.link, p.linked = key, true
	return signal, nil
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

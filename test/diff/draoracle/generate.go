package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// maker draws one case: small worlds, few values, so that constraints, counters and shares meet.
type maker struct {
	r            *rand.Rand
	counts       map[string]int
	c            *Case
	experimental bool
	wild         bool // selectors that fail at run time
	sequence     int
}

func (m *maker) n(most int) int          { return m.r.IntN(most) }
func (m *maker) chance(percent int) bool { return m.r.IntN(100) < percent }
func (m *maker) count(feature string)    { m.counts[feature]++ }
func pick[T any](m *maker, items ...T) T { return items[m.n(len(items))] }
func (m *maker) next(prefix string) string {
	m.sequence++
	return fmt.Sprintf("%s-%d", prefix, m.sequence)
}
func (m *maker) maybe(p int, f string) bool {
	if !m.chance(p) {
		return false
	}
	m.count(f)
	return true
}

var (
	drivers    = []string{"a.example.com", "b.example.com"}
	classNames = []string{"class-a", "class-b", "class-any"}
	nodeNames  = []string{"node-1", "node-2"}
)

func quantity(text string) resource.Quantity { return resource.MustParse(text) }

func (m *maker) nodeSelector() *corev1.NodeSelector {
	q := corev1.NodeSelectorRequirement{Key: pick(m, "zone", "rack", "cpu"), Operator: corev1.NodeSelectorOpIn,
		Values: []string{pick(m, "1", "2")}}
	switch m.n(7) {
	case 0:
		q.Operator, q.Values = corev1.NodeSelectorOpExists, nil
	case 1:
		q.Operator = corev1.NodeSelectorOpNotIn
	case 2:
		q.Operator, q.Values = corev1.NodeSelectorOpDoesNotExist, nil
	case 3:
		q.Operator, q.Values = pick(m, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt), []string{pick(m, "0", "1", "5")}
	}
	term := corev1.NodeSelectorTerm{}
	if m.chance(85) {
		term.MatchExpressions = append(term.MatchExpressions, q)
	}
	if m.chance(15) {
		term.MatchFields = append(term.MatchFields, corev1.NodeSelectorRequirement{Key: "metadata.name",
			Operator: pick(m, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn), Values: []string{pick(m, nodeNames...)}})
	}
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}
}

func (m *maker) attribute() resourceapi.DeviceAttribute {
	a := resourceapi.DeviceAttribute{}
	switch m.n(10) {
	case 0, 1, 2, 3:
		v := pick(m, "x", "y", "z")
		a.StringValue = &v
	case 4, 5, 6:
		v := int64(m.n(3))
		a.IntValue = &v
	case 7:
		v := m.chance(50)
		a.BoolValue = &v
	default:
		v := pick(m, "1.0.0", "1.2.3", "2.0.0-rc.1")
		a.VersionValue = &v
	}
	if m.experimental && m.maybe(20, "list attribute") {
		switch {
		case a.StringValue != nil:
			a = resourceapi.DeviceAttribute{StringValues: []string{*a.StringValue, pick(m, "x", "y", "w")}}
		case a.IntValue != nil:
			a = resourceapi.DeviceAttribute{IntValues: []int64{*a.IntValue, int64(m.n(3))}}
		case a.VersionValue != nil:
			a = resourceapi.DeviceAttribute{VersionValues: []string{*a.VersionValue}}
		case a.BoolValue != nil:
			a = resourceapi.DeviceAttribute{BoolValues: []bool{*a.BoolValue}}
		}
	}
	return a
}

// policy draws a request policy that the API accepts for a capacity of 10 (or 10Gi).
func (m *maker) policy(unit string) *resourceapi.CapacityRequestPolicy {
	q := func(text string) *resource.Quantity { v := quantity(text + unit); return &v }
	switch m.n(4) {
	case 0:
		m.count("valid values")
		return &resourceapi.CapacityRequestPolicy{Default: q(pick(m, "1", "2")),
			ValidValues: []resource.Quantity{*q("1"), *q("2"), *q("5")}}
	case 1:
		m.count("valid range")
		return &resourceapi.CapacityRequestPolicy{Default: q(pick(m, "2", "4")),
			ValidRange: &resourceapi.CapacityRequestPolicyRange{Min: q("2"), Max: q("8")}}
	case 2:
		m.count("valid range with step")
		return &resourceapi.CapacityRequestPolicy{Default: q(pick(m, "1", "4")),
			ValidRange: &resourceapi.CapacityRequestPolicyRange{Min: q("1"), Step: q("3")}}
	}
	if unit == "" {
		m.count("fractional range")
		return &resourceapi.CapacityRequestPolicy{Default: q(pick(m, "500m", "1")),
			ValidRange: &resourceapi.CapacityRequestPolicyRange{Min: q("500m"), Step: q(pick(m, "250m", "500m"))}}
	}
	return &resourceapi.CapacityRequestPolicy{Default: q("3")}
}

func (m *maker) capacities(d *resourceapi.Device) {
	d.Capacity = map[resourceapi.QualifiedName]resourceapi.DeviceCapacity{}
	for _, name := range []string{"memory", "cores", "b.example.com/lanes"} {
		if !m.chance(55) {
			continue
		}
		unit := ""
		if name == "memory" {
			unit = "Gi"
		}
		c := resourceapi.DeviceCapacity{Value: quantity(pick(m, "10", "12", "16") + unit)}
		if d.AllowMultipleAllocations != nil && *d.AllowMultipleAllocations && m.chance(70) {
			c.RequestPolicy = m.policy(unit)
		}
		d.Capacity[resourceapi.QualifiedName(name)] = c
	}
}

func (m *maker) taint() resourceapi.DeviceTaint {
	return resourceapi.DeviceTaint{Key: pick(m, "bad", "hot"), Value: pick(m, "", "v"),
		Effect: pick(m, resourceapi.DeviceTaintEffectNoSchedule, resourceapi.DeviceTaintEffectNoExecute, resourceapi.DeviceTaintEffectNone)}
}

func (m *maker) consumption(sets []string) []resourceapi.DeviceCounterConsumption {
	var out []resourceapi.DeviceCounterConsumption
	for _, set := range sets {
		if len(out) == 2 || !m.chance(60) {
			continue
		}
		use := resourceapi.DeviceCounterConsumption{CounterSet: set, Counters: map[string]resourceapi.Counter{}}
		for _, name := range []string{"memory", "slices", "c0", "c1", "c2"} {
			if m.chance(45) {
				amount := fmt.Sprint(1 + m.n(4))
				if name == "memory" {
					amount += "Gi"
				}
				use.Counters[name] = resourceapi.Counter{Value: quantity(amount)}
			}
		}
		if len(use.Counters) == 0 {
			use.Counters["slices"] = resourceapi.Counter{Value: quantity("1")}
		}
		if m.experimental && m.maybe(25, "compatibility groups") {
			use.CompatibilityGroups = []string{pick(m, "g1", "g2")}
		}
		out = append(out, use)
	}
	return out
}

func (m *maker) device(name string, sets []string, perDevice bool) resourceapi.Device {
	yes := true
	d := resourceapi.Device{Name: name, Attributes: map[resourceapi.QualifiedName]resourceapi.DeviceAttribute{}}
	for _, id := range []string{"model", "numa", "shared.example.com/link", "version"} {
		if m.chance(92) {
			d.Attributes[resourceapi.QualifiedName(id)] = m.attribute()
		}
	}
	if m.maybe(25, "shareable device") {
		d.AllowMultipleAllocations = &yes
	}
	m.capacities(&d)
	if len(sets) > 0 && m.maybe(70, "counter consumption") {
		d.ConsumesCounters = m.consumption(sets)
	}
	if m.maybe(9, "taint") {
		d.Taints = append(d.Taints, m.taint())
	}
	if m.maybe(7, "binding conditions") {
		d.BindingConditions = []string{"ready"}
		d.BindingFailureConditions = []string{"broken"}
		if m.chance(50) {
			d.BindsToNode = &yes
		}
	}
	if perDevice {
		switch m.n(3) {
		case 0:
			node := pick(m, nodeNames...)
			d.NodeName = &node
		case 1:
			d.AllNodes = &yes
		default:
			d.NodeSelector = m.nodeSelector()
		}
	}
	return d
}

// reach says on which nodes a slice can be used.
func (m *maker) reach(s *resourceapi.ResourceSliceSpec, kind int) {
	yes := true
	switch kind {
	case 0, 1, 2, 3:
		node := pick(m, "node-1", "node-1", "node-1", "node-1", "node-2")
		s.NodeName = &node
	case 4:
		m.count("all nodes")
		s.AllNodes = &yes
	case 5:
		m.count("node selector")
		s.NodeSelector = m.nodeSelector()
	default:
		m.count("per-device nodes")
		s.PerDeviceNodeSelection = &yes
	}
}

func (m *maker) pool(driver, name string) {
	generation := int64(1 + m.n(2))
	count := 1 + m.n(3)
	var sets []string
	var slices []*resourceapi.ResourceSlice
	kind := m.n(8)
	add := func() *resourceapi.ResourceSlice {
		s := &resourceapi.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: m.next(pick(m, "s", "t"))}}
		s.Spec.Driver = driver
		s.Spec.Pool = resourceapi.ResourcePool{Name: name, Generation: generation}
		if m.chance(12) {
			m.reach(&s.Spec, m.n(8))
		} else {
			m.reach(&s.Spec, kind)
			if s.Spec.NodeName != nil && len(slices) > 0 && slices[0].Spec.NodeName != nil && m.chance(85) {
				s.Spec.NodeName = slices[0].Spec.NodeName
			}
		}
		slices = append(slices, s)
		return s
	}
	if m.maybe(40, "shared counters") {
		s := add()
		if s.Spec.PerDeviceNodeSelection != nil {
			yes := true
			s.Spec.PerDeviceNodeSelection, s.Spec.AllNodes = nil, &yes
		}
		for i := 0; i <= m.n(2); i++ {
			set := resourceapi.CounterSet{Name: fmt.Sprintf("set-%d", i), Counters: map[string]resourceapi.Counter{}}
			for _, counter := range []string{"memory", "slices", "c0", "c1", "c2"} {
				amount := fmt.Sprint(3 + m.n(6))
				if counter == "memory" {
					amount += "Gi"
				}
				set.Counters[counter] = resourceapi.Counter{Value: quantity(amount)}
			}
			sets = append(sets, set.Name)
			s.Spec.SharedCounters = append(s.Spec.SharedCounters, set)
		}
		if m.maybe(2, "unknown counter set") {
			sets = append(sets, "set-none")
		}
	}
	device := 0
	for i := 0; i < count; i++ {
		s := add()
		for k := 1 + m.n(7); k > 0; k-- {
			if !m.maybe(1, "duplicate device") {
				device++
			}
			s.Spec.Devices = append(s.Spec.Devices, m.device(fmt.Sprintf("dev-%d", device), sets, s.Spec.PerDeviceNodeSelection != nil))
		}
		if m.experimental && m.maybe(8, "skip node operations") {
			s.Spec.SkipNodeOperations = []resourceapi.SkipNodeOperation{"*"}
		}
	}
	for _, s := range slices {
		s.Spec.Pool.ResourceSliceCount = int64(len(slices))
	}
	if m.maybe(3, "incomplete pool") {
		for _, s := range slices {
			s.Spec.Pool.ResourceSliceCount++
		}
	}
	if m.maybe(5, "newer generation") {
		slices[m.n(len(slices))].Spec.Pool.Generation++
	}
	m.c.Slices = append(m.c.Slices, slices...)
}

func (m *maker) selector() resourceapi.DeviceSelector {
	texts := []string{
		`device.driver == "a.example.com"`,
		`device.driver in ["a.example.com", "b.example.com"]`,
		`"model" in device.attributes[device.driver] && device.attributes[device.driver].model == "x"`,
		`device.attributes[device.driver].?numa.orValue(0) != 2`,
		`has(device.attributes["shared.example.com"].link)`,
		`"memory" in device.capacity[device.driver] ? device.capacity[device.driver].memory.compareTo(quantity("11Gi")) >= 0 : true`,
		`device.allowMultipleAllocations == false`,
		`device.allowMultipleAllocations`,
		`!("version" in device.attributes[device.driver]) || device.attributes[device.driver].version != "q"`,
		`true`,
	}
	if m.wild && m.chance(30) {
		m.count("selector that may fail")
		texts = []string{
			`device.attributes[device.driver].model == "x"`,
			`device.attributes["shared.example.com"].link == "y"`,
			`device.capacity[device.driver].memory.isGreaterThan(quantity("10Gi"))`,
			`device.attributes[device.driver].version.isGreaterThan(semver("1.0.0"))`,
			`device.nosuch == 1`,
		}
	}
	m.count("selector")
	return resourceapi.DeviceSelector{CEL: &resourceapi.CELDeviceSelector{Expression: pick(m, texts...)}}
}

func (m *maker) config() resourceapi.DeviceConfiguration {
	return resourceapi.DeviceConfiguration{Opaque: &resourceapi.OpaqueDeviceConfiguration{Driver: pick(m, drivers...),
		Parameters: runtime.RawExtension{Raw: []byte(fmt.Sprintf(`{"kind":"C","n":%d}`, m.n(9)))}}}
}

func (m *maker) classes() {
	for i, name := range classNames {
		class := &resourceapi.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if i < 2 {
			class.Spec.Selectors = []resourceapi.DeviceSelector{{CEL: &resourceapi.CELDeviceSelector{
				Expression: fmt.Sprintf(`device.driver == "%s"`, drivers[i])}}}
		}
		if m.chance(20) {
			class.Spec.Selectors = append(class.Spec.Selectors, m.selector())
		}
		for m.maybe(25, "class config") {
			class.Spec.Config = append(class.Spec.Config, resourceapi.DeviceClassConfiguration{DeviceConfiguration: m.config()})
		}
		m.c.Classes = append(m.c.Classes, class)
	}
}

func (m *maker) ask(alternative bool) *resourceapi.ExactDeviceRequest {
	r := &resourceapi.ExactDeviceRequest{DeviceClassName: pick(m, "class-a", "class-b", "class-any", "class-any"),
		AllocationMode: resourceapi.DeviceAllocationModeExactCount, Count: int64(pick(m, 1, 1, 1, 1, 2, 2, 3))}
	if m.maybe(1, "unknown class") {
		r.DeviceClassName = "none"
	}
	if m.chance(4) {
		r.Count = int64(4 + m.n(12))
	}
	if m.maybe(7, "mode All") {
		r.AllocationMode, r.Count = resourceapi.DeviceAllocationModeAll, 0
	}
	for m.chance(25) {
		r.Selectors = append(r.Selectors, m.selector())
	}
	if !alternative && m.maybe(7, "admin access") {
		yes := m.chance(90)
		r.AdminAccess = &yes
	}
	if m.maybe(15, "toleration") {
		t := resourceapi.DeviceToleration{Key: pick(m, "bad", "hot"), Operator: resourceapi.DeviceTolerationOpExists}
		if m.chance(40) {
			t.Operator, t.Value = resourceapi.DeviceTolerationOpEqual, pick(m, "", "v")
		}
		if m.chance(30) {
			t.Effect = pick(m, resourceapi.DeviceTaintEffectNoSchedule, resourceapi.DeviceTaintEffectNoExecute)
		}
		if m.chance(10) {
			t = resourceapi.DeviceToleration{Operator: resourceapi.DeviceTolerationOpExists}
		}
		r.Tolerations = append(r.Tolerations, t)
	}
	if m.maybe(18, "capacity request") {
		r.Capacity = &resourceapi.CapacityRequirements{Requests: map[resourceapi.QualifiedName]resource.Quantity{}}
		if m.chance(60) {
			r.Capacity.Requests["memory"] = quantity(pick(m, "1Gi", "2Gi", "3Gi", "5Gi", "7000Mi", "11Gi"))
		}
		if m.chance(40) {
			r.Capacity.Requests["cores"] = quantity(pick(m, "1", "600m", "2", "2500m", "6", "9"))
		}
		if m.maybe(2, "huge capacity request") {
			r.Capacity.Requests["cores"] = quantity(pick(m, "9223372036854775807", "1E", "20E"))
		}
	}
	if m.experimental && m.maybe(8, "derived attributes") {
		r.DerivedAttributes = []resourceapi.DeviceDerivedAttribute{{
			Name: resourceapi.FullyQualifiedName(pick(m, "derived.example.com/k", "a.example.com/model")),
			Expression: pick(m, `device.driver`, `device.attributes[device.driver].?numa.orValue(1)`,
				`[device.driver, "u"]`, `device.allowMultipleAllocations`, `semver("1.2.3")`)}}
	}
	return r
}

func (m *maker) request(name string) resourceapi.DeviceRequest {
	r := resourceapi.DeviceRequest{Name: name}
	if !m.maybe(22, "firstAvailable") {
		r.Exactly = m.ask(false)
		return r
	}
	for i := 0; i <= m.n(3); i++ {
		a := m.ask(true)
		r.FirstAvailable = append(r.FirstAvailable, resourceapi.DeviceSubRequest{Name: fmt.Sprintf("sub-%d", i),
			DeviceClassName: a.DeviceClassName, Selectors: a.Selectors, AllocationMode: a.AllocationMode, Count: a.Count,
			Tolerations: a.Tolerations, Capacity: a.Capacity, DerivedAttributes: a.DerivedAttributes})
	}
	return r
}

// names draws some of a claim's requests, as constraints and configurations list them.
func (m *maker) names(requests []resourceapi.DeviceRequest) []string {
	var out []string
	for _, r := range requests {
		switch {
		case m.chance(40):
		case len(r.FirstAvailable) > 0 && m.chance(50):
			out = append(out, r.Name+"/"+r.FirstAvailable[m.n(len(r.FirstAvailable))].Name)
		default:
			out = append(out, r.Name)
		}
	}
	return out
}

func (m *maker) claim(name string) *resourceapi.ResourceClaim {
	claim := &resourceapi.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ns"}}
	d := &claim.Spec.Devices
	for i := 0; i <= pick(m, 0, 0, 0, 1, 1, 2); i++ {
		d.Requests = append(d.Requests, m.request(fmt.Sprintf("req-%d", i)))
	}
	for m.chance(25) && len(d.Constraints) < 3 {
		attribute := resourceapi.FullyQualifiedName(pick(m, "a.example.com/model", "a.example.com/numa", "b.example.com/numa",
			"shared.example.com/link", "derived.example.com/k"))
		constraint := resourceapi.DeviceConstraint{}
		if m.chance(60) {
			constraint.Requests = m.names(d.Requests)
		}
		if m.chance(60) {
			m.count("matchAttribute")
			constraint.MatchAttribute = &attribute
		} else {
			m.count("distinctAttribute")
			constraint.DistinctAttribute = &attribute
		}
		d.Constraints = append(d.Constraints, constraint)
	}
	for m.maybe(20, "claim config") {
		config := resourceapi.DeviceClaimConfiguration{DeviceConfiguration: m.config()}
		if m.chance(60) {
			config.Requests = m.names(d.Requests)
		}
		d.Config = append(d.Config, config)
	}
	return claim
}

// allocated marks some devices as taken by other claims.
func (m *maker) allocated() {
	yes := true
	for _, s := range m.c.Slices {
		for _, d := range s.Spec.Devices {
			if !m.maybe(12, "allocated device") {
				continue
			}
			r := resourceapi.DeviceRequestAllocationResult{Request: "r", Driver: s.Spec.Driver, Pool: s.Spec.Pool.Name, Device: d.Name}
			if m.chance(5) {
				r.AdminAccess = &yes
			}
			if d.AllowMultipleAllocations != nil && m.chance(85) {
				m.count("allocated share")
				id := types.UID(m.next("share"))
				r.ShareID = &id
				if m.chance(85) {
					r.ConsumedCapacity = map[resourceapi.QualifiedName]resource.Quantity{}
					for name := range d.Capacity {
						unit := ""
						if strings.HasSuffix(string(name), "memory") {
							unit = "Gi"
						}
						r.ConsumedCapacity[name] = quantity(pick(m, "1", "2", "5") + unit)
					}
				}
			}
			claim := &resourceapi.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: m.next("other"), Namespace: "ns"}}
			claim.Status.Allocation = &resourceapi.AllocationResult{}
			claim.Status.Allocation.Devices.Results = append(claim.Status.Allocation.Devices.Results, r)
			m.c.AllocatedClaims = append(m.c.AllocatedClaims, claim)
		}
	}
}

func (m *maker) rules() {
	for m.maybe(8, "taint rule") {
		rule := &resourceapi.DeviceTaintRule{ObjectMeta: metav1.ObjectMeta{Name: m.next("rule")}}
		rule.Spec.Taint = m.taint()
		if m.chance(90) {
			rule.Spec.DeviceSelector = &resourceapi.DeviceTaintSelector{}
			if m.chance(60) {
				v := pick(m, drivers...)
				rule.Spec.DeviceSelector.Driver = &v
			}
			if m.chance(50) {
				v := pick(m, "pool-0", "pool-1")
				rule.Spec.DeviceSelector.Pool = &v
			}
			if m.chance(60) {
				v := pick(m, "dev-1", "dev-2")
				rule.Spec.DeviceSelector.Device = &v
			}
		}
		m.c.TaintRules = append(m.c.TaintRules, rule)
	}
}

var incubating = []string{"AdminAccess", "ConsumableCapacity", "DeviceBindingAndStatus", "DeviceTaints",
	"FractionalCapacityRange", "PartitionableDevices", "PrioritizedList"}
var experimental = []string{"CompatibilityGroups", "DerivedAttributes", "ListTypeAttributes", "OptionalNodeOperations"}

func (m *maker) features() {
	m.c.Features = map[string]bool{}
	names := incubating
	if m.experimental {
		names = append(append([]string{}, incubating...), experimental...)
	}
	some := m.maybe(20, "some features off")
	for _, name := range names {
		m.c.Features[name] = !(some && m.chance(25))
	}
}

func generate(seed uint64, counts map[string]int) *Case {
	m := &maker{r: rand.New(rand.NewPCG(seed, 1)), counts: counts, c: &Case{Variant: "incubating"}}
	if m.maybe(35, "experimental") {
		m.experimental = true
		m.c.Variant = "experimental"
	}
	m.wild = m.chance(15)
	m.features()
	m.c.Node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", Labels: map[string]string{"zone": "1", "cpu": pick(m, "1", "4", "x")}}}
	if m.experimental && m.chance(50) {
		m.c.Node.Status.DeclaredFeatures = []string{"DRAOptionalNodeOperations"}
	}
	for i := 0; i <= 1+m.n(3); i++ {
		m.pool(pick(m, drivers...), fmt.Sprintf("pool-%d", i))
	}
	m.r.Shuffle(len(m.c.Slices), func(i, k int) { m.c.Slices[i], m.c.Slices[k] = m.c.Slices[k], m.c.Slices[i] })
	m.classes()
	m.rules()
	m.allocated()
	for i := 0; i <= pick(m, 0, 0, 0, 1, 2); i++ {
		m.c.Claims = append(m.c.Claims, m.claim(fmt.Sprintf("claim-%d", i)))
	}
	return m.c
}

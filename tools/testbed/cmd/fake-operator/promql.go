package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// The part of Prometheus' query interface that reading back samples takes: a selector, a selector
// with a range, and avg_over_time or max_over_time of one.

// matcher is one condition of a selector.
type matcher struct {
	label, value string
	negative     bool
	pattern      *regexp.Regexp // nil = equality
}

func (m *matcher) matches(value string) bool {
	hit := value == m.value
	if m.pattern != nil {
		hit = m.pattern.MatchString(value)
	}
	return hit != m.negative
}

type query struct {
	function string // "", "avg_over_time" or "max_over_time"
	metric   string // "" = any
	matchers []matcher
	window   time.Duration // 0 = instant
}

var (
	callForm     = regexp.MustCompile(`^\s*(avg_over_time|max_over_time)\s*\((.*)\)\s*$`)
	selectorForm = regexp.MustCompile(
		`^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\})?\s*(?:\[([0-9a-z]+)\])?\s*$`)
	matcherForm = regexp.MustCompile(
		`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*")\s*(,|$)`)
	durationForm = regexp.MustCompile(`^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$`)
)

func parseQuery(text string) (*query, error) {
	q := &query{}
	if call := callForm.FindStringSubmatch(text); call != nil {
		q.function, text = call[1], call[2]
	}
	form := selectorForm.FindStringSubmatch(text)
	if form == nil || form[1] == "" && form[2] == "" {
		return nil, fmt.Errorf("this Prometheus knows selectors, avg_over_time and max_over_time, "+
			"not: %s", text)
	}
	if form[1] != "" {
		q.metric = form[1]
	}
	for rest := form[2]; strings.TrimSpace(rest) != ""; {
		found := matcherForm.FindStringSubmatch(rest)
		if found == nil {
			return nil, fmt.Errorf("parse error in label matchers at: %s", rest)
		}
		rest = rest[len(found[0]):]
		value, err := strconv.Unquote(found[3])
		if err != nil {
			return nil, fmt.Errorf("parse error in string %s: %w", found[3], err)
		}
		m := matcher{label: found[1], value: value, negative: found[2][0] == '!'}
		if strings.HasSuffix(found[2], "~") {
			if m.pattern, err = regexp.Compile("^(?s:" + value + ")$"); err != nil {
				return nil, err
			}
		}
		q.matchers = append(q.matchers, m)
	}
	var err error
	if form[3] != "" {
		q.window, err = parseDuration(form[3])
	}
	if err == nil && (q.function != "") != (q.window != 0) && q.function != "" {
		err = fmt.Errorf("expected a range vector in call to %s", q.function)
	}
	return q, err
}

func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	form := durationForm.FindStringSubmatch(text)
	if form == nil || text == "" {
		return 0, fmt.Errorf("not a valid duration: %q", text)
	}
	var sum time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if form[i+1] != "" {
			n, err := strconv.Atoi(form[i+1])
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * unit
		}
	}
	return sum, nil
}

// result is one series of an answer.
type result struct {
	Metric map[string]string `json:"metric"`
	Value  any               `json:"value,omitempty"`
	Values []any             `json:"values,omitempty"`
	sum    float64
	top    float64
	count  int
}

// scrapeLabels turns an exporter's labels into those that Prometheus stores: the target's own win,
// and those of the exporter that clash get a prefix, as without honorLabels.
func scrapeLabels(n *node, one *series) map[string]string {
	labels := map[string]string{
		"__name__": one.metric, "job": "nvidia-dcgm-exporter", "endpoint": "gpu-metrics",
		"namespace": operatorNamespace, "service": "nvidia-dcgm-exporter",
		"container": "nvidia-dcgm-exporter", "instance": n.name + ":9400",
	}
	for _, label := range one.labels {
		key := label[0]
		if key == "namespace" || key == "pod" || key == "container" {
			key = "exported_" + key
		}
		labels[key] = label[1]
	}
	return labels
}

// sampled is a series at a time; its labels are made when they are asked for, which is not often.
type sampled struct {
	n   *node
	one *series
}

func (s sampled) labels() map[string]string { return scrapeLabels(s.n, s.one) }

// key tells series apart.
func (s sampled) key() string {
	var key strings.Builder
	key.WriteString(s.n.name)
	key.WriteByte(0)
	key.WriteString(s.one.metric)
	for _, label := range s.one.labels {
		key.WriteByte(0)
		key.WriteString(label[0])
		key.WriteByte(0)
		key.WriteString(label[1])
	}
	return key.String()
}

func (q *query) matches(s sampled) bool {
	if len(q.matchers) == 0 {
		return true
	}
	labels := s.labels()
	for i := range q.matchers {
		if !q.matchers[i].matches(labels[q.matchers[i].label]) {
			return false
		}
	}
	return true
}

// samplesAt is every series that matches at a time.
func (w *world) samplesAt(q *query, t time.Time, each func(s sampled, v float64)) {
	if t.After(time.Now()) || t.Before(w.began.Add(-w.options.history)) {
		return
	}
	w.mu.Lock()
	nodes := make([]*node, 0, len(w.nodes))
	for _, n := range w.nodes {
		nodes = append(nodes, n)
	}
	w.mu.Unlock()
	for _, n := range nodes {
		all := w.seriesAt(n, t)
		for i := range all {
			if q.metric != "" && q.metric != all[i].metric {
				continue // most series, before their labels are made
			}
			if one := (sampled{n, &all[i]}); q.matches(one) {
				each(one, all[i].value)
			}
		}
	}
}

func labelKey(labels map[string]string) string {
	var key strings.Builder
	for _, name := range sortedKeys(labels) {
		key.WriteString(name + "\x00" + labels[name] + "\x00")
	}
	return key.String()
}

// answer collects series in a map and prints them in order of their labels.
type answer map[string]*result

func (a answer) find(labels map[string]string) *result {
	key := labelKey(labels)
	if a[key] == nil {
		a[key] = &result{Metric: labels}
	}
	return a[key]
}

func (a answer) write(out http.ResponseWriter, kind string) {
	list := make([]*result, 0, len(a))
	for _, key := range sortedKeys(a) {
		list = append(list, a[key])
	}
	writeJSON(out, http.StatusOK, map[string]any{
		"status": "success", "data": map[string]any{"resultType": kind, "result": list},
	})
}

func point(t time.Time, value float64) []any {
	return []any{float64(t.UnixMilli()) / 1000, strconv.FormatFloat(value, 'f', -1, 64)}
}

func refuse(out http.ResponseWriter, err error) {
	writeJSON(out, http.StatusBadRequest, map[string]any{
		"status": "error", "errorType": "bad_data", "error": err.Error(),
	})
}

func parseTime(text string, fallback time.Time) (time.Time, error) {
	if text == "" {
		return fallback, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(seconds * 1000)), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		err = fmt.Errorf("cannot parse %q to a valid timestamp", text)
	}
	return t, err
}

// evaluate gives each series' value at a time to `each`.
func (w *world) evaluate(q *query, t time.Time, each func(labels map[string]string, v float64)) {
	if q.function == "" {
		w.samplesAt(q, t, func(s sampled, v float64) { each(s.labels(), v) })
		return
	}
	window := answer{}
	step := max(w.scaled(collectInterval), q.window/10) // ten samples say what a window is like
	for at := t.Add(-q.window); !at.After(t); at = at.Add(step) {
		w.samplesAt(q, at, func(s sampled, v float64) {
			key := s.key()
			r := window[key]
			if r == nil {
				r = &result{Metric: s.labels()}
				window[key] = r
			}
			r.top = max(r.top, v)
			r.sum += v
			r.count++
		})
	}
	for _, key := range sortedKeys(window) {
		r := window[key]
		delete(r.Metric, "__name__")
		value := r.top
		if q.function == "avg_over_time" {
			value = r.sum / float64(r.count)
		}
		each(r.Metric, value)
	}
}

func (w *world) query(out http.ResponseWriter, in *http.Request) {
	q, err := parseQuery(in.FormValue("query"))
	if err != nil {
		refuse(out, err)
		return
	}
	t, err := parseTime(in.FormValue("time"), time.Now())
	if err != nil {
		refuse(out, err)
		return
	}
	a := answer{}
	if q.function == "" && q.window != 0 {
		step := w.scaled(collectInterval)
		for at := t.Add(-q.window).Truncate(step).Add(step); !at.After(t); at = at.Add(step) {
			w.samplesAt(q, at, func(s sampled, v float64) {
				r := a.find(s.labels())
				r.Values = append(r.Values, point(at, v))
			})
		}
		a.write(out, "matrix")
		return
	}
	w.evaluate(q, t, func(labels map[string]string, v float64) {
		a.find(labels).Value = point(t, v)
	})
	a.write(out, "vector")
}

const pointsMax = 11000 // as in Prometheus

func (w *world) queryRange(out http.ResponseWriter, in *http.Request) {
	q, err := parseQuery(in.FormValue("query"))
	if err == nil && q.function == "" && q.window != 0 {
		err = errors.New("invalid expression type \"range vector\" for range query")
	}
	var start, end time.Time
	var step time.Duration
	if err == nil {
		start, err = parseTime(in.FormValue("start"), time.Time{})
	}
	if err == nil {
		end, err = parseTime(in.FormValue("end"), time.Time{})
	}
	if err == nil {
		step, err = parseDuration(in.FormValue("step"))
	}
	if err == nil && end.Before(start) {
		err = errors.New("end timestamp must not be before start time")
	}
	if err == nil && (step <= 0 || end.Sub(start)/step > pointsMax) {
		err = errors.New("exceeded maximum resolution of 11,000 points per timeseries. " +
			"Try decreasing the query resolution (?step=XX)")
	}
	if err != nil {
		refuse(out, err)
		return
	}
	a := answer{}
	for at := start; !at.After(end); at = at.Add(step) {
		w.evaluate(q, at, func(labels map[string]string, v float64) {
			r := a.find(labels)
			r.Values = append(r.Values, point(at, v))
		})
	}
	for _, r := range a {
		sort.SliceStable(r.Values, func(i, j int) bool {
			return r.Values[i].([]any)[0].(float64) < r.Values[j].([]any)[0].(float64)
		})
	}
	a.write(out, "matrix")
}

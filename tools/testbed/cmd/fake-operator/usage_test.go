package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const header = "workload,second,busy_permille,memory_mib,sm_permille,dram_permille\n"

func TestUsageFollowsTheTrace(t *testing.T) {
	u := &usage{traces: map[string][]sample{}}
	if err := u.read(strings.NewReader(header + "a/b,0,100,2000,70,30\na/b,60,900,2500,800,300\n" +
		"a/c,119,1,1,1,1\n")); err != nil {
		t.Fatal(err)
	}
	h := &holder{namespace: "a", pod: "b-1", owner: "b"}
	for second, busy := range map[int64]int{0: 100, 59: 100, 60: 900, 119: 900, 120: 100, -1: 900} {
		if got := u.at(h, second).busy; got != busy {
			t.Errorf("second %d: %d permille, expected %d", second, got, busy)
		}
	}
	other := &holder{namespace: "x", pod: "y", owner: "y"}
	if u.at(other, 5) != u.at(other, 5) || u.at(other, 5).memoryMiB < 2048 {
		t.Errorf("without a trace: %+v", u.at(other, 5))
	}
}

func TestUsageRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "line 1: expected the columns workload,second",
		header + "a/b,0,1001,1,1,1\n":     `line 2: busy_permille "1001"`,
		header + "a/b,0,10,x,1,1\n":       `line 2: memory_mib "x"`,
		header + "a/b,0,10,1,1\n":         "wrong number of fields",
		header + "a/b,-1,10,999999,1,1\n": `line 2: second "-1"`,
	} {
		err := (&usage{traces: map[string][]sample{}}).read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", text, err, want)
		}
	}
}

func TestQueryIsParsed(t *testing.T) {
	for text, want := range map[string]string{
		`up`:                                 ` up 0s`,
		`m{a="b",c!="d"}[5m]`:                ` m 5m0s a=b c!=d`,
		`{__name__=~"x.*"}`:                  `  0s __name__=x.*~`,
		`avg_over_time(m{a!~"b\"c"}[1h30m])`: `avg_over_time m 1h30m0s a!=b"c~`,
		`rate(m[5m])`:                        `!`,
		`m{a=b}`:                             `!`,
		`avg_over_time(m)`:                   `!`,
		`{}`:                                 `!`,
		`m{a=~"("}`:                          `!`,
		`m[5q]`:                              `!`,
	} {
		q, err := parseQuery(text)
		got := "!"
		if err == nil {
			got = fmt.Sprintf("%s %s %v", q.function, q.metric, q.window)
			for _, m := range q.matchers {
				sign, regexp := "", ""
				if m.negative {
					sign = "!"
				}
				if m.pattern != nil {
					regexp = "~"
				}
				got += fmt.Sprintf(" %s%s=%s%s", m.label, sign, m.value, regexp)
			}
		}
		if got != want {
			t.Errorf("%s: %q (%v), expected %q", text, got, err, want)
		}
	}
	if d, err := parseDuration("90"); err != nil || d != 90*time.Second {
		t.Errorf("a step of 90: %v, %v", d, err)
	}
}

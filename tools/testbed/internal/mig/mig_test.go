package mig

import (
	"fmt"
	"slices"
	"testing"
)

func load(t *testing.T, key string) *Model {
	t.Helper()
	catalog, err := Load("../../../../data/mig/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	return catalog[key]
}

func TestBuild(t *testing.T) {
	m := load(t, "A100-40GB")
	for _, c := range []struct {
		wanted []string
		want   string // starts in order of `wanted` sorted by start; "" = does not fit
	}{
		{nil, ""},
		{[]string{"3g.20gb", "3g.20gb"}, "0:3g.20gb 4:3g.20gb"},
		{[]string{"3g.20gb", "2g.10gb", "1g.5gb", "1g.5gb"}, "0:2g.10gb 2:1g.5gb 3:1g.5gb 4:3g.20gb"},
		{[]string{"2g.10gb", "2g.10gb", "2g.10gb"}, "0:2g.10gb 2:2g.10gb 4:2g.10gb"},
		{[]string{"4g.20gb", "3g.20gb"}, "0:4g.20gb 4:3g.20gb"},
		{[]string{"7g.40gb"}, "0:7g.40gb"},
		{[]string{"7g.40gb", "1g.5gb"}, "error"},
		{[]string{"4g.20gb", "4g.20gb"}, "error"},
	} {
		var wanted []*Profile
		for _, name := range c.wanted {
			wanted = append(wanted, m.Find(name))
		}
		got := ""
		placed, err := m.Build(wanted)
		if err != nil {
			got = "error"
		}
		slices.SortFunc(placed, func(a, b Placed) int { return a.Start - b.Start })
		for i, p := range placed {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%d:%s", p.Start, p.Profile.Name)
		}
		if got != c.want {
			t.Errorf("%v: %q, expected %q", c.wanted, got, c.want)
		}
	}
}

// Sets that fit only in another order than big first are found.
func TestBuildTriesOtherOrders(t *testing.T) {
	m := load(t, "A30-24GB")
	wanted := []*Profile{m.Find("2g.12gb"), m.Find("1g.6gb"), m.Find("1g.6gb")}
	if _, err := m.Build(wanted); err != nil {
		t.Error(err)
	}
	orders := 1
	start := slices.Clone(wanted)
	for o := nextOrder(wanted, start); o != nil; o = nextOrder(wanted, o) {
		orders++
	}
	if orders != 3 {
		t.Errorf("%d orders of a, b, b: expected 3", orders)
	}
}

package main

import (
	"net/netip"
	"testing"
)

// Networks of clusters do not overlap, stay in 198.18/15, and leave its first one alone.
func TestPodNetsAreApart(t *testing.T) {
	all := netip.MustParsePrefix("198.18.0.0/15")
	seen := []netip.Prefix{netip.MustParsePrefix("198.18.0.0/20")}
	for n := 1; n <= routedNets; n++ {
		s := &state{PodNet: n, Options: upOptions{Routed: true}}
		net, err := netip.ParsePrefix(s.podNet())
		if err != nil || net != net.Masked() || !all.Overlaps(net) {
			t.Errorf("network %d: %s, %v", n, s.podNet(), err)
		}
		for _, other := range seen {
			if other.Overlaps(net) {
				t.Errorf("network %d: %s overlaps %s", n, net, other)
			}
		}
		seen = append(seen, net)
	}
}

package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// routedNets is how many networks of pods there are in 198.18/15, which nobody routes (RFC 2544), of
// 4,096 addresses each; the first is left alone.
const routedNets = 31

// podNet is the network of the pods.  Every address of it is this machine, so that what listens on a
// pod's address is reached there: 127/8 always is, others after a route says so.
func (s *state) podNet() string {
	if s.Options.Routed {
		return fmt.Sprintf("198.%d.%d.0/20", 18+s.PodNet/16, s.PodNet%16*16)
	}
	return fmt.Sprintf("127.%d.0.0/16", s.PodNet)
}

// addRoute makes the network of the pods local, another one if that is another cluster's.
func (s *state) addRoute() error {
	if !s.Options.Routed {
		return nil
	}
	var err error
	for range routedNets {
		if err = s.ipRoute("add"); err == nil {
			s.Route = true
			return s.save()
		}
		if !strings.Contains(err.Error(), "File exists") {
			break
		}
		s.PodNet = s.PodNet%routedNets + 1
	}
	return err
}

// deleteRoute ends what addRoute did.
func (s *state) deleteRoute() error {
	if !s.Route {
		return nil
	}
	return s.ipRoute("del")
}

func (s *state) ipRoute(verb string) error {
	said, err := exec.Command("ip", "route", verb, "local", s.podNet(), "dev", "lo").CombinedOutput()
	if err != nil {
		return fmt.Errorf("--routed: ip route %s local %s dev lo: %w: %s", verb, s.podNet(), err,
			strings.TrimSpace(string(said)))
	}
	return nil
}

package main

import (
	"context"
	"net"
	"testing"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/platform/ipc"
	"altnet/platform/setup"
)

// Once the root is trusted the node leads http to https, and no longer when
// that is taken back. Who may not say so, or whom nobody hears, has no error.
func TestTheNodeLearnsOfTrust(t *testing.T) {
	node := controltest.NewFake()
	service := control.Access{Service: true}
	nobody := control.NewClient(func(context.Context) (net.Conn, error) { return nil, ipc.ErrNobody })
	for _, c := range []struct {
		who     string
		control control.Control
		trusted bool
		want    bool
	}{
		{"the person", node, true, true},
		{"the person again", node, true, true},
		{"another user of the service", controltest.Served(t, node, service.Grant("1001", false, false)), false, true},
		{"nobody", nobody, false, true},
		{"an administrator", controltest.Served(t, node, service.Grant("0", true, false)), false, false},
	} {
		if err := useHTTPS(t.Context(), &session{control: c.control}, c.trusted); err != nil {
			t.Errorf("%s: %v", c.who, err)
		}
		if got, err := node.Settings(t.Context()); err != nil || got.HTTPS != c.want {
			t.Errorf("after %s: https %v, %v", c.who, got.HTTPS, err)
		}
	}
}

func TestTrustedEverywhere(t *testing.T) {
	check := func(id string, state setup.State) setup.Check { return setup.Check{ID: id, State: state} }
	for _, c := range []struct {
		checks []setup.Check
		want   bool
	}{
		{nil, false},
		{[]setup.Check{check("node", setup.OK)}, false},
		{[]setup.Check{check("node", setup.Bad), check("trust:a", setup.OK)}, true},
		{[]setup.Check{check("trust:a", setup.OK), check("trust:b", setup.Unknown)}, true}, // cannot be written
		{[]setup.Check{check("trust:a", setup.OK), check("trust:b", setup.Bad)}, false},
	} {
		if got := trustedEverywhere(c.checks); got != c.want {
			t.Errorf("%+v: %v", c.checks, got)
		}
	}
}

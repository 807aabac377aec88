package main

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"testing"

	"altnet/engine/ca"
	"altnet/engine/control"
	"altnet/platform/setup"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// The root that a node makes is one that a trust store is given, and one for
// another suffix is not.
func TestRootOfANodeIsLimited(t *testing.T) {
	for tld, want := range map[string]bool{"alt": true, "example": false} {
		authority, err := ca.Open(ca.Config{Dir: filepath.Join(t.TempDir(), "ca"), Suffix: tld})
		if err != nil {
			t.Fatal(err)
		}
		text, err := rootOf(control.Status{Doors: control.Doors{CA: authority.Path()}})
		if err != nil {
			t.Fatal(err)
		}
		root, err := trust.ParseRoot(text, suffix)
		if (err == nil) != want || want && [32]byte(root.Fingerprint()) != authority.Fingerprint() {
			t.Errorf("%s: %v", tld, err)
		}
	}
	if _, err := rootOf(control.Status{}); err == nil {
		t.Error("a root came from nowhere")
	}
}

// fakeGateways is a node that has these gateways.
type fakeGateways struct {
	all []string
	err error
}

func (f fakeGateways) ProveGateway(context.Context) ([]string, error) { return f.all, f.err }

func TestWantOf(t *testing.T) {
	st := control.Status{Doors: control.Doors{Gateway: "127.0.0.1:8080", DNS: "127.0.0.2:53", PAC: "http://127.0.0.1:8080/proxy-x.pac"}}
	both := fakeGateways{all: []string{"127.0.0.1:8080", "127.0.0.2:80"}}
	for _, c := range []struct {
		name string
		of   setupOf
		want string
	}{
		{"an agent's", setupOf{node: both, status: st}, "127.0.0.1:8080"},
		{"a service's", setupOf{node: both, status: st, service: true}, "127.0.0.2:80"},
		{"a service's without low ports", setupOf{node: fakeGateways{all: both.all[:1]}, status: st, service: true}, "127.0.0.1:8080"},
		{"a service's that cannot prove it", setupOf{node: fakeGateways{err: control.ErrImpostor}, status: st, service: true}, "127.0.0.1:8080"},
		{"one that listens everywhere", setupOf{node: both, status: control.Status{Doors: control.Doors{Gateway: "[::]:8080", DNS: "127.0.0.2:53", PAC: st.Doors.PAC}}}, "127.0.0.1:8080"},
		{"no node's", setupOf{status: st, service: true}, "127.0.0.1:8080"},
	} {
		w := wantOf(c.of.status, c.of.service, c.of.gateway(t.Context()))
		if w.Suffix != "alt" || w.Service != c.of.service || w.Gateway.String() != c.want || w.Answer != w.Gateway.Addr() || w.DNS.Port() != 53 || w.Script != "/proxy-x.pac" {
			t.Errorf("%s: %+v", c.name, w)
		}
	}
	if w := wantOf(control.Status{}, false, setupOf{}.gateway(t.Context())); w.Gateway.IsValid() || w.DNS.IsValid() {
		t.Errorf("%+v", w)
	}
}

func TestProver(t *testing.T) {
	if prover(nil) != nil {
		t.Error("no node proves anything")
	}
	at := netip.MustParseAddrPort("127.0.0.2:80")
	for _, c := range []struct {
		node     fakeGateways
		fails    bool
		impostor bool
	}{
		{fakeGateways{all: []string{"127.0.0.1:8080", "127.0.0.2:80"}}, false, false},
		{fakeGateways{all: []string{"127.0.0.1:8080"}}, true, true},
		{fakeGateways{err: control.ErrImpostor}, true, true},
		{fakeGateways{err: control.ErrNotRunning}, true, false},
	} {
		err := prover(c.node)(t.Context(), at)
		if (err != nil) != c.fails || errors.Is(err, splitdns.ErrImpostor) != c.impostor {
			t.Errorf("%+v: %v", c.node, err)
		}
	}
}

// A door that would outlast a service and its agent, and lead to whoever comes,
// is not set.
func TestDoorsThatNobodyTends(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	st := control.Status{NodeID: "aa", Doors: control.Doors{Gateway: "127.0.0.1:8080"}}
	high, low := fakeGateways{all: []string{"127.0.0.1:8080"}}, fakeGateways{all: []string{"127.0.0.1:8080", "127.0.0.2:80"}}
	for _, c := range []struct {
		name    string
		of      setupOf
		agent   bool
		refused bool
	}{
		{"a service on anybody's port, and nobody there", setupOf{node: high, service: true}, false, true},
		{"and an agent", setupOf{node: high, service: true}, true, false},
		{"a service with a port of its own", setupOf{node: low, service: true}, false, false},
		{"an agent's own node", setupOf{node: high}, false, false},
	} {
		c.of.status, c.of.tended = st, func(context.Context) bool { return c.agent }
		su, err := newSetup(t.Context(), c.of)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := su.Plan(t.Context(), setup.Choice{Browsing: true}); errors.Is(err, errUntended) != c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

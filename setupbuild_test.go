package main

import (
	"net/netip"
	"path/filepath"
	"testing"

	"altnet/engine/ca"
	"altnet/engine/control"
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

func TestWantOf(t *testing.T) {
	w := wantOf(control.Status{Doors: control.Doors{Gateway: "127.0.0.1:8080", DNS: "127.0.0.1:53"}}, true)
	if w.Suffix != "alt" || !w.Service || w.Gateway != netip.MustParseAddrPort("127.0.0.1:8080") || w.Answer != netip.MustParseAddr("127.0.0.1") || w.DNS.Port() != 53 {
		t.Errorf("%+v", w)
	}
	if w := wantOf(control.Status{}, false); w.Gateway.IsValid() || w.DNS.IsValid() {
		t.Errorf("%+v", w)
	}
}

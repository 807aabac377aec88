package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/publisher"
)

// TestPublishIsLive holds publishing to about a second until another peer has
// confirmed its copy, where a round trip takes 100 ms. Time is virtual: what
// counts is how often the network is waited for. The first site meets a node
// whose sessions have all ended, so that each begins with a handshake.
func TestPublishIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		v.net.SetLatency(func(_, _ netip.Addr) time.Duration { return 50 * time.Millisecond })
		nodes := []*Engine{v.node(nil)}
		for range 11 {
			nodes = append(nodes, v.node(nil, nodes[0]))
		}
		v.pass(5 * time.Minute)
		au := author(t, nodes[7])
		for _, c := range []struct {
			what, name string
			most       time.Duration
		}{
			{"cold", "", time.Second},
			{"address", "", time.Second},
			{"name", "live.alt", time.Second},
			{"update", "live.alt", time.Second},
		} {
			dir := folder(t, 20, 10_000)
			start := time.Now()
			r, err := au.Publish(t.Context(), dir, c.name, publisher.Options{})
			took := time.Since(start)
			if err != nil || r.Copies == 0 {
				t.Fatalf("%s: %+v, %v", c.what, r, err)
			}
			t.Logf("%s: confirmed after %v", c.what, took)
			t.Attr(c.what+"-ms", fmt.Sprint(took.Milliseconds())) // for make bench
			if took > c.most {
				t.Errorf("%s: confirmed after %v, want %v at most", c.what, took, c.most)
			}
			v.pass(10 * time.Second)
		}
	})
}

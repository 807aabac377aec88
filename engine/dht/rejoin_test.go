package dht

import (
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

// crash takes a node off the net and starts it again with what its store held
// at that moment, and with nobody to start from but whom it remembers.
func (n *testNet) crash(t *testing.T, node *testNode, away time.Duration) *testNode {
	t.Helper()
	held := &Memory{}
	node.store.Range(nil, func(k, v []byte) bool {
		if err := held.Write([]Change{{k, v}}); err != nil {
			t.Fatal(err)
		}
		return true
	})
	n.kill(node)
	time.Sleep(away)
	again := n.add(t, func(fresh *testNode, cfg *Config) {
		fresh.id, fresh.addrs, fresh.store = node.id, node.addrs, held
		cfg.Store = held
	})
	again.Bootstrap(t.Context(), nil) // as at every start; nobody may be there
	return again
}

func knows(a, b *testNode) bool {
	for _, e := range a.Table() {
		if e.Peer.ID == b.id {
			return true
		}
	}
	return false
}

// TestKilledNodeIsMet: in a network of three, nodes that are killed one after
// the other and have no bootstrap address are in everybody's table again within
// a minute, although those who stayed had given them up.
func TestKilledNodeIsMet(t *testing.T) {
	for _, away := range []time.Duration{time.Second, 20 * time.Second, 3 * time.Minute} {
		t.Run(away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNet()
				defer n.closeAll()
				nodes := n.grow(t, 3, nil)
				time.Sleep(5 * time.Second) // killed soon after the start
				for i := range 6 {
					nodes[i%2] = n.crash(t, nodes[i%2], away)
					nodes[2].Closest(t.Context(), wire.Hash(nodes[i%2].id), 2) // which may find nobody
					time.Sleep(2 * time.Second)
				}
				time.Sleep(time.Minute)
				for i, a := range nodes {
					for j, b := range nodes {
						if i != j && !knows(a, b) {
							t.Errorf("node %d does not know node %d", i, j)
						}
					}
				}
			})
		})
	}
}

// TestSavedTableOutlivesAStart: who is known is written down while the node
// runs, and a start that meets one peer does not forget the others.
func TestSavedTableOutlivesAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 6, nil)
		time.Sleep(time.Minute)
		for _, other := range nodes[2:] {
			n.kill(other)
		}
		again := n.crash(t, nodes[0], time.Second)
		time.Sleep(10 * time.Second)
		again = n.crash(t, again, time.Second)
		again.mu.Lock()
		seeds := len(again.seeds)
		again.mu.Unlock()
		if seeds != 5 {
			t.Errorf("%d of 5 peers are remembered", seeds)
		}
	})
}

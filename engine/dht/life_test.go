package dht

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// firsts counts, over all answers a fresh reader gets, whom nodes call the
// incumbent.
func firsts(t *testing.T, reader *testNode, key wire.Hash) map[byte]int {
	t.Helper()
	count := map[byte]int{}
	_, err := reader.Get(t.Context(), key, func(a Answer) bool {
		if len(a.Records) > 0 {
			count[a.Records[0].Value[0]]++
		}
		return false
	})
	if err != nil {
		t.Error(err)
	}
	return count
}

// TestMonthOfChurn leaves the publisher's computer shut for 30 days, replaces
// every node at least once and lets a rival announce all the while: the name
// stays with its owner.
func TestMonthOfChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		rare := func(_ *testNode, cfg *Config) { cfg.RefreshInterval = 2 * time.Hour }
		nodes := n.grow(t, 30, rare)
		key, value := keyOf(1), testRecord(1, 5, time.Now().Add(90*day), false, "owner")
		if _, err := nodes[0].Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
		n.kill(nodes[0])
		nodes = nodes[1:]
		rival := testRecord(2, 9, time.Now().Add(90*day), false, "rival")
		const step = 8 * time.Hour
		for range 30 * day / step {
			time.Sleep(step)
			n.kill(nodes[0])
			nodes = append(nodes[1:], n.join(t, rare))
			nodes[len(nodes)-1].Put(t.Context(), key, rival)
		}
		count := firsts(t, n.join(t, nil), key)
		t.Logf("incumbent by node: owner %d, rival %d; %d requests in all", count[1], count[2], n.requests.Load())
		if count[1] < 15 || count[2]*10 > count[1] {
			t.Errorf("owner is first at %d nodes, rival at %d", count[1], count[2])
		}
	})
}

// TestIdleTraffic holds what a quiet network costs: a few requests an hour
// and node.
func TestIdleTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 30, nil)
		for i := range 10 {
			n.put(t, nodes[i], keyOf(i), testRecord(1, 5, time.Now().Add(90*day), false, "x"))
		}
		time.Sleep(6 * time.Hour)
		before := n.requests.Load()
		time.Sleep(2 * day)
		perHour := float64(n.requests.Load()-before) / 48 / float64(len(nodes))
		t.Logf("%.1f requests an hour and node", perHour)
		if perHour > 20 {
			t.Errorf("an idle node makes %.1f requests an hour, want at most 20", perHour)
		}
	})
}

func (n *testNet) put(t *testing.T, from *testNode, key wire.Hash, value []byte) Stats {
	t.Helper()
	st, err := from.Put(t.Context(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestDeadPeersLeave kills a third of a network and waits for the tables of
// the others to notice.
func TestDeadPeersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 45, nil)
		time.Sleep(time.Hour)
		dead := map[wire.Hash]bool{}
		for _, node := range nodes[:15] {
			dead[wire.Hash(node.id)] = true
			n.kill(node)
		}
		time.Sleep(day)
		for _, node := range nodes[15:] {
			for _, e := range node.Table() {
				if dead[wire.Hash(e.Peer.ID)] {
					t.Errorf("%s still holds %s, dead for a day", node.id.Short(), e.Peer.ID.Short())
				}
			}
		}
	})
}

// TestRestart starts a node again from its store alone: it finds the network
// through the saved table, and what it held is there.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 25, nil)
		time.Sleep(time.Minute)
		key := keyOf(1)
		n.put(t, nodes[3], key, testRecord(1, 5, time.Now().Add(90*day), false, "x"))
		if _, err := nodes[4].Provide(t.Context(), key, true, day); err != nil {
			t.Fatal(err)
		}
		old := nodes[slices.IndexFunc(nodes[5:], func(node *testNode) bool {
			r, p := node.Holdings()
			return r > 0 && p > 0
		})+5]
		records, providers := old.Holdings()
		n.kill(old)
		time.Sleep(time.Hour)
		again := n.add(t, func(node *testNode, cfg *Config) {
			node.id, node.addrs = old.id, old.addrs
			cfg.Store = old.store
		})
		if r, p := again.Holdings(); r != records || p != providers || r+p == 0 {
			t.Errorf("holds %d records and %d providers, before %d and %d", r, p, records, providers)
		}
		if err := again.Bootstrap(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := len(again.Table()); got < 15 {
			t.Errorf("table of %d peers after the restart", got)
		}
	})
}

// TestLonelyNodeJoinsAgain starts a node before the network is there.
func TestLonelyNodeJoinsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		lonely := n.add(t, func(_ *testNode, cfg *Config) {
			cfg.Seeds = func(context.Context) []wire.Peer { return n.some(3) }
		})
		if err := lonely.Bootstrap(t.Context(), nil); err == nil {
			t.Error("joined a network that is not there")
		}
		time.Sleep(time.Hour)
		n.grow(t, 5, nil)
		time.Sleep(time.Hour)
		if got := len(lonely.Table()); got != 5 {
			t.Errorf("table of %d peers, want 5", got)
		}
	})
}

// TestOfflineKeepsTable cuts a node off for a day: its table must still be
// there afterwards.
func TestOfflineKeepsTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 25, nil)
		time.Sleep(time.Hour)
		before := len(nodes[4].Table())
		n.mu.Lock()
		all := n.nodes
		n.nodes = map[identity.NodeID]*testNode{}
		n.mu.Unlock()
		time.Sleep(day)
		n.mu.Lock()
		n.nodes = all
		n.mu.Unlock()
		time.Sleep(2 * time.Hour)
		if after := len(nodes[4].Table()); after < before*3/4 {
			t.Errorf("table of %d peers after a day offline, %d before", after, before)
		}
	})
}

func TestProvidersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 30, nil)
		time.Sleep(time.Minute)
		root := keyOf(8)
		for i, node := range nodes[:4] {
			if _, err := node.Provide(t.Context(), root, i != 0, 2*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want, wantFull int) {
			t.Helper()
			got, full := 0, 0
			_, err := nodes[20].Providers(t.Context(), root, func(p wire.Peer, f bool) bool {
				got++
				if f {
					full++
				}
				return false
			})
			if err != nil || got != want || full != wantFull {
				t.Errorf("%d providers, %d full, %v; want %d and %d", got, full, err, want, wantFull)
			}
		}
		expect(4, 3)
		if _, err := nodes[1].Provide(t.Context(), root, true, 0); err != nil {
			t.Fatal(err)
		}
		expect(3, 2)
		time.Sleep(3 * time.Hour)
		expect(0, 0)
	})
}

package dht

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// randomPeer makes a peer whose address is the n-th group's.
func randomPeer(rng *rand.Rand, n int) wire.Peer {
	return wire.Peer{ID: identity.NodeID(simKey(rng)), Role: wire.RoleServer, Addrs: publicAddr(n), Seq: 1}
}

// peerIn makes a peer of bucket i of self.
func peerIn(self identity.NodeID, i int, rng *rand.Rand, addrs ...string) wire.Peer {
	p := wire.Peer{ID: identity.NodeID(inBucket(self, i, simKey(rng))), Role: wire.RoleServer, Seq: 1}
	for _, a := range addrs {
		p.Addrs = append(p.Addrs, wire.AddrOf(netip.MustParseAddrPort(a)))
	}
	return p
}

func TestInBucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	self := simKey(rng)
	for i := range keyBits {
		if got := prefixLen(self, inBucket(self, i, simKey(rng))); got != i {
			t.Errorf("key for bucket %d shares %d bits", i, got)
		}
	}
	if got := prefixLen(self, self); got != keyBits {
		t.Errorf("a key shares %d bits with itself", got)
	}
}

// TestClosestIsExact compares the walk over the buckets with sorting everybody.
func TestClosestIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	table := NewTable(identity.NodeID(simKey(rng)), 20)
	for i := range 2000 {
		table.Add(randomPeer(rng, i), time.Time{})
	}
	all := table.Entries()
	if len(all) != table.Len() || len(all) < 100 {
		t.Fatalf("table of %d entries, Len %d", len(all), table.Len())
	}
	for i := range 200 {
		target := wire.Hash(simKey(rng))
		if i%2 == 0 {
			target = inBucket(table.self, i/16, simKey(rng))
		}
		slices.SortFunc(all, func(a, b Entry) int { return compareDistance(target, a.Peer.ID, b.Peer.ID) })
		for _, n := range []int{1, 20, 50, 1000} {
			got := table.Closest(target, n)
			want := all[:min(n, len(all))]
			if !slices.EqualFunc(got, want, func(p wire.Peer, e Entry) bool { return p.ID == e.Peer.ID }) {
				t.Fatalf("the %d closest to %s are not exact", n, target)
			}
		}
	}
}

func TestTableDiversity(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	self := identity.NodeID(simKey(rng))
	tests := []struct {
		name  string
		addr  func(i int) string
		same  int // admitted of 30 into one bucket
		total int // admitted of 30 into 30 buckets
	}{
		{"one /24", func(i int) string { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}), 1).String() }, 2, 3},
		{"one /48", func(i int) string {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x2a, 1, 2, 3, 4, 5, byte(i), 15: 1}), 1).String()
		}, 2, 3},
		{"many /24", func(i int) string {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, byte(i), 1}), 1).String()
		}, 20, 30},
		{"loopback", func(i int) string {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(1000+i)).String()
		}, 20, 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			one, spread := NewTable(self, 20), NewTable(self, 20)
			for i := range 30 {
				one.Add(peerIn(self, 3, rng, tt.addr(i)), time.Time{})
				spread.Add(peerIn(self, i, rng, tt.addr(i)), time.Time{})
			}
			if one.Len() != tt.same || spread.Len() != tt.total {
				t.Errorf("%d in one bucket, %d in all; want %d and %d", one.Len(), spread.Len(), tt.same, tt.total)
			}
		})
	}
}

// TestTableLockout: one identity that claims addresses in many groups does not
// lock their owners out.
func TestTableLockout(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	self := identity.NodeID(simKey(rng))
	table := NewTable(self, 20)
	greedy := peerIn(self, 1, rng, "9.0.1.1:1", "9.0.2.1:1", "9.0.3.1:1", "9.0.4.1:1", "9.0.5.1:1")
	if table.Add(greedy, time.Time{}) {
		t.Error("a peer in five groups at once was admitted")
	}
	mover := peerIn(self, 1, rng, "9.0.1.1:1")
	table.Add(mover, time.Time{})
	mover.Seq, mover.Addrs = 2, greedy.Addrs
	table.Add(mover, time.Time{})
	if table.Len() != 0 || len(table.groups) != 0 {
		t.Errorf("a peer that spread over five groups stays: %d peers, groups %v", table.Len(), table.groups)
	}
}

func TestTableFullBucket(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	self := identity.NodeID(simKey(rng))
	table := NewTable(self, 4)
	now := time.Unix(1000, 0)
	var old []wire.Peer
	for i := range 4 {
		p := peerIn(self, 0, rng)
		p.Addrs = publicAddr(i)
		old = append(old, p)
		table.Add(p, now)
	}
	newcomer := peerIn(self, 0, rng)
	newcomer.Addrs = publicAddr(9)
	if table.Wants(newcomer) || table.Add(newcomer, now) {
		t.Error("a newcomer displaced peers that answer")
	}
	if !table.Fail(old[2].ID) {
		t.Error("a failed peer stays although a spare waits")
	}
	if _, ok := table.Has(newcomer.ID); !ok {
		t.Error("the spare was not promoted")
	}
	if table.Fail(old[0].ID) {
		t.Error("one failure removed a peer without a spare")
	}
	table.Add(old[0], now)
	if table.Fail(old[0].ID) {
		t.Error("failures before an answer still count")
	}
	if !table.Fail(old[0].ID) {
		t.Error("two failures in a row did not remove a peer")
	}
	if got := table.Len(); got != 3 {
		t.Errorf("%d peers, want 3", got)
	}
}

func TestTableKeepsNewestRecord(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 6))
	self := identity.NodeID(simKey(rng))
	table := NewTable(self, 4)
	p := peerIn(self, 0, rng, "9.0.1.1:1")
	p.Seq = 5
	table.Add(p, time.Time{})
	stale, fresh := p, p
	stale.Seq, fresh.Seq = 4, 6
	fresh.Addrs = publicAddr(77)
	table.Update(stale)
	if seq, _ := table.Has(p.ID); seq != 5 {
		t.Errorf("sequence %d after a stale record", seq)
	}
	table.Update(fresh)
	got := table.Closest(wire.Hash(p.ID), 1)[0]
	if got.Seq != 6 || got.Addrs[0] != fresh.Addrs[0] || len(table.groups) != 1 {
		t.Errorf("after a fresh record: %+v, groups %v", got, table.groups)
	}
	if table.Add(wire.Peer{ID: self, Addrs: p.Addrs}, time.Time{}) {
		t.Error("the table holds its own node")
	}
}

func TestRefreshBacksOff(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	self := identity.NodeID(simKey(rng))
	table := NewTable(self, 4)
	now := time.Unix(1000, 0)
	p := peerIn(self, 2, rng, "9.0.1.1:1")
	table.Add(p, now)
	random := func() [32]byte { return simKey(rng) }
	var at []time.Duration
	start := now
	for ; now.Before(start.Add(10 * time.Hour)); now = now.Add(time.Minute) {
		for _, r := range table.Due(now, 10*time.Minute, random) {
			if prefixLen(self, r.Target) != 2 || len(r.Peers) != 1 {
				t.Errorf("refresh of %s through %d peers", r.Target, len(r.Peers))
			}
			at = append(at, now.Sub(start))
		}
	}
	want := []time.Duration{0, 20, 60, 140, 220, 300, 380, 460, 540}
	if !slices.EqualFunc(at, want, func(a, b time.Duration) bool { return a == b*time.Minute }) {
		t.Errorf("refreshed at %v", at)
	}
	table.Fail(p.ID)
	if got := len(table.Due(start.Add(at[len(at)-1]+10*time.Minute), 10*time.Minute, random)); got != 1 {
		t.Errorf("%d refreshes ten minutes after a failure, want 1", got)
	}
}

func TestEstimateSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	for _, n := range []int{5, 300, 10_000} {
		sum := 0.0
		const samples = 30
		for range samples {
			table := NewTable(identity.NodeID(simKey(rng)), 20)
			for i := range n - 1 {
				table.Add(randomPeer(rng, i), time.Time{})
			}
			sum += float64(table.EstimateSize())
		}
		if got := sum / samples; got < 0.8*float64(n) || got > 1.25*float64(n) {
			t.Errorf("a network of %d is estimated at %.0f", n, got)
		}
	}
}

func BenchmarkTableClosest(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 9))
	table := NewTable(identity.NodeID(simKey(rng)), 20)
	for i := range 10_000 {
		table.Add(randomPeer(rng, i), time.Time{})
	}
	targets := make([]wire.Hash, 256)
	for i := range targets {
		targets[i] = wire.Hash(simKey(rng))
	}
	i := 0
	for b.Loop() {
		table.Closest(targets[i%len(targets)], 20)
		i++
	}
}

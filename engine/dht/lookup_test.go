package dht

import (
	"math/rand/v2"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

func lookupConfig() LookupConfig {
	return LookupConfig{K: 20, Alpha: 6, Soft: 300 * time.Millisecond, Hard: 2 * time.Second}
}

func peers(n, from int, rng *rand.Rand) []wire.Peer {
	out := make([]wire.Peer, n)
	for i := range out {
		out[i] = randomPeer(rng, from+i)
	}
	return out
}

func TestLookupAsksAlpha(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	now := time.Unix(1000, 0)
	l := NewLookup(lookupConfig(), wire.Hash{}, peers(20, 0, rng))
	ask, wake, done := l.Next(now)
	if len(ask) != 6 || done || wake != now.Add(300*time.Millisecond) {
		t.Fatalf("asks %d, wakes at %v, done %v", len(ask), wake.Sub(now), done)
	}
	if more, _, _ := l.Next(now.Add(299 * time.Millisecond)); len(more) != 0 {
		t.Errorf("asks %d more before anything happened", len(more))
	}
	more, _, _ := l.Next(now.Add(300 * time.Millisecond))
	if len(more) < 6 {
		t.Errorf("asks %d when all six are overdue", len(more))
	}
	if !l.Answer(ask[0].ID, nil, now.Add(time.Second)) {
		t.Error("an overdue answer does not count")
	}
	if l.Answer(ask[0].ID, nil, now.Add(time.Second)) || l.Answer(identity.NodeID{9}, nil, now) {
		t.Error("an answer nobody waits for counts")
	}
	l.Next(now.Add(2 * time.Second))
	if l.Answer(ask[1].ID, nil, now.Add(2*time.Second)) {
		t.Error("an answer after the hard timeout counts")
	}
	if got := l.Result(); len(got) != 1 || got[0].ID != ask[0].ID {
		t.Errorf("result %v", got)
	}
}

// TestLookupEnds drives lookups against networks that do not behave; each must
// end, and within bounds.
func TestLookupEnds(t *testing.T) {
	tests := []struct {
		name   string
		seeds  int
		answer func(rng *rand.Rand, n int) (peers []wire.Peer, ok bool)
		asked  int // at most
		within time.Duration
	}{
		{"nobody known", 0, nil, 0, 0},
		{"all dead", 20, func(*rand.Rand, int) ([]wire.Peer, bool) { return nil, false }, 20, 3 * time.Second},
		{"all know nobody", 20, func(*rand.Rand, int) ([]wire.Peer, bool) { return nil, true }, 20, time.Second},
		{"every answer names 40 new peers", 20, func(rng *rand.Rand, n int) ([]wire.Peer, bool) {
			return peers(40, 100+40*n, rng), true
		}, 160, 10 * time.Second},
		{"every answer names 40 new peers that are dead", 1, func(rng *rand.Rand, n int) ([]wire.Peer, bool) {
			return peers(40, 100+40*n, rng), n == 0
		}, 160, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 2))
			start := time.Unix(1000, 0)
			now := start
			l := NewLookup(lookupConfig(), wire.Hash{}, peers(tt.seeds, 0, rng))
			n := 0
			for {
				ask, wake, done := l.Next(now)
				if done {
					break
				}
				if len(ask) == 0 {
					now = wake
				}
				for _, p := range ask {
					named, ok := tt.answer(rng, n)
					n++
					if ok {
						now = now.Add(10 * time.Millisecond)
						l.Answer(p.ID, named, now)
					}
				}
				if len(l.cands) > 2*maxPerLookup*20 {
					t.Fatalf("remembers %d peers", len(l.cands))
				}
			}
			if asked, _, _ := l.Counts(); asked > tt.asked {
				t.Errorf("asked %d, want at most %d", asked, tt.asked)
			}
			if took := now.Sub(start); took > tt.within {
				t.Errorf("took %v, want at most %v", took, tt.within)
			}
		})
	}
}

// TestLookupDiversity: identities minted in one /24 right next to the target
// do not push everybody else out of the result.
func TestLookupDiversity(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	target := wire.Hash(simKey(rng))
	honest := peers(20, 0, rng)
	var sybils []wire.Peer
	for range 40 {
		p := wire.Peer{ID: identity.NodeID(inBucket(target, 200, simKey(rng))), Addrs: publicAddr(9999)}
		sybils = append(sybils, p)
	}
	now := time.Unix(1000, 0)
	l := NewLookup(lookupConfig(), target, append(sybils, honest...))
	for {
		ask, _, done := l.Next(now)
		if done {
			break
		}
		for _, p := range ask {
			now = now.Add(time.Millisecond)
			l.Answer(p.ID, nil, now)
		}
	}
	bad := 0
	for _, p := range l.Result() {
		if p.Addrs[0] == publicAddr(9999)[0] {
			bad++
		}
	}
	if bad != groupPerLookup || len(l.Result()) != 20 {
		t.Errorf("%d of %d results are of one group, want %d of 20", bad, len(l.Result()), groupPerLookup)
	}
}

// TestLookupSlowNetwork: where every round trip is longer than the soft
// timeout a lookup still converges on those that answer.
func TestLookupSlowNetwork(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 4))
	w := newWorld(500, 0, rng)
	w.median, w.spread = 900*time.Millisecond, 0.1
	key := wire.Hash(simKey(rng))
	holders := map[int]bool{}
	for _, i := range w.closestTo(key, 20) {
		holders[i] = true
	}
	cfg := lookupConfig()
	cfg.Self = w.peers[3].ID
	found, end, _ := w.run(3, cfg, key, holders, rng)
	if found == 0 || end > 10*time.Second {
		t.Errorf("found after %v, over after %v", found, end)
	}
}

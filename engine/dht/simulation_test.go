package dht

import (
	"container/heap"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

var simNodes = flag.Int("dht.nodes", 10_000, "nodes in the simulation of lookups")

// world is a network of tables under a discrete-event simulation. Table and
// Lookup are the real ones; only time and the wire are not.
type world struct {
	peers  []wire.Peer // ascending by ID
	dead   []bool
	tables []*Table
	median time.Duration
	spread float64
}

const simK = 20

func newWorld(n int, deadShare float64, rng *rand.Rand) *world {
	w := &world{peers: make([]wire.Peer, n), dead: make([]bool, n), tables: make([]*Table, n),
		median: 100 * time.Millisecond, spread: 0.5}
	for i := range w.peers {
		w.peers[i] = wire.Peer{ID: identity.NodeID(simKey(rng)), Role: wire.RoleServer, Addrs: publicAddr(i)}
	}
	slices.SortFunc(w.peers, func(a, b wire.Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	for i := range w.dead {
		w.dead[i] = rng.Float64() < deadShare
	}
	return w
}

func simKey(rng *rand.Rand) (k [32]byte) {
	for i := 0; i < len(k); i += 8 {
		binary.BigEndian.PutUint64(k[i:], rng.Uint64())
	}
	return k
}

// publicAddr gives node i an address in a /24 of its own.
func publicAddr(i int) []wire.Addr {
	ip := netip.AddrFrom4([4]byte{byte(11 + i>>16), byte(i >> 8), byte(i), 1})
	return []wire.Addr{wire.AddrOf(netip.AddrPortFrom(ip, 9000))}
}

// table fills node i's table the way a long life would: up to K peers of
// every bucket, dead or alive. It is made when first needed.
func (w *world) table(i int) *Table {
	if w.tables[i] != nil {
		return w.tables[i]
	}
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	t := NewTable(w.peers[i].ID, simK)
	lo, hi := 0, len(w.peers)
	for bit := 0; hi-lo > 1 && bit < keyBits; bit++ {
		mid := lo + slices.IndexFunc(w.peers[lo:hi], func(p wire.Peer) bool { return bitOf(p.ID, bit) == 1 })
		if mid < lo {
			mid = hi
		}
		far, near := [2]int{mid, hi}, [2]int{lo, mid}
		if i >= mid {
			far, near = near, far
		}
		w.pick(t, far, rng)
		lo, hi = near[0], near[1]
	}
	w.tables[i] = t
	return t
}

func (w *world) pick(t *Table, span [2]int, rng *rand.Rand) {
	n := span[1] - span[0]
	if n <= simK {
		for i := span[0]; i < span[1]; i++ {
			t.Add(w.peers[i], time.Time{})
		}
		return
	}
	for range simK {
		t.Add(w.peers[span[0]+rng.IntN(n)], time.Time{})
	}
}

func bitOf(id [32]byte, i int) byte { return id[i/8] >> (7 - i%8) & 1 }

// closestTo returns the indexes of the k nodes closest to key, dead or alive.
func (w *world) closestTo(key wire.Hash, k int) []int {
	at, _ := slices.BinarySearchFunc(w.peers, key, func(p wire.Peer, k wire.Hash) int { return slices.Compare(p.ID[:], k[:]) })
	lo, hi := max(0, at-4*k), min(len(w.peers), at+4*k)
	near := make([]int, 0, hi-lo)
	for i := lo; i < hi; i++ {
		near = append(near, i)
	}
	slices.SortFunc(near, func(a, b int) int { return compareDistance(key, w.peers[a].ID, w.peers[b].ID) })
	return near[:k]
}

func (w *world) index(id identity.NodeID) int {
	i, _ := slices.BinarySearchFunc(w.peers, id, func(p wire.Peer, id identity.NodeID) int { return slices.Compare(p.ID[:], id[:]) })
	return i
}

type event struct {
	at time.Time
	id identity.NodeID
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// run drives one lookup of node from. It returns when the first holder
// answered, when the lookup was over, and how many were asked.
func (w *world) run(from int, cfg LookupConfig, key wire.Hash, holders map[int]bool, rng *rand.Rand) (found, end time.Duration, asked int) {
	start := time.Unix(0, 0)
	now := start
	l := NewLookup(cfg, key, w.table(from).Closest(key, cfg.K))
	var queue events
	for {
		ask, wake, done := l.Next(now)
		if done {
			n, _, _ := l.Counts()
			return found, now.Sub(start), n
		}
		for _, p := range ask {
			rtt := time.Duration(float64(w.median) * math.Exp(w.spread*rng.NormFloat64()))
			if !w.dead[w.index(p.ID)] {
				heap.Push(&queue, event{now.Add(rtt), p.ID})
			}
		}
		if len(queue) == 0 || queue[0].at.After(wake) {
			now = wake
			continue
		}
		e := heap.Pop(&queue).(event)
		now = e.at
		i := w.index(e.id)
		if found == 0 && holders[i] {
			found = now.Sub(start)
		}
		l.Answer(e.id, w.table(i).Closest(key, cfg.K), now)
	}
}

// TestLookupSimulation holds the lookup to the design's figures: ten thousand
// nodes, half of them dead though still in the tables, round trips lognormal
// with a median of 100 ms.
func TestLookupSimulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(*simNodes, 0.5, rng)
	var times, ends []time.Duration
	const lookups = 1000
	asked := 0
	for range lookups {
		from := rng.IntN(len(w.peers))
		key := wire.Hash(simKey(rng))
		holders := map[int]bool{}
		for _, i := range w.closestTo(key, simK) {
			holders[i] = true
		}
		delete(holders, from)
		cfg := LookupConfig{Self: w.peers[from].ID, K: simK, Alpha: 6,
			Soft: 300 * time.Millisecond, Hard: 2 * time.Second}
		found, end, n := w.run(from, cfg, key, holders, rng)
		asked += n
		ends = append(ends, end)
		if found > 0 {
			times = append(times, found)
		}
	}
	slices.Sort(times)
	slices.Sort(ends)
	at := func(d []time.Duration, p float64) time.Duration { return d[int(p*float64(len(d)-1))] }
	success := float64(len(times)) / lookups
	t.Logf("%d nodes: %.2f %% found; first value p50 %v p90 %v p99 %v; converged p50 %v p99 %v; %.1f asked",
		len(w.peers), 100*success, at(times, .5), at(times, .9), at(times, .99), at(ends, .5), at(ends, .99),
		float64(asked)/lookups)
	t.Attr("success", fmt.Sprintf("%.2f", 100*success)) // for make bench
	for name, p := range map[string]float64{"p50-ms": .5, "p90-ms": .9, "p99-ms": .99} {
		t.Attr(name, fmt.Sprint(at(times, p).Milliseconds()))
	}
	if success < 0.999 {
		t.Errorf("%.2f %% of lookups succeed, want 99.9 %%", 100*success)
	}
	for _, q := range []struct {
		p    float64
		most time.Duration
	}{{.5, 335}, {.9, 595}, {.99, 860}} {
		if got := at(times, q.p); got > q.most*time.Millisecond {
			t.Errorf("p%v is %v, want at most %v", 100*q.p, got, q.most*time.Millisecond)
		}
	}
}

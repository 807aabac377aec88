package peer

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// maxRemembered bounds the memory of addresses, whoever mints them.
	maxRemembered = 4096
	// firstBackoff and lastBackoff bound how long a dead address is left alone;
	// the time doubles with every failure between them.
	firstBackoff = 2 * time.Second
	lastBackoff  = 2 * time.Minute
	// eagerBackoff is the most for a stream: somebody wants what this very peer
	// has, where a request of the DHT may as well go to the next one.
	eagerBackoff = 3 * time.Second
)

// dialled is what is known about one address.
type dialled struct {
	good  time.Time // last success
	fails int       // since then
	until time.Time // not dialled before
	last  time.Time // last failure
}

// dialMemory remembers which addresses answer, so that dead ones cost nobody's
// time twice. It holds at most maxRemembered addresses.
type dialMemory struct {
	mu    sync.Mutex
	known *lru.LRU[netip.AddrPort, dialled]
}

func newDialMemory() *dialMemory {
	known, err := lru.NewLRU[netip.AddrPort, dialled](maxRemembered, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &dialMemory{known: known}
}

func (m *dialMemory) succeeded(a netip.AddrPort, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.Add(a, dialled{good: now})
}

func (m *dialMemory) failed(a netip.AddrPort, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, _ := m.known.Get(a)
	d.until = now.Add(min(lastBackoff, firstBackoff<<min(d.fails, 16)))
	d.fails++
	d.last = now
	m.known.Add(a, d)
}

// forgive makes an address worth a try again: its peer was heard of.
func (m *dialMemory) forgive(a netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := m.known.Peek(a); ok && d.fails > 0 {
		m.known.Add(a, dialled{good: d.good})
	}
}

// forget drops everything: the network is another one.
func (m *dialMemory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.Purge()
}

// promising returns the addresses worth dialling now, the most promising
// first: where a dial last succeeded, then the untried in the order given,
// then those that failed. A failed one rests for at most most; if all rest,
// wait is how long.
func (m *dialMemory) promising(addrs []netip.AddrPort, now time.Time, most time.Duration) (try []netip.AddrPort, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait = lastBackoff
	state := make(map[netip.AddrPort]dialled, len(addrs))
	for _, a := range addrs {
		d, _ := m.known.Peek(a)
		if rest := min(d.until.Sub(now), d.last.Add(most).Sub(now)); d.fails > 0 && rest > 0 {
			wait = min(wait, rest)
			continue
		}
		state[a] = d
		try = append(try, a)
	}
	slices.SortStableFunc(try, func(a, b netip.AddrPort) int {
		x, y := state[a], state[b]
		if x.fails != y.fails {
			return x.fails - y.fails
		}
		return y.good.Compare(x.good)
	})
	if len(try) > 0 {
		wait = 0
	}
	return try, wait
}

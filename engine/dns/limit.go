package dns

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiterSlots bounds the limiter's memory. Two networks may share a slot:
// then they share a rate, which the seed keeps from being arranged.
const limiterSlots = 4096

// limiter holds a token bucket per network (/24, /48), so that this server is
// of no use for reflection.
type limiter struct {
	rate, burst float64 // tokens per second, most tokens
	seed        maphash.Seed

	mu    sync.Mutex
	slots [limiterSlots]bucket
}

type bucket struct {
	tokens  float64
	last    time.Time
	refused uint32
}

type verdict int

const (
	admitted verdict = iota
	dropped
	slipped // refused, but told to retry over TCP (response rate limiting's "slip")
)

func newLimiter(rate, burst int) *limiter {
	return &limiter{rate: float64(rate), burst: float64(burst), seed: maphash.MakeSeed()}
}

// admit takes a token of addr's network. Loopback is exempt: nobody can forge
// it from outside, and everything on this machine shares it.
func (l *limiter) admit(addr netip.Addr, now time.Time) verdict {
	addr = addr.Unmap()
	if addr.IsLoopback() {
		return admitted
	}
	slot := maphash.Comparable(l.seed, network(addr)) % limiterSlots
	l.mu.Lock()
	defer l.mu.Unlock()
	b := &l.slots[slot]
	if b.last.IsZero() {
		b.tokens = l.burst
	} else if gone := now.Sub(b.last); gone > 0 {
		b.tokens = min(l.burst, b.tokens+gone.Seconds()*l.rate)
	}
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return admitted
	}
	b.refused++
	if b.refused%2 == 0 {
		return slipped
	}
	return dropped
}

func network(addr netip.Addr) netip.Prefix {
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address: one bucket for all of them
	}
	return p
}

// atHome reports whether addr is this machine or one beside it. Forwarding for
// anybody else would make an open resolver.
func atHome(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast()
}

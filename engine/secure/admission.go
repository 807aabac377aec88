package secure

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"altnet/engine/wire"
)

// AdmissionConfig bounds the handshakes others can make us do.
type AdmissionConfig struct {
	Rate     float64 // handshakes per second and IP group; default 10
	Burst    float64 // handshakes an IP group may save up; default 40
	HalfOpen int     // handshakes under way at once; default 256
}

func (c AdmissionConfig) withDefaults() AdmissionConfig {
	if c.Rate <= 0 {
		c.Rate = 10
	}
	if c.Burst <= 0 {
		c.Burst = 40
	}
	if c.HalfOpen <= 0 {
		c.HalfOpen = 256
	}
	return c
}

// admissionBuckets is how many token buckets there are for all groups of the
// world. Groups share one by a keyed hash, so that memory is bounded and
// nobody can choose whom to share with. They are made a page at a time: most
// nodes meet few groups.
const (
	admissionBuckets = 8192
	admissionPage    = 64
)

// Admission decides whether a connection that came in is worth a handshake:
// a token bucket per IP group (/24, /48) and a cap on handshakes under way,
// of which one group may hold a quarter. A private address is a group of its
// own; loopback knows only the cap.
type Admission struct {
	cfg  AdmissionConfig
	seed maphash.Seed

	mu       sync.Mutex
	halfOpen int
	pages    [admissionBuckets / admissionPage]*[admissionPage]bucket
}

// bucket starts full: the zero time is long ago.
type bucket struct {
	tokens   float64
	at       time.Time
	halfOpen int
}

// NewAdmission returns an Admission with nothing under way.
func NewAdmission(cfg AdmissionConfig) *Admission {
	return &Admission{cfg: cfg.withDefaults(), seed: maphash.MakeSeed()}
}

// Admit reports whether a handshake with addr may begin. Where ok, call
// release once it has ended, however it ended; calling it again does nothing.
func (a *Admission) Admit(addr netip.Addr) (release func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.halfOpen >= a.cfg.HalfOpen {
		return nil, false
	}
	var b *bucket
	if addr = addr.Unmap(); !addr.IsLoopback() {
		b = a.bucket(addr)
		if !b.take(a.cfg, time.Now()) {
			return nil, false
		}
	}
	a.halfOpen++
	return sync.OnceFunc(func() { a.release(b) }), true
}

// bucket returns the bucket that addr shares.
func (a *Admission) bucket(addr netip.Addr) *bucket {
	i := maphash.Comparable(a.seed, group(addr)) % admissionBuckets
	page := &a.pages[i/admissionPage]
	if *page == nil {
		*page = new([admissionPage]bucket)
	}
	return &(*page)[i%admissionPage]
}

// group is what shares a bucket: a single address in private ranges, where
// whole networks of peers live in one /24.
func group(addr netip.Addr) netip.Prefix {
	if wire.IsPublic(addr) {
		return wire.Group(addr)
	}
	return netip.PrefixFrom(addr, addr.BitLen())
}

// take takes one token and one place.
func (b *bucket) take(cfg AdmissionConfig, now time.Time) bool {
	elapsed := max(now.Sub(b.at).Seconds(), 0)
	b.tokens, b.at = min(b.tokens+elapsed*cfg.Rate, cfg.Burst), now
	if b.tokens < 1 || b.halfOpen >= max(cfg.HalfOpen/4, 1) {
		return false
	}
	b.tokens--
	b.halfOpen++
	return true
}

func (a *Admission) release(b *bucket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.halfOpen--
	if b != nil {
		b.halfOpen--
	}
}

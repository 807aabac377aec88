package store

import (
	"sync"
	"time"

	"altnet/engine/wire"
)

// rootTable is all roots in memory, without their lists.
type rootTable struct {
	mu      sync.Mutex
	m       map[wire.Hash]*rootRecord
	touched map[wire.Hash]struct{} // differ from the disk in Used or Full
	inUse   map[wire.Hash]int      // open Views
	extra   int64                  // sum of overhead
}

func (rt *rootTable) init() {
	rt.m = map[wire.Hash]*rootRecord{}
	rt.touched = map[wire.Hash]struct{}{}
	rt.inUse = map[wire.Hash]int{}
}

// set replaces or, with nil, deletes a root.
func (rt *rootTable) set(h wire.Hash, rec *rootRecord) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if old := rt.m[h]; old != nil {
		rt.extra -= old.overhead()
		delete(rt.m, h)
	}
	delete(rt.touched, h)
	if rec != nil {
		rt.extra += rec.overhead()
		rt.m[h] = rec
	}
}

func (rt *rootTable) get(h wire.Hash) (rootRecord, bool) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rec := rt.m[h]; rec != nil {
		return *rec, true
	}
	return rootRecord{}, false
}

func (rt *rootTable) count() int {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return len(rt.m)
}

func (rt *rootTable) overhead() int64 {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.extra
}

func (rt *rootTable) usage(now time.Time) (u Usage) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	u.Roots = len(rt.m)
	for _, rec := range rt.m {
		switch rec.keep(now) {
		case Own:
			u.Own += rec.Size
		case Pinned:
			u.Pinned += rec.Size
		case Leased:
			u.Leased += rec.leaseCost()
		default:
			u.Cache += rec.Size
		}
	}
	return u
}

// leasedBytes sums the running leases that match.
func (rt *rootTable) leasedBytes(match func(*rootRecord) bool) (sum int64) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	now := time.Now()
	for _, rec := range rt.m {
		if rec.leased(now) && match(rec) {
			sum += rec.leaseCost()
		}
	}
	return sum
}

// addLoose counts loose blocks of a root.
func (rt *rootTable) addLoose(h wire.Hash, n int) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rec := rt.m[h]; rec != nil {
		rt.extra -= rec.overhead()
		rec.loose += n
		rt.extra += rec.overhead()
	}
}

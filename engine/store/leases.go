package store

import (
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Leased reports whether a lease runs at now. The class alone does not say
// so: a lease that has run out keeps it.
func (r *RootInfo) Leased(now time.Time) bool {
	return r.Class&Leased != 0 && r.LeaseUntil.After(now)
}

// LeasesOf returns the roots under a running lease that counts toward the
// quota of an owner, in no order.
func (s *Store) LeasesOf(owner identity.PublicKey) []RootInfo {
	var infos []RootInfo
	s.roots.eachLease(func(h wire.Hash, r *rootRecord) {
		if r.Owner == owner {
			infos = append(infos, r.info(h))
		}
	})
	return infos
}

// LeaseCounts returns how many leases run, and how many of them because an IP
// group asked.
func (s *Store) LeaseCounts(group string) (all, ofGroup int) {
	s.roots.eachLease(func(_ wire.Hash, r *rootRecord) {
		all++
		if r.Group == group {
			ofGroup++
		}
	})
	return all, ofGroup
}

// eachLease calls visit, with the lock, for every root under a running lease.
func (rt *rootTable) eachLease(visit func(wire.Hash, *rootRecord)) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	now := time.Now()
	for h, rec := range rt.m {
		if rec.leased(now) {
			visit(h, rec)
		}
	}
}

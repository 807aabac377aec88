package dht

import (
	"crypto/sha256"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// A node that comes to be responsible for a name sees the first announcement
// long after the name was claimed. If it took whoever announces first for the
// incumbent, a rival who announces more often than the owner would inherit the
// name as the nodes around it change. So it asks its new neighbours who was
// there first, and follows two thirds of their IP groups.

const (
	confirmDelay = 3 * time.Second // for a first publication to reach all its nodes
	confirmWidth = 8               // neighbours asked
	confirmVotes = 2               // least groups that must agree
)

// confirmArrivals settles the incumbents of keys that are new here.
func (d *DHT) confirmArrivals() {
	for {
		var key wire.Hash
		select {
		case <-d.ctx.Done():
			return
		case key = <-d.arrivals:
		}
		if !d.pause(confirmDelay) {
			return
		}
		d.confirm(key)
		for range len(d.arrivals) { // those that came meanwhile have waited too
			d.confirm(<-d.arrivals)
		}
	}
}

// vote is what the neighbours say about one owner.
type vote struct {
	owner  identity.PublicKey
	value  []byte
	groups []group
	seen   []time.Time
}

func (d *DHT) confirm(key wire.Hash) {
	d.mu.Lock()
	neighbours := d.table.Closest(key, confirmWidth)
	d.mu.Unlock()
	results := make(chan result, len(neighbours))
	atOnce(neighbours, confirmWidth, func(p wire.Peer) {
		results <- d.exchange(p, wire.GetRecords{Key: key})
	})
	close(results)
	if v, ok := d.tally(key, results); ok {
		d.follow(key, v)
	}
}

// tally returns the owner that at least two thirds of the IP groups that hold
// the key name first.
func (d *DHT) tally(key wire.Hash, results <-chan result) (vote, bool) {
	var votes []*vote
	voters := groupCount{}
	checked := map[[32]byte]*vote{}
	now := time.Now()
	for r := range results {
		gs := groupsOf(r.from)
		if r.err != nil || len(r.records) == 0 || voters.full(gs, 1) {
			continue
		}
		voters.add(gs)
		first := r.records[0]
		v := d.checkVote(key, first.Value, checked, &votes, now)
		if v == nil {
			continue
		}
		v.groups = append(v.groups, gs[0])
		v.seen = append(v.seen, earlier(instant(first.FirstSeen), now))
	}
	total := 0
	for _, v := range votes {
		total += len(v.groups)
	}
	for _, v := range votes {
		if n := len(v.groups); n >= confirmVotes && 3*n >= 2*total {
			return *v, true
		}
	}
	return vote{}, false
}

// checkVote verifies the record a neighbour names first, each value once, and
// returns the tally of its owner.
func (d *DHT) checkVote(key wire.Hash, value []byte, checked map[[32]byte]*vote, votes *[]*vote, now time.Time) *vote {
	sum := sha256.Sum256(value)
	if v, ok := checked[sum]; ok {
		return v
	}
	checked[sum] = nil
	info, err := d.cfg.Validate(key, value, now)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(*votes, func(v *vote) bool { return v.owner == info.Owner })
	if i < 0 {
		i = len(*votes)
		*votes = append(*votes, &vote{owner: info.Owner, value: value})
	}
	checked[sum] = (*votes)[i]
	return checked[sum]
}

// follow gives the elected owner the first place, and its middle date.
func (d *DHT) follow(key wire.Hash, v vote) {
	slices.SortFunc(v.seen, time.Time.Compare)
	seen := v.seen[len(v.seen)/2]
	now := time.Now()
	info, err := d.cfg.Validate(key, v.value, now)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.records.slots[key]
	if len(s) == 0 {
		return
	}
	if first := s[0]; first.Owner != v.owner && !seen.Before(first.FirstSeen) {
		seen = first.FirstSeen.Add(-time.Millisecond)
	}
	if !slices.ContainsFunc(s, func(h *holding) bool { return h.Owner == v.owner }) {
		if _, err := d.records.put(key, v.value, info, s[0].Source, now); err != nil {
			return
		}
	}
	d.records.backdate(key, v.owner, seen)
}

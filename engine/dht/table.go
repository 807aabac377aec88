package dht

import (
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// maxFails is how many requests in a row a peer may leave unanswered before
// it leaves the table. One is a lost packet or a closing lid.
const maxFails = 2

// Table is the routing table of one node: for every length of shared prefix a
// bucket of at most K peers that have answered. It has no clock and no lock.
type Table struct {
	self    identity.NodeID
	k       int
	buckets []bucket // by shared prefix length, as deep as needed
	groups  groupCount
	size    int
}

type bucket struct {
	entries []*entry // the one that answered longest ago first
	spare   []*entry // answered while the bucket was full; newest last
	refresh schedule
}

type entry struct {
	peer     wire.Peer
	groups   []group
	added    time.Time
	answered time.Time
	fails    int
}

// Entry is one peer of a table, for people to look at.
type Entry struct {
	Peer     wire.Peer
	Bucket   int       // bits of NodeID shared with our own
	Added    time.Time // when it entered
	Answered time.Time // when it last answered
	Fails    int       // requests unanswered since
}

// NewTable returns an empty table of buckets of k for the node self.
func NewTable(self identity.NodeID, k int) *Table {
	return &Table{self: self, k: k, groups: groupCount{}}
}

// Len returns the number of peers in the table.
func (t *Table) Len() int { return t.size }

// Add notes that p answered at now. It reports whether p is new in the table.
// A full bucket keeps p as a spare: peers known for long live longest.
func (t *Table) Add(p wire.Peer, now time.Time) bool {
	if p.ID == t.self || len(p.Addrs) == 0 {
		return false
	}
	b := t.bucket(p.ID)
	if i := b.find(p.ID); i >= 0 {
		e := b.entries[i]
		e.answered, e.fails = now, 0
		b.entries = append(slices.Delete(b.entries, i, i+1), e)
		t.replaceRecord(b, e, p)
		return false
	}
	e := &entry{peer: p, groups: groupsOf(p), added: now, answered: now}
	if !t.diverse(b, e) {
		return false
	}
	if len(b.entries) >= t.k {
		b.addSpare(e, t.k)
		return false
	}
	t.insert(b, e)
	b.refresh.reset()
	return true
}

// Update replaces the record of a peer of the table by a newer one.
func (t *Table) Update(p wire.Peer) {
	b := t.bucket(p.ID)
	if i := b.find(p.ID); i >= 0 {
		t.replaceRecord(b, b.entries[i], p)
	}
}

// stays reports whether p's record leaves it in the IP groups it stands in.
func (t *Table) stays(p wire.Peer) bool {
	b := t.bucket(p.ID)
	i := b.find(p.ID)
	return i >= 0 && slices.Equal(b.entries[i].groups, groupsOf(p))
}

// Has reports whether the table holds id, and its record's sequence.
func (t *Table) Has(id identity.NodeID) (seq uint64, ok bool) {
	b := t.bucket(id)
	if i := b.find(id); i >= 0 {
		return b.entries[i].peer.Seq, true
	}
	return 0, false
}

// Peer returns the peer id of the table.
func (t *Table) Peer(id identity.NodeID) (wire.Peer, bool) {
	b := t.bucket(id)
	if i := b.find(id); i >= 0 {
		return b.entries[i].peer, true
	}
	return wire.Peer{}, false
}

// Wants reports whether p would enter the table if it answered.
func (t *Table) Wants(p wire.Peer) bool {
	if p.ID == t.self || len(p.Addrs) == 0 {
		return false
	}
	b := t.bucket(p.ID)
	return len(b.entries) < t.k && b.find(p.ID) < 0 &&
		t.diverse(b, &entry{peer: p, groups: groupsOf(p)})
}

// Fail notes that id did not answer. After maxFails in a row, or at once
// where a spare waits, the peer is dropped; Fail reports whether it was.
func (t *Table) Fail(id identity.NodeID) bool {
	b := t.bucket(id)
	i := b.find(id)
	if i < 0 {
		b.dropSpare(id)
		return false
	}
	e := b.entries[i]
	e.fails++
	b.refresh.reset()
	if e.fails < maxFails && len(b.spare) == 0 {
		return false
	}
	t.remove(b, i)
	t.promote(b)
	return true
}

// Remove drops id whatever it did.
func (t *Table) Remove(id identity.NodeID) {
	b := t.bucket(id)
	b.dropSpare(id)
	if i := b.find(id); i >= 0 {
		t.remove(b, i)
		t.promote(b)
	}
}

// Closest returns at most n peers, the closest to target first.
func (t *Table) Closest(target wire.Hash, n int) []wire.Peer {
	out := make([]wire.Peer, 0, min(n, t.size))
	for _, e := range t.closest(target, n) {
		out = append(out, e.peer)
	}
	return out
}

// closest walks the buckets in order of distance. With c the bits that target
// shares with us: bucket c agrees with target on bit c and is closest; all
// deeper buckets differ on that bit and are next; then c-1, c-2, ….
func (t *Table) closest(target wire.Hash, n int) []*entry {
	out := make([]*entry, 0, n+t.k)
	take := func(buckets []bucket) bool {
		from := len(out)
		for i := range buckets {
			out = append(out, buckets[i].entries...)
		}
		slices.SortFunc(out[from:], func(a, b *entry) int {
			return compareDistance(target, a.peer.ID, b.peer.ID)
		})
		return len(out) >= n
	}
	c := prefixLen(t.self, target)
	full := false
	if c < len(t.buckets) {
		full = take(t.buckets[c:c+1]) || take(t.buckets[c+1:])
	}
	for i := min(c, len(t.buckets)) - 1; i >= 0 && !full; i-- {
		full = take(t.buckets[i : i+1])
	}
	return out[:min(n, len(out))]
}

// Entries lists the table, the closest buckets last.
func (t *Table) Entries() []Entry {
	out := make([]Entry, 0, t.size)
	for i := range t.buckets {
		for _, e := range t.buckets[i].entries {
			out = append(out, Entry{e.peer, i, e.added, e.answered, e.fails})
		}
	}
	return out
}

// EstimateSize guesses the number of nodes in the network from how densely
// the closest ones lie around us. It is exact on average, off by about a
// quarter either way, and says no more than what the table knows.
func (t *Table) EstimateSize() int {
	near := t.closest(wire.Hash(t.self), t.k)
	if len(near) < t.k {
		return t.size + 1
	}
	far := fraction(t.self, near[len(near)-1].peer.ID)
	return max(t.size+1, int(float64(len(near))/far))
}

func (t *Table) bucket(id identity.NodeID) *bucket {
	i := min(prefixLen(t.self, id), keyBits-1)
	for len(t.buckets) <= i {
		t.buckets = append(t.buckets, bucket{})
	}
	return &t.buckets[i]
}

func (t *Table) insert(b *bucket, e *entry) {
	b.entries = append(b.entries, e)
	t.groups.add(e.groups)
	t.size++
}

func (t *Table) remove(b *bucket, i int) {
	t.groups.remove(b.entries[i].groups)
	b.entries = slices.Delete(b.entries, i, i+1)
	t.size--
}

// promote fills the free place of b with the newest spare that still fits.
func (t *Table) promote(b *bucket) {
	for len(b.spare) > 0 && len(b.entries) < t.k {
		e := b.spare[len(b.spare)-1]
		b.spare = b.spare[:len(b.spare)-1]
		if t.diverse(b, e) {
			e.fails = maxFails - 1 // it answered long ago: one more failure is enough
			t.insert(b, e)
		}
	}
}

// replaceRecord takes over a newer record; one that moves the peer into a
// group that is full drops it.
func (t *Table) replaceRecord(b *bucket, e *entry, p wire.Peer) {
	if p.Seq <= e.peer.Seq && len(e.peer.Addrs) > 0 {
		return
	}
	t.remove(b, b.find(p.ID))
	e.peer, e.groups = p, groupsOf(p)
	if len(p.Addrs) > 0 && t.diverse(b, e) {
		t.insert(b, e)
	}
}

// diverse reports whether e may join b: at most groupPerBucket in the bucket
// and groupPerTable in the table share an IP group, and nobody claims to sit
// in many groups at once, which would lock others out of them.
func (t *Table) diverse(b *bucket, e *entry) bool {
	if len(e.groups) > maxGroupsPerPeer {
		return false
	}
	for _, g := range e.groups {
		if t.groups[g] >= groupPerTable || b.count(g) >= groupPerBucket {
			return false
		}
	}
	return true
}

func (b *bucket) find(id identity.NodeID) int {
	return slices.IndexFunc(b.entries, func(e *entry) bool { return e.peer.ID == id })
}

func (b *bucket) count(g group) int {
	n := 0
	for _, e := range b.entries {
		if slices.Contains(e.groups, g) {
			n++
		}
	}
	return n
}

func (b *bucket) addSpare(e *entry, limit int) {
	b.dropSpare(e.peer.ID)
	if len(b.spare) >= limit {
		b.spare = slices.Delete(b.spare, 0, 1)
	}
	b.spare = append(b.spare, e)
}

func (b *bucket) dropSpare(id identity.NodeID) {
	b.spare = slices.DeleteFunc(b.spare, func(e *entry) bool { return e.peer.ID == id })
}

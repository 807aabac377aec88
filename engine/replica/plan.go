package replica

import (
	"bytes"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// standing is what the network says of the record that vouches for a root.
type standing int

const (
	current    standing = iota // the owner's newest record names this root
	superseded                 // the owner published another version since
	withdrawn                  // a tombstone stands
	expired                    // the owner did not renew it in time
	refused                    // this node's operator does not want it
)

// span is a range of a site's distinct blocks in canonical preorder.
type span struct {
	first, count int
}

func (s span) end() int { return s.first + s.count }

// and returns what s and t share.
func (s span) and(t span) span {
	first := max(s.first, t.first)
	return span{first, max(0, min(s.end(), t.end())-first)}
}

// without returns what of s is not in t.
func (s span) without(t span) []span {
	var left []span
	if before := min(t.first, s.end()) - s.first; before > 0 {
		left = append(left, span{s.first, before})
	}
	if first := max(t.end(), s.first); first < s.end() {
		left = append(left, span{first, s.end() - first})
	}
	return left
}

// holder is a live peer that answered for a root.
type holder struct {
	id   identity.NodeID
	peer wire.Peer // not of this node itself
	full bool
	bits []byte // over the distinct blocks, when not full
}

// has reports whether the holder answered that it keeps block i.
func (h holder) has(i int) bool {
	return h.full || (i/8 < len(h.bits) && h.bits[i/8]&(0x80>>(i%8)) != 0)
}

// count returns how many of so many blocks the holder answered that it keeps.
func (h holder) count(blocks int) int {
	if h.full {
		return blocks
	}
	n := 0
	for i := range blocks {
		if h.has(i) {
			n++
		}
	}
	return n
}

// view is everything the decision about one root rests on.
type view struct {
	now      time.Time
	standing standing
	own      bool // published or pinned here: kept whatever the network does
	isolated bool // nobody answers this node: what it was not told may have been said
	lease    time.Time
	self     identity.NodeID
	root     wire.Hash
	blocks   int
	holders  []holder // live ones, self among them
	goal     int      // copies wanted of every block
}

// plan is what the keeper does about one root now.
type plan struct {
	renew   bool // extend the own lease
	release bool // end the lease at once
	provide bool // announce as a holder
	lacking span // blocks with fewer copies than wanted; count 0: none
	recruit int  // how many more copies of lacking to place
}

// decide applies the rules of PROTOCOL.md section 9. It is pure, so that the
// month-long behaviour can be tested without a month.
func decide(v view) plan {
	switch v.standing {
	case withdrawn, refused:
		return plan{release: !v.own}
	case superseded, expired:
		unasked := v.standing == expired && v.isolated // renewed meanwhile, perhaps
		keep := v.own || v.lease.After(v.now) || unasked
		return plan{provide: keep, release: !keep}
	}
	copies, lacking := coverage(v.holders, v.blocks, v.goal)
	rank := rankOf(v.self, v.root, v.holders)
	p := plan{
		renew:   !v.own && (rank < v.goal+spareHolders || copies <= v.goal),
		provide: true,
	}
	if lacking.count > 0 && (v.own || rank < repairers) {
		p.lacking, p.recruit = lacking, v.goal-copies
	}
	return p
}

const (
	// spareHolders is how many more than the goal renew their leases, so
	// that a holder that sleeps for an evening costs no repair.
	spareHolders = 2
	// repairers is how many of the holders nearest to the root repair: one
	// would do, the second covers for a first that is going away.
	repairers = 2
)

// coverage returns how many copies the rarest block has and the smallest span
// that holds every block with fewer than goal copies.
func coverage(holders []holder, blocks, goal int) (copies int, lacking span) {
	full := 0
	var partial []holder
	for _, h := range holders {
		if h.full {
			full++
		} else {
			partial = append(partial, h)
		}
	}
	if len(partial) == 0 || blocks == 0 || full >= goal {
		if full < goal {
			lacking = span{0, blocks}
		}
		return full, lacking
	}
	copies = full + len(partial)
	first, last := -1, -1
	for i := range blocks {
		n := full
		for _, h := range partial {
			if h.has(i) {
				n++
			}
		}
		copies = min(copies, n)
		if n < goal {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first >= 0 {
		lacking = span{first, last - first + 1}
	}
	return copies, lacking
}

// rankOf counts the live holders nearer to the root than self.
func rankOf(self identity.NodeID, root wire.Hash, holders []holder) int {
	rank := 0
	for _, h := range holders {
		if h.id != self && nearer(root, h.id, self) {
			rank++
		}
	}
	return rank
}

// nearer reports whether a is closer to key than b by the XOR metric.
func nearer(key wire.Hash, a, b identity.NodeID) bool {
	for i := range key {
		x, y := a[i]^key[i], b[i]^key[i]
		if x != y {
			return x < y
		}
	}
	return false
}

// byDistance sorts peers by their distance to key, nearest first.
func byDistance(key wire.Hash, peers []wire.Peer) {
	slices.SortFunc(peers, func(a, b wire.Peer) int {
		switch {
		case nearer(key, a.ID, b.ID):
			return -1
		case nearer(key, b.ID, a.ID):
			return 1
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
}

package dht

import (
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// maxPerLookup, in units of K, bounds what one lookup asks and remembers,
// whatever it is told.
const maxPerLookup = 8

// LookupConfig is how a lookup goes about it.
type LookupConfig struct {
	Self  identity.NodeID // never asked
	K     int             // how many of the closest are wanted
	Alpha int             // how many are asked at a time
	Soft  time.Duration   // after this a silent peer no longer holds up the rest
	Hard  time.Duration   // after this it has failed
	Drain bool            // done only when everyone asked has answered or failed
}

// Lookup is one iterative search for the peers closest to a target. It is
// told what happened and says whom to ask next:
//
//	unasked ──Next──▶ asked ──Answer──▶ answered
//	                    └──Fail, Hard──▶ failed
//
// It has no clock, no lock and no network.
type Lookup struct {
	cfg     LookupConfig
	target  wire.Hash
	cands   []*candidate // closest first
	byID    map[identity.NodeID]*candidate
	asked   int
	counts  [4]int // candidates that are or were in each state
	slowest time.Duration
}

type candState uint8

const (
	unasked candState = iota
	asked
	answered
	failed
)

type candidate struct {
	peer   wire.Peer
	groups []group
	state  candState
	at     time.Time // when it was asked
}

// NewLookup starts a lookup for target from seeds.
func NewLookup(cfg LookupConfig, target wire.Hash, seeds []wire.Peer) *Lookup {
	l := &Lookup{cfg: cfg, target: target, byID: map[identity.NodeID]*candidate{}}
	l.learn(seeds)
	return l
}

// Next returns whom to ask now, when to call Next again at the latest, and
// whether the lookup is over. Call it after every event.
func (l *Lookup) Next(now time.Time) (ask []wire.Peer, wake time.Time, done bool) {
	l.expire(now)
	busy, late := l.load(now)
	width, size := l.cfg.Alpha, l.cfg.K
	if late > 0 {
		width += min(late, l.cfg.Alpha)
		size += busy
	}
	for busy < width && l.asked < maxPerLookup*l.cfg.K {
		c := l.next(now, size)
		if c == nil {
			break
		}
		l.set(c, asked)
		c.at = now
		l.asked++
		busy++
		ask = append(ask, c.peer)
	}
	if l.over(now) {
		return nil, time.Time{}, true
	}
	return ask, l.wake(now), false
}

// Answer notes that id answered at now and named peers. It reports whether
// the answer was awaited.
func (l *Lookup) Answer(id identity.NodeID, peers []wire.Peer, now time.Time) bool {
	c := l.byID[id]
	if c == nil || c.state != asked {
		return false
	}
	l.set(c, answered)
	l.slowest = max(l.slowest, now.Sub(c.at))
	l.learn(peers)
	return true
}

// Fail notes that id will not answer.
func (l *Lookup) Fail(id identity.NodeID) {
	if c := l.byID[id]; c != nil && c.state == asked {
		l.set(c, failed)
	}
}

// Result returns the at most K closest peers that answered, closest first.
func (l *Lookup) Result() []wire.Peer {
	out := make([]wire.Peer, 0, l.cfg.K)
	for _, c := range l.cands {
		if c.state == answered && len(out) < l.cfg.K {
			out = append(out, c.peer)
		}
	}
	return out
}

// Counts returns how many peers were asked, answered and failed.
func (l *Lookup) Counts() (nAsked, nAnswered, nFailed int) {
	return l.asked, l.counts[answered], l.counts[failed]
}

// learn takes in peers, closest first and no more than the lookup may ask.
func (l *Lookup) learn(peers []wire.Peer) {
	for _, p := range peers {
		if p.ID == l.cfg.Self || l.byID[p.ID] != nil || len(p.Addrs) == 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(l.cands, p.ID, func(c *candidate, id identity.NodeID) int {
			return compareDistance(l.target, c.peer.ID, id)
		})
		c := &candidate{peer: p, groups: groupsOf(p)}
		l.cands = slices.Insert(l.cands, i, c)
		l.byID[p.ID] = c
		l.counts[unasked]++
	}
	for i := len(l.cands) - 1; i >= 0 && len(l.cands) > maxPerLookup*l.cfg.K; i-- {
		if c := l.cands[i]; c.state == unasked {
			l.counts[unasked]--
			delete(l.byID, c.peer.ID)
			l.cands = slices.Delete(l.cands, i, i+1)
		}
	}
}

// window calls visit for the size closest candidates that stand: not failed,
// not overdue, and no more than groupPerLookup of one IP group. Overdue and
// failed ones free their place at once: a dead neighbourhood does not stall.
func (l *Lookup) window(now time.Time, size int, visit func(*candidate) (more bool)) {
	groups := groupCount{}
	n := 0
	for _, c := range l.cands {
		if n >= size {
			return
		}
		if c.state == failed || l.overdue(c, now) || groups.full(c.groups, groupPerLookup) {
			continue
		}
		groups.add(c.groups)
		n++
		if !visit(c) {
			return
		}
	}
}

// next returns the closest candidate of the window not asked yet.
func (l *Lookup) next(now time.Time, size int) (found *candidate) {
	l.window(now, size, func(c *candidate) bool {
		if c.state == unasked {
			found = c
		}
		return found == nil
	})
	return found
}

// over reports whether the K closest have all answered. Where fewer than K
// answered, overdue peers get the benefit of patience.
func (l *Lookup) over(now time.Time) bool {
	if l.counts[asked] == 0 {
		return l.asked >= maxPerLookup*l.cfg.K || l.next(now, l.cfg.K) == nil
	}
	if l.cfg.Drain {
		return false
	}
	got, open := 0, false
	l.window(now, l.cfg.K, func(c *candidate) bool {
		if c.state == answered {
			got++
		}
		open = open || c.state != answered
		return true
	})
	return !open && (got >= l.cfg.K || !l.hopeful(now))
}

// hopeful reports whether some peer in flight may still answer, judged by
// how long the slowest answer of this lookup took.
func (l *Lookup) hopeful(now time.Time) bool {
	for _, c := range l.cands {
		if c.state == asked && now.Sub(c.at) < l.patience() {
			return true
		}
	}
	return false
}

func (l *Lookup) patience() time.Duration {
	if l.counts[answered] == 0 {
		return l.cfg.Hard
	}
	return min(max(2*l.cfg.Soft, 2*l.slowest), l.cfg.Hard)
}

// wake returns the next instant at which time alone changes something.
func (l *Lookup) wake(now time.Time) time.Time {
	var wake time.Time
	for _, c := range l.cands {
		if c.state != asked {
			continue
		}
		for _, d := range [...]time.Duration{l.cfg.Soft, l.patience(), l.cfg.Hard} {
			if t := c.at.Add(d); t.After(now) && (wake.IsZero() || t.Before(wake)) {
				wake = t
			}
		}
	}
	return wake
}

func (l *Lookup) expire(now time.Time) {
	for _, c := range l.cands {
		if c.state == asked && now.Sub(c.at) >= l.cfg.Hard {
			l.set(c, failed)
		}
	}
}

// load returns how many requests in flight hold the lookup up, and how many
// peers were late or failed. Where some were, more will be: twice as many are
// then asked at a time, and substitutes for those in flight ahead of need.
func (l *Lookup) load(now time.Time) (busy, late int) {
	late = l.counts[failed]
	for _, c := range l.cands {
		switch {
		case c.state != asked:
		case l.overdue(c, now):
			late++
		default:
			busy++
		}
	}
	return busy, late
}

func (l *Lookup) overdue(c *candidate, now time.Time) bool {
	return c.state == asked && now.Sub(c.at) >= l.cfg.Soft
}

func (l *Lookup) set(c *candidate, s candState) {
	l.counts[c.state]--
	c.state = s
	l.counts[s]++
}

package dht

import (
	"time"

	"altnet/engine/wire"
)

// maxQuiet bounds how far a bucket that never changes backs off: 2^3 times
// the refresh interval. An idle network must cost next to nothing.
const maxQuiet = 3

// A refresh asks refreshWidth peers of a bucket, and goes on while nobody
// answers, up to refreshMost.
const (
	refreshWidth = 2
	refreshMost  = 8
)

// schedule says when something is to be looked at again: at the base interval
// while things change, ever more rarely while they do not.
type schedule struct {
	last  time.Time
	quiet int
}

func (s *schedule) reset() { s.quiet = 0 }

func (s *schedule) due(now time.Time, base time.Duration) bool {
	return !now.Before(s.last.Add(base << s.quiet))
}

// done notes a look at now; the next one backs off unless reset says that
// something changed meanwhile.
func (s *schedule) done(now time.Time) {
	s.last = now
	s.quiet = min(s.quiet+1, maxQuiet)
}

// Refresh is one bucket to refresh: ask Peers, those who answered longest ago
// first, for the neighbourhood of Target, a random key of the bucket.
type Refresh struct {
	Target wire.Hash
	Peers  []wire.Peer
}

// Due returns the buckets to refresh at now and counts them as refreshed.
func (t *Table) Due(now time.Time, base time.Duration, random func() [32]byte) []Refresh {
	var out []Refresh
	for i := range t.buckets {
		b := &t.buckets[i]
		if len(b.entries) == 0 || !b.refresh.due(now, base) {
			continue
		}
		b.refresh.done(now)
		r := Refresh{Target: inBucket(t.self, i, random())}
		for _, e := range b.entries[:min(refreshMost, len(b.entries))] {
			r.Peers = append(r.Peers, e.peer)
		}
		out = append(out, r)
	}
	return out
}

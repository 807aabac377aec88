package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

const (
	// sweepPart is how many blocks one transaction of a sweep looks at:
	// writers wait for it.
	sweepPart = 4096
	// keepPassing is how long a block found by a batch with a root is safe
	// until the batch commits.
	keepPassing = 10 * time.Minute
)

// filter is a Bloom filter over hashes. What it takes for a member by mistake
// is garbage kept until the next sweep, which has another seed.
type filter struct {
	bits []uint64
	seed uint64
}

// newFilter makes a filter for n hashes: 16 bits and 4 probes each, so that
// one in 400 strangers passes.
func newFilter(n int) *filter {
	words := max(n/4, 64)
	return &filter{bits: make([]uint64, words), seed: rand.Uint64()}
}

// probe returns the word and the bit of one of the four probes. The hash is
// uniform already; the seed keeps a peer from choosing hashes that collide.
func (f *filter) probe(h *wire.Hash, i int) (word, bit uint64) {
	x := (binary.LittleEndian.Uint64(h[8*i:]) ^ f.seed) * 0x9e3779b97f4a7c15
	x ^= x >> 32
	return (x >> 6) % uint64(len(f.bits)), x & 63
}

func (f *filter) add(h *wire.Hash) {
	for i := range 4 {
		word, bit := f.probe(h, i)
		f.bits[word] |= 1 << bit
	}
}

func (f *filter) has(h *wire.Hash) bool {
	for i := range 4 {
		word, bit := f.probe(h, i)
		if f.bits[word]&(1<<bit) == 0 {
			return false
		}
	}
	return true
}

// liveMark is the mark of the sweep that is running, if any. Whoever adds to a
// root's list adds here too, in the same transaction, so that no sweep deletes
// what became live behind its back.
type liveMark struct {
	mu sync.Mutex
	f  *filter
}

func (m *liveMark) begin(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.f = newFilter(n)
}

func (m *liveMark) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.f = nil
}

func (m *liveMark) add(hashes []wire.Hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.f == nil {
		return
	}
	for i := range hashes {
		m.f.add(&hashes[i])
	}
}

// has reports whether h is marked; without a mark, everything is.
func (m *liveMark) has(h wire.Hash) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.f == nil || m.f.has(&h)
}

// keptSet remembers hashes for a while, in generations of one filter each.
type keptSet struct {
	mu   sync.Mutex
	gens []keptGen
}

type keptGen struct {
	f     *filter
	left  int       // hashes that still go into it
	until time.Time // when the last of them need not be remembered any more
}

const keptPerGen = 64 << 10

// add remembers h for life.
func (k *keptSet) add(h wire.Hash, now time.Time, life time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gens = slices.DeleteFunc(k.gens, func(g keptGen) bool { return g.until.Before(now) })
	last := len(k.gens) - 1
	if last < 0 || k.gens[last].left == 0 {
		// Small at first: most nodes publish little.
		n := 1 << 10
		if last >= 0 {
			n = keptPerGen
		}
		k.gens = append(k.gens, keptGen{f: newFilter(n), left: n})
		last++
	}
	g := &k.gens[last]
	if g.f.has(&h) && g.until.After(now.Add(life/2)) {
		return
	}
	g.f.add(&h)
	g.left--
	g.until = now.Add(life)
}

func (k *keptSet) has(h wire.Hash, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.gens, func(g keptGen) bool { return !g.until.Before(now) && g.f.has(&h) })
}

// makeRoom evicts cached sites, the least recently used first, until n bytes
// fit under the budget. ErrFull where what must stay leaves no room.
func (s *Store) makeRoom(ctx context.Context, n int64) error {
	if s.used()+n <= s.budget.Load() {
		return nil
	}
	s.evicting.Lock()
	defer s.evicting.Unlock()
	swept := false
	for {
		over := s.used() + n - s.budget.Load()
		if over <= 0 {
			return nil
		}
		// Somewhat more than needed, so that marking is seldom.
		victims := s.roots.victims(over+s.budget.Load()/20, time.Now())
		switch {
		case len(victims) > 0:
			if err := s.evictLocked(ctx, victims); err != nil {
				return err
			}
		case !swept:
			swept = true
			if err := s.sweepLocked(ctx); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%d bytes more than the budget of %d: %w", over, s.budget.Load(), ErrFull)
		}
	}
}

// victims returns cached roots to evict for n bytes.
func (rt *rootTable) victims(n int64, now time.Time) (victims []wire.Hash) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for h, rec := range rt.m {
		if rec.keep(now) == Cache && rt.inUse[h] == 0 {
			victims = append(victims, h)
		}
	}
	slices.SortFunc(victims, func(a, b wire.Hash) int {
		return cmp.Or(cmp.Compare(rt.m[a].Used, rt.m[b].Used), bytes.Compare(a[:], b[:]))
	})
	for i, h := range victims {
		// The size is what was claimed, and other roots may share the blocks:
		// the caller looks again after each round.
		if n -= rt.m[h].Size + rt.m[h].overhead(); n <= 0 {
			return victims[:i+1]
		}
	}
	return victims
}

// evictRoots evicts the given roots, those that are nothing but cache by now.
func (s *Store) evictRoots(ctx context.Context, roots []wire.Hash) error {
	s.evicting.Lock()
	defer s.evicting.Unlock()
	return s.evictLocked(ctx, roots)
}

// evictLocked forgets roots and frees the blocks that no other root lists,
// however new they are.
func (s *Store) evictLocked(ctx context.Context, roots []wire.Hash) error {
	var freed []wire.Hash
	for _, h := range roots {
		blocks, err := s.blocksOf(h)
		if err != nil {
			return fmt.Errorf("evict %s: %w", h, err)
		}
		gone, err := s.forgetRoot(ctx, h)
		if err != nil {
			return fmt.Errorf("evict %s: %w", h, err)
		}
		if gone {
			freed = append(freed, blocks...)
		}
	}
	if err := s.mark(); err != nil {
		return err
	}
	defer s.live.end()
	for part := range slices.Chunk(freed, sweepPart) {
		if err := s.removeDead(ctx, part, nil); err != nil {
			return fmt.Errorf("free blocks: %w", err)
		}
	}
	s.log.Debug("evicted sites", "roots", len(roots), "blocks", len(freed))
	s.wake()
	return nil
}

// forgetRoot deletes a root with its list, unless somebody wants it by now.
func (s *Store) forgetRoot(ctx context.Context, h wire.Hash) (gone bool, err error) {
	err = s.commit(ctx, func(t *txn) error {
		rec, ok, err := t.root(h)
		if err != nil {
			return err
		}
		if gone = ok && rec.keep(time.Now()) == Cache; !gone {
			return nil
		}
		t.then(func() { s.roots.set(h, nil) })
		for _, name := range [][]byte{bucketRoots, bucketLists, bucketLoose} {
			if err := deletePrefix(t.Bucket(name), h[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// mark begins a sweep: it notes every block that a root lists. The caller ends
// the mark.
func (s *Store) mark() error {
	s.live.begin(s.roots.listed())
	err := s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketLists).Cursor()
		var part []wire.Hash
		for k, v := c.First(); k != nil; k, v = c.Next() {
			part = part[:0]
			for ; len(v) >= len(wire.Hash{}); v = v[len(wire.Hash{}):] {
				part = append(part, wire.Hash(v[:len(wire.Hash{})]))
			}
			s.live.add(part)
		}
		part = part[:0]
		c = tx.Bucket(bucketLoose).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if len(k) == 2*len(wire.Hash{}) {
				part = append(part, wire.Hash(k[len(wire.Hash{}):]))
			}
			if len(part) == sweepPart {
				s.live.add(part)
				part = part[:0]
			}
		}
		s.live.add(part)
		return nil
	})
	if err != nil {
		s.live.end()
		return fmt.Errorf("mark live blocks: %w", err)
	}
	return nil
}

// listed counts the entries of all lists.
func (rt *rootTable) listed() (n int) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for _, rec := range rt.m {
		n += rec.Listed + rec.loose
	}
	return n
}

// removeDead deletes those of the blocks that are not marked, that nobody was
// told are here, and that may go by the given rule.
func (s *Store) removeDead(ctx context.Context, hashes []wire.Hash, may func(loc) bool) error {
	s.deleting.Lock()
	defer s.deleting.Unlock()
	now := time.Now()
	return s.commit(ctx, func(t *txn) error {
		for _, h := range hashes {
			l, ok := readLoc(t.Bucket(bucketIndex).Get(h[:]))
			if !ok || s.live.has(h) || s.kept.has(h, now) || s.passing.has(h, now) || may != nil && !may(l) {
				continue
			}
			if err := t.unindex(h, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sweep frees the blocks that no root lists and that are older than
// Config.Grace, deletes small records that have expired, writes down what was
// touched and compacts. The store does it by itself every Config.SweepEvery.
func (s *Store) Sweep(ctx context.Context) error {
	if err := s.flushTouches(ctx); err != nil {
		return err
	}
	if err := s.expireRecords(ctx); err != nil {
		return err
	}
	s.evicting.Lock()
	err := s.sweepLocked(ctx)
	s.evicting.Unlock()
	if err != nil {
		return err
	}
	return s.Compact(ctx)
}

func (s *Store) sweepLocked(ctx context.Context) error {
	if err := s.mark(); err != nil {
		return err
	}
	defer s.live.end()
	oldest := time.Now().Add(-s.cfg.Grace).Unix()
	may := func(l loc) bool { return int64(l.born) < oldest }
	for from := []byte{}; from != nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var garbage []wire.Hash
		var err error
		garbage, from, err = s.findGarbage(from, may)
		if err != nil {
			return fmt.Errorf("look for garbage: %w", err)
		}
		if len(garbage) == 0 {
			continue
		}
		if err := s.removeDead(ctx, garbage, may); err != nil {
			return fmt.Errorf("free blocks: %w", err)
		}
	}
	return nil
}

// findGarbage looks at part of the index and returns where to go on; nil at
// the end.
func (s *Store) findGarbage(from []byte, may func(loc) bool) (garbage []wire.Hash, next []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketIndex).Cursor()
		seen := 0
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if seen++; seen > 16*sweepPart || len(garbage) == sweepPart {
				next = bytes.Clone(k)
				return nil
			}
			if l, ok := readLoc(v); ok && len(k) == len(wire.Hash{}) && may(l) && !s.live.has(wire.Hash(k)) {
				garbage = append(garbage, wire.Hash(k))
			}
		}
		return nil
	})
	return garbage, next, err
}

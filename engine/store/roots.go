package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	bolt "go.etcd.io/bbolt"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Class says why a root is kept; a set of the bits below.
type Class uint8

// The classes. Cache alone is evicted, least recently used first; a lease that
// has run out counts as Cache.
const (
	Cache  Class = 1 << iota // read here once
	Leased                   // kept for others until a time
	Pinned                   // the user wants it kept
	Own                      // published here

	allClasses = Cache | Leased | Pinned | Own
)

// String returns the names of the classes, joined by "+".
func (c Class) String() string {
	var names []string
	for i, name := range []string{"cache", "leased", "pinned", "own"} {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// Limits of a root.
const (
	MaxRootBlocks = 1 << 22 // distinct blocks
	maxRootText   = 256     // bytes of Group and of User
	maxRootSize   = 1 << 45 // what larger claims count as, so that sums cannot overflow

	listPart     = 4096 // hashes per value of bucketLists
	rootOverhead = 4096 // bytes charged for a root, so that empty ones cost too
)

// Root is a site to keep.
type Root struct {
	Hash  wire.Hash
	Class Class              // what to add to the classes that it has
	Owner identity.PublicKey // site root key; whose quota a lease counts toward
	Group string             // IP group of who asked for the lease; at most 256 bytes
	User  string             // who published it here; at most 256 bytes
	Size  int64              // bytes of all distinct blocks

	LeaseUntil time.Time // for Leased; never moves back
	LeaseFirst uint64    // the leased range of Blocks
	LeaseCount uint64    // 0: to the end
	LeaseBytes int64     // bytes of the range; 0: Size

	// Blocks are the distinct blocks in canonical preorder. Nil: not known
	// (yet), or not to be changed.
	Blocks []wire.Hash
}

// RootInfo is what the store knows of a root.
type RootInfo struct {
	Root        // Blocks is nil; see BlockList
	Listed int  // blocks in the list; 0: it is not known
	Full   bool // every block of the list is held, as of the last look
	Added  time.Time
	Used   time.Time
}

// leased reports whether a lease runs.
func (r *rootRecord) leased(now time.Time) bool {
	return r.Class&Leased != 0 && r.Until > now.UnixMilli()
}

// keep returns the strongest class that holds the root at now.
func (r *rootRecord) keep(now time.Time) Class {
	switch {
	case r.Class&Own != 0:
		return Own
	case r.Class&Pinned != 0:
		return Pinned
	case r.leased(now):
		return Leased
	}
	return Cache
}

// rootRecord is a root on disk and in memory.
type rootRecord struct {
	Class  Class              `cbor:"1,keyasint"`
	Owner  identity.PublicKey `cbor:"2,keyasint"`
	Group  string             `cbor:"3,keyasint,omitempty"`
	User   string             `cbor:"4,keyasint,omitempty"`
	Size   int64              `cbor:"5,keyasint"`
	Until  int64              `cbor:"6,keyasint,omitempty"` // unix milliseconds, as all times here
	First  uint64             `cbor:"7,keyasint,omitempty"`
	Count  uint64             `cbor:"8,keyasint,omitempty"`
	Lease  int64              `cbor:"9,keyasint,omitempty"`
	Added  int64              `cbor:"10,keyasint"`
	Used   int64              `cbor:"11,keyasint"`
	Listed int                `cbor:"12,keyasint,omitempty"`
	Full   bool               `cbor:"13,keyasint,omitempty"`

	loose int // blocks in bucketLoose
}

// leaseCost is what a lease counts toward quotas.
func (r *rootRecord) leaseCost() int64 {
	n := r.Size
	if r.Lease > 0 {
		n = r.Lease
	}
	return n + r.overhead()
}

// overhead is what the root costs beside its blocks.
func (r *rootRecord) overhead() int64 {
	return rootOverhead + int64(r.Listed)*32 + int64(r.loose)*64
}

func (r *rootRecord) info(h wire.Hash) RootInfo {
	return RootInfo{
		Root: Root{
			Hash: h, Class: r.Class, Owner: r.Owner, Group: r.Group, User: r.User, Size: r.Size,
			LeaseUntil: timeOf(r.Until), LeaseFirst: r.First, LeaseCount: r.Count, LeaseBytes: r.Lease,
		},
		Listed: r.Listed, Full: r.Full, Added: timeOf(r.Added), Used: timeOf(r.Used),
	}
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// millis clamps a time that a peer may have chosen to what fits.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// merge returns the record with what r adds to it.
func (old rootRecord) merge(r Root, now time.Time) rootRecord {
	rec := old
	if rec.Added == 0 {
		rec.Added = now.UnixMilli()
	}
	rec.Used = now.UnixMilli()
	rec.Class |= r.Class
	if r.Size > 0 {
		rec.Size = min(r.Size, maxRootSize)
	}
	if !r.Owner.IsZero() {
		rec.Owner = r.Owner
	}
	if r.User != "" {
		rec.User = r.User
	}
	if r.Class&Leased != 0 {
		if !old.leased(now) || rec.Group == "" {
			rec.Group = r.Group // the first who asked pays as long as the lease runs
		}
		rec.Until = max(rec.Until, millis(r.LeaseUntil))
		rec.First, rec.Count, rec.Lease = r.LeaseFirst, r.LeaseCount, min(r.LeaseBytes, maxRootSize)
	}
	if r.Blocks != nil {
		rec.Listed, rec.Full = len(r.Blocks), false
	}
	return rec
}

// LeasedBytes returns what runs under lease for an owner.
func (s *Store) LeasedBytes(owner identity.PublicKey) int64 {
	return s.roots.leasedBytes(func(r *rootRecord) bool { return r.Owner == owner })
}

// LeasedBytesGroup returns what runs under lease because an IP group asked.
func (s *Store) LeasedBytesGroup(group string) int64 {
	return s.roots.leasedBytes(func(r *rootRecord) bool { return r.Group == group })
}

// AddRoot adds a root, or classes, a lease or the list to one that is there.
// The blocks need not be held yet, but from here on those that are stay. The
// answer says whether all of them are: whoever acknowledges a root to somebody
// looks at Full first.
func (s *Store) AddRoot(ctx context.Context, r Root) (RootInfo, error) {
	if err := r.check(); err != nil {
		return RootInfo{}, err
	}
	if err := s.makeRootRoom(ctx, r); err != nil {
		return RootInfo{}, fmt.Errorf("add a site: %w", err)
	}
	err := s.commit(ctx, func(t *txn) error {
		rec, _, err := t.root(r.Hash)
		if err != nil {
			return err
		}
		rec = rec.merge(r, time.Now())
		if r.Blocks != nil {
			if err := t.putList(r.Hash, r.Blocks); err != nil {
				return err
			}
			if err := deletePrefix(t.Bucket(bucketLoose), r.Hash[:]); err != nil {
				return err
			}
			rec.loose = 0
			s.live.add(r.Blocks) // a sweep may be under way
		}
		return s.putRoot(t, r.Hash, rec)
	})
	if err != nil {
		return RootInfo{}, fmt.Errorf("add a site: %w", err)
	}
	return s.freshInfo(r.Hash)
}

// makeRootRoom finds room for a root itself: bytes for its list, and a place
// in the table, which lies in memory.
func (s *Store) makeRootRoom(ctx context.Context, r Root) error {
	old, known := s.roots.get(r.Hash)
	extra := 32 * int64(max(0, len(r.Blocks)-old.Listed))
	if !known {
		extra += rootOverhead
		if err := s.makePlace(ctx); err != nil {
			return err
		}
	}
	return s.makeRoom(ctx, extra)
}

// makePlace evicts cached roots while the table is full.
func (s *Store) makePlace(ctx context.Context) error {
	if s.roots.count() < s.cfg.MaxRoots {
		return nil
	}
	s.evicting.Lock()
	defer s.evicting.Unlock()
	victims := s.roots.victims(math.MaxInt64, time.Now())
	if len(victims) == 0 {
		return fmt.Errorf("%d sites: %w", s.cfg.MaxRoots, ErrFull)
	}
	return s.evictLocked(ctx, victims[:min(len(victims), 1+s.cfg.MaxRoots/64)])
}

func (r *Root) check() error {
	switch {
	case r.Class&^allClasses != 0:
		return fmt.Errorf("add a site: class %#x is not known", uint8(r.Class))
	case len(r.Blocks) > MaxRootBlocks:
		return fmt.Errorf("site of %d blocks: %w", len(r.Blocks), ErrTooLarge)
	case len(r.Group) > maxRootText || len(r.User) > maxRootText:
		return fmt.Errorf("name of a group or user: %w", ErrTooLarge)
	case r.Size < 0 || r.LeaseBytes < 0:
		return fmt.Errorf("add a site: negative size")
	}
	return nil
}

// freshInfo returns a root after a look at which of its blocks are held.
func (s *Store) freshInfo(h wire.Hash) (RootInfo, error) {
	if _, _, _, err := s.Bitmap(h); err != nil {
		return RootInfo{}, err
	}
	info, ok := s.Root(h)
	if !ok {
		return RootInfo{}, ErrUnknownRoot
	}
	return info, nil
}

// Root returns what is known of a root.
func (s *Store) Root(h wire.Hash) (RootInfo, bool) {
	rec, ok := s.roots.get(h)
	if !ok {
		return RootInfo{}, false
	}
	return rec.info(h), true
}

// Roots returns every root, in no order.
func (s *Store) Roots() []RootInfo {
	s.roots.mu.Lock()
	defer s.roots.mu.Unlock()
	infos := make([]RootInfo, 0, len(s.roots.m))
	for h, rec := range s.roots.m {
		infos = append(infos, rec.info(h))
	}
	return infos
}

// DropClass takes classes from a root. A root without any is forgotten, and
// the blocks that no other root lists are freed before long.
func (s *Store) DropClass(ctx context.Context, h wire.Hash, c Class) error {
	gone := false
	err := s.commit(ctx, func(t *txn) error {
		rec, ok, err := t.root(h)
		if err != nil || !ok {
			return err
		}
		gone = rec.dropClass(c)
		return s.putRoot(t, h, rec)
	})
	if err != nil {
		return fmt.Errorf("release a site: %w", err)
	}
	if gone {
		return s.evictRoots(ctx, []wire.Hash{h})
	}
	return nil
}

// dropClass takes classes from a root. One that has none left becomes cache.
func (r *rootRecord) dropClass(c Class) (gone bool) {
	r.Class &^= c
	if c&Leased != 0 {
		r.Until, r.First, r.Count, r.Lease, r.Group = 0, 0, 0, 0, ""
	}
	if c&Own != 0 {
		r.User = ""
	}
	if gone = r.Class == 0; gone {
		r.Class, r.Used = Cache, 1 // first in line for eviction, which frees its blocks
	}
	return gone
}

// Touch notes that a root was read now, for the order of eviction. It is
// written to disk with the next sweep or at Close.
func (s *Store) Touch(h wire.Hash) {
	s.roots.mu.Lock()
	defer s.roots.mu.Unlock()
	if rec := s.roots.m[h]; rec != nil {
		rec.Used = time.Now().UnixMilli()
		s.roots.touched[h] = struct{}{}
	}
}

// flushTouches writes down what Touch and Bitmap noted.
func (s *Store) flushTouches(ctx context.Context) error {
	s.roots.mu.Lock()
	dirty := make(map[wire.Hash]rootRecord, len(s.roots.touched))
	for h := range s.roots.touched {
		dirty[h] = *s.roots.m[h]
	}
	clear(s.roots.touched)
	gen := s.removals.Load()
	s.roots.mu.Unlock()
	if len(dirty) == 0 {
		return nil
	}
	return s.commit(ctx, func(t *txn) error {
		for h, seen := range dirty {
			rec, ok, err := t.root(h)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			rec.Used = max(rec.Used, seen.Used)
			rec.Full = rec.Full || seen.Full && rec.Listed == seen.Listed && s.removals.Load() == gen
			if err := t.saveRoot(h, rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// root reads a root within the transaction.
func (t *txn) root(h wire.Hash) (rec rootRecord, ok bool, err error) {
	v := t.Bucket(bucketRoots).Get(h[:])
	if v == nil {
		return rec, false, nil
	}
	if rec, err = readRoot(v); err != nil {
		return rec, false, fmt.Errorf("read site %s: %w", h, err)
	}
	return rec, true, nil
}

// errDamaged: a value of the index that this store never writes.
var errDamaged = errors.New("the index is damaged")

func readRoot(v []byte) (rec rootRecord, err error) {
	if err := cbor.Unmarshal(v, &rec); err != nil {
		return rec, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if rec.Class&^allClasses != 0 || rec.Listed < 0 || rec.Listed > MaxRootBlocks || rec.Size < 0 || rec.Lease < 0 {
		return rec, errDamaged
	}
	return rec, nil
}

func (t *txn) saveRoot(h wire.Hash, rec rootRecord) error {
	v, err := cbor.Marshal(rec)
	if err != nil {
		return err
	}
	return t.Bucket(bucketRoots).Put(h[:], v)
}

// putRoot saves a root, and in memory once that is durable.
func (s *Store) putRoot(t *txn, h wire.Hash, rec rootRecord) error {
	if err := t.saveRoot(h, rec); err != nil {
		return err
	}
	t.then(func() {
		if rec.Listed == 0 { // counted in memory only
			old, _ := s.roots.get(h)
			rec.loose = old.loose
		}
		s.roots.set(h, &rec)
	})
	return nil
}

// loadRoots reads all roots at Open.
func (s *Store) loadRoots() error {
	return s.db.View(func(tx *bolt.Tx) error {
		t := &txn{Tx: tx}
		err := tx.Bucket(bucketRoots).ForEach(func(k, _ []byte) error {
			if len(k) != len(wire.Hash{}) {
				return nil
			}
			h := wire.Hash(k)
			rec, _, err := t.root(h)
			if err == nil {
				s.roots.set(h, &rec)
			}
			return err
		})
		if err != nil {
			return err
		}
		return tx.Bucket(bucketLoose).ForEach(func(k, _ []byte) error {
			if len(k) == 2*len(wire.Hash{}) {
				s.roots.addLoose(wire.Hash(k[:len(wire.Hash{})]), 1)
			}
			return nil
		})
	})
}

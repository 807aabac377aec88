package engine

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// shares decides what this node hands out: blocks of sites that it publishes,
// pins or keeps for others, asked for as part of them, until their owner
// withdraws them. What was merely read is
// nobody's business: an answer would tell what somebody here reads. So it is
// handed out only where the person chose that.
type shares struct {
	store *store.Store
	gone  func(root wire.Hash) bool // whether its owner withdrew a site that is kept
	read  func(root wire.Hash) bool // whether a site that was read is shared, too

	mu    sync.Mutex
	sites *lru.LRU[wire.Hash, blockSet]
	sum   int // of the lengths of the sets
}

// maxShareSums bounds the block sets in memory together, 8 bytes a block; the
// set used last stays, whatever its length.
const maxShareSums = 1 << 20

// blockSet is the blocks of one site, as the sorted first eight bytes of their
// hashes: to make another's block pass for one of them takes 2^64 hashes.
type blockSet []uint64

func newBlockSet(hashes []wire.Hash) blockSet {
	set := make(blockSet, len(hashes))
	for i, h := range hashes {
		set[i] = binary.BigEndian.Uint64(h[:])
	}
	slices.Sort(set)
	return set
}

func (b blockSet) has(h wire.Hash) bool {
	_, ok := slices.BinarySearch(b, binary.BigEndian.Uint64(h[:]))
	return ok
}

func newShares(s *store.Store, gone, read func(wire.Hash) bool) *shares {
	sh := &shares{store: s, gone: gone, read: read}
	sh.sites, _ = lru.NewLRU(1<<16, func(_ wire.Hash, set blockSet) { sh.sum -= len(set) }) // fails for sizes below one only
	return sh
}

// shared reports whether a site is one that this node shares.
func (s *shares) shared(root wire.Hash) bool {
	info, ok := s.store.Root(root)
	return ok && (info.Class&(store.Own|store.Pinned) != 0 && !s.gone(root) || info.Leased(time.Now()) || s.read(root))
}

// site returns what may be handed out as part of a site.
func (s *shares) site(_ context.Context, root wire.Hash) (site.Blocks, bool) {
	if !s.shared(root) {
		return nil, false
	}
	set, ok := s.set(root)
	if !ok {
		return nil, false
	}
	return sharedBlocks{s.store, set}, true
}

// set returns the blocks of a shared site. They are known from the time that
// its tree is here, and no others are handed out. A root has one list, so that
// what is remembered never goes stale.
func (s *shares) set(root wire.Hash) (blockSet, bool) {
	s.mu.Lock()
	set, ok := s.sites.Get(root)
	s.mu.Unlock()
	if ok {
		return set, true
	}
	hashes, err := s.store.BlockList(root)
	if err != nil {
		return nil, false
	}
	set = newBlockSet(hashes)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sites.Contains(root) {
		s.sum += len(set)
		s.sites.Add(root, set)
	}
	for s.sum > maxShareSums && s.sites.Len() > 1 {
		s.sites.RemoveOldest()
	}
	return set, true
}

// have says which blocks of a site are here, if it is shared.
func (s *shares) have(_ context.Context, root wire.Hash) (wire.Have, error) {
	if !s.shared(root) {
		return wire.Have{}, nil
	}
	bits, count, full, err := s.store.Bitmap(root)
	if err != nil {
		return wire.Have{}, err
	}
	return wire.Have{Count: uint64(count), Full: full, Bitmap: bits}, nil
}

// sharedBlocks is the blocks of one site.
type sharedBlocks struct {
	store *store.Store
	set   blockSet
}

// Get implements site.Blocks.
func (b sharedBlocks) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	if !b.set.has(h) {
		return nil, &site.MissingError{Hash: h, Count: 1}
	}
	return b.store.Get(ctx, h, buf)
}

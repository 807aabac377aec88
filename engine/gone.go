package engine

import (
	"context"
	"sync"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// gone is the content that is kept here of withdrawn sites alone: the author's
// versions, for a change of mind, and what somebody pinned. It stays, and is
// handed out no longer.
type gone struct {
	looking sync.Mutex // held from reading the books to writing roots
	mu      sync.Mutex
	roots   map[wire.Hash]bool
}

// isGone reports whether nothing that stands names a root that is kept here.
func (s *sites) isGone(root wire.Hash) bool {
	s.gone.mu.Lock()
	defer s.gone.mu.Unlock()
	return s.gone.roots[root]
}

// lookWhatIsGone reads the books again, after a change in them.
func (s *sites) lookWhatIsGone() error {
	s.gone.looking.Lock()
	defer s.gone.looking.Unlock()
	stands := map[wire.Hash]bool{}
	note := func(root wire.Hash, raw []byte) {
		r, err := record.Parse(raw)
		stands[root] = stands[root] || err != nil || !r.Tombstone()
	}
	err := each(s.own, func(_ identity.PublicKey, en entry) {
		for _, v := range en.Versions {
			note(v.Root, en.Record)
		}
	})
	if err != nil {
		return err
	}
	if err := each(s.pins, func(_ identity.PublicKey, p pinEntry) { note(p.Root, p.Record) }); err != nil {
		return err
	}
	roots := map[wire.Hash]bool{}
	for root, stands := range stands {
		if !stands {
			roots[root] = true
		}
	}
	s.gone.mu.Lock()
	defer s.gone.mu.Unlock()
	s.gone.roots = roots
	return nil
}

// savePin writes down what a user keeps.
func (s *sites) savePin(ctx context.Context, key []byte, p pinEntry) error {
	if err := save(ctx, s.pins, key, p); err != nil {
		return storeError(err)
	}
	return s.lookWhatIsGone()
}

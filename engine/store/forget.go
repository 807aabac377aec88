package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"altnet/engine/wire"
)

// Budget returns the budget in force.
func (s *Store) Budget() int64 { return s.budget.Load() }

// SetBudget changes the budget and evicts cached sites until the store fits
// it. What must be kept stays, however small the budget is: then nothing new
// is stored.
func (s *Store) SetBudget(ctx context.Context, bytes int64) error {
	s.budget.Store(bytes)
	if err := s.makeRoom(ctx, 0); err != nil && !errors.Is(err, ErrFull) {
		return fmt.Errorf("fit the budget: %w", err)
	}
	s.wake()
	return nil
}

// Forget ends every lease and erases every site that is neither published nor
// pinned here, in use or not, and what was dropped before. The bytes are gone from the
// disk when it returns; it tells how many the store takes less.
func (s *Store) Forget(ctx context.Context) (int64, error) {
	before := s.used()
	var gone, leased []wire.Hash
	for _, r := range s.Roots() {
		if r.Class&(Own|Pinned) == 0 {
			gone = append(gone, r.Hash)
		}
		if r.Class&Leased != 0 {
			leased = append(leased, r.Hash)
		}
	}
	for part := range slices.Chunk(leased, sweepPart) {
		if err := s.endLeases(ctx, part); err != nil {
			return 0, err
		}
	}
	if err := s.evictRoots(ctx, gone); err != nil {
		return 0, err
	}
	if err := s.compactAll(ctx); err != nil {
		return 0, err
	}
	return max(0, before-s.used()), nil
}

// endLeases makes roots that are leased cached ones.
func (s *Store) endLeases(ctx context.Context, roots []wire.Hash) error {
	err := s.commit(ctx, func(t *txn) error {
		for _, h := range roots {
			rec, ok, err := t.root(h)
			if err != nil {
				return err
			}
			if !ok || rec.Class&Leased == 0 {
				continue
			}
			rec.dropClass(Leased)
			if err := s.putRoot(t, h, rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("end leases: %w", err)
	}
	return nil
}

// compactAll leaves no byte on the disk that no block needs.
func (s *Store) compactAll(ctx context.Context) error {
	s.tidying.Lock()
	defer s.tidying.Unlock()
	s.app.seal()
	last := s.packs.last()
	return s.compactWhile(ctx, func() *pack {
		return s.packs.emptiest(func(p *pack) bool { return p.id <= last && p.stat.live < p.stat.end-packHeader })
	})
}

// seal closes the active pack, so that it can be compacted.
func (a *appender) seal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active != nil {
		a.sealLocked()
	}
}

// last returns the highest pack there is.
func (ps *packSet) last() (id uint32) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for have := range ps.byID {
		id = max(id, have)
	}
	return id
}

package store

import (
	"context"
	"sync"
	"time"

	"altnet/engine/wire"
)

// View is the store as one site sees it. What is put through it belongs to the
// site's root, which becomes a Cache root where it is not kept yet; reading
// through it counts as using the root, and while it is open the root is not
// evicted.
type View struct {
	s     *Store
	root  wire.Hash
	close sync.Once
}

// For opens a View of a root, held here or not. Close it.
func (s *Store) For(root wire.Hash) *View {
	s.roots.mu.Lock()
	s.roots.inUse[root]++
	s.roots.mu.Unlock()
	s.Touch(root)
	return &View{s: s, root: root}
}

// Close lets go of the root.
func (v *View) Close() error {
	v.close.Do(func() {
		v.s.Touch(v.root)
		v.s.roots.mu.Lock()
		defer v.s.roots.mu.Unlock()
		if v.s.roots.inUse[v.root]--; v.s.roots.inUse[v.root] == 0 {
			delete(v.s.roots.inUse, v.root)
		}
	})
	return nil
}

// Root returns the root.
func (v *View) Root() wire.Hash { return v.root }

// Get is Store.Get.
func (v *View) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	return v.s.Get(ctx, h, buf)
}

// Section is Store.Section.
func (v *View) Section(h wire.Hash) (Section, error) { return v.s.Section(h) }

// Has is Store.Has.
func (v *View) Has(h wire.Hash) bool { return v.s.Has(h) }

// HasMany is Store.HasMany.
func (v *View) HasMany(hashes []wire.Hash) []bool { return v.s.HasMany(hashes) }

// Put stores a verified block of the root.
func (v *View) Put(ctx context.Context, h wire.Hash, data []byte) error {
	b := v.NewBatch()
	defer b.Discard()
	if err := b.PutContext(ctx, h, data); err != nil {
		return err
	}
	return b.Commit(ctx)
}

// NewBatch returns an empty batch whose blocks belong to the root.
func (v *View) NewBatch() *Batch { return &Batch{s: v.s, root: v.root} }

// ownLoose notes blocks as the root's own where it has no list that would say so.
func (s *Store) ownLoose(t *txn, root wire.Hash, puts []put, dups []wire.Hash) error {
	if root.IsZero() {
		return nil
	}
	rec, ok, err := t.root(root)
	if err != nil || rec.Listed > 0 {
		return err
	}
	if !ok {
		rec = rec.merge(Root{Class: Cache}, time.Now())
		if err := s.putRoot(t, root, rec); err != nil {
			return err
		}
	}
	own := make([]wire.Hash, 0, len(puts)+len(dups))
	for _, p := range puts {
		own = append(own, p.hash)
	}
	own = append(own, dups...)
	loose, added := t.Bucket(bucketLoose), 0
	for _, h := range own {
		k := append(root[:len(root):len(root)], h[:]...)
		if loose.Get(k) != nil {
			continue
		}
		if err := loose.Put(k, []byte{}); err != nil {
			return err
		}
		added++
	}
	s.live.add(own)
	t.then(func() { s.roots.addLoose(root, added) })
	return nil
}

package engine

import (
	"context"
	"fmt"
	"slices"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// ownBlocks is the blocks that one user of a service published, pinned or put
// here: what else the node holds would tell what somebody else reads.
type ownBlocks struct {
	store   *store.Store
	sets    []blockSet
	uploads *uploads
	user    string
}

func (b ownBlocks) has(h wire.Hash) bool {
	return slices.ContainsFunc(b.sets, func(s blockSet) bool { return s.has(h) }) || b.uploads.has(b.user, h)
}

// Get implements site.Blocks.
func (b ownBlocks) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	if !b.has(h) {
		return nil, &site.MissingError{Hash: h, Count: 1}
	}
	return b.store.Get(ctx, h, buf)
}

// ownBlocks returns what a user of a service has here. Who has shown
// the key of a site has its versions, too.
func (e *Engine) ownBlocks(caller control.Caller, key identity.PublicKey) (ownBlocks, error) {
	var roots []wire.Hash
	err := each(e.sites.own, func(owner identity.PublicKey, en entry) {
		if caller.Owns(en.User) || !key.IsZero() && owner == key {
			for _, v := range en.Versions {
				roots = append(roots, v.Root)
			}
		}
	})
	if err != nil {
		return ownBlocks{}, err
	}
	err = each(e.sites.pins, func(_ identity.PublicKey, p pinEntry) {
		if caller.Owns(p.User) {
			roots = append(roots, p.Root)
		}
	})
	b := ownBlocks{store: e.store, uploads: e.uploads, user: caller.User}
	for _, root := range roots {
		if set, ok := e.shares.set(root); ok {
			b.sets = append(b.sets, set)
		}
	}
	return b, err
}

// HaveBlocks implements control.Control. What is held is kept for a day, so
// that the answer still holds when the site is published. Who shares the node
// with others is told of their own blocks alone.
func (e *Engine) HaveBlocks(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	caller := control.CallerFrom(ctx)
	if !caller.OneOfMany() {
		return e.store.Keep(hashes), nil
	}
	own, err := e.ownBlocks(caller, identity.PublicKey{})
	if err != nil {
		return nil, err
	}
	have := make([]bool, len(hashes))
	for i, h := range hashes {
		have[i] = own.has(h) && e.store.Keep([]wire.Hash{h})[0]
	}
	return have, nil
}

// noteUpload returns what is told of every block that a caller puts here.
func (e *Engine) noteUpload(caller control.Caller) func(wire.Hash, int) error {
	if !caller.OneOfMany() {
		return func(wire.Hash, int) error { return nil }
	}
	most := e.uploadRoom(caller.User)
	return func(h wire.Hash, size int) error { return e.uploads.add(caller.User, h, size, most) }
}

// blocksToPublish returns the blocks of a site that a record names: all of
// them are here and, where others share the node, the caller's. What is not
// here and what is not theirs look the same.
func (e *Engine) blocksToPublish(ctx context.Context, r *record.Record, proof []byte) ([]wire.Hash, error) {
	caller := control.CallerFrom(ctx)
	if !caller.OneOfMany() {
		blocks, err := site.Preorder(ctx, r.Content, e.store)
		return blocks, siteError(err)
	}
	if !r.ProvedBy(proof, e.key.ID().String(), caller.User) {
		return nil, errUnproved // before anything of it is sent here
	}
	own, err := e.ownBlocks(caller, r.Root)
	if err != nil {
		return nil, err
	}
	blocks, err := site.Preorder(ctx, r.Content, own)
	if err != nil {
		return nil, siteError(err)
	}
	for _, h := range blocks {
		if !own.has(h) {
			return nil, missing(r.Content)
		}
	}
	return blocks, nil
}

// missing is what is said where blocks of a site are not here.
func missing(root wire.Hash) error {
	return control.Mark(control.ErrMissing, fmt.Errorf("blocks of %s are not here", root))
}

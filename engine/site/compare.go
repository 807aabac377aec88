package site

import (
	"context"
	"fmt"
	"os"

	"altnet/engine/wire"
)

// Compare says how a folder differs from an earlier version of the site, and
// under which root it would be published. It reads the folder whole and stores
// nothing. progress may be nil. Errors are those of Build and Diff.
func Compare(ctx context.Context, plan *Plan, earlier *FS, progress func(Progress)) ([]Change, wire.Hash, error) {
	if err := plan.Err(); err != nil {
		return nil, wire.Hash{}, err
	}
	dir, err := os.OpenRoot(plan.Dir)
	if err != nil {
		return nil, wire.Hash{}, fmt.Errorf("open folder: %w", err)
	}
	defer dir.Close()
	b := newBuilder(plan, dir, nowhere{}, progress)
	if err := b.readAll(ctx); err != nil {
		return nil, wire.Hash{}, fmt.Errorf("compare %s: %w", plan.Dir, err)
	}
	root, _, err := b.compose(ctx)
	if err != nil {
		return nil, wire.Hash{}, fmt.Errorf("compare %s: %w", plan.Dir, err)
	}
	now, err := Open(ctx, root, b.nodes)
	if err != nil {
		return nil, wire.Hash{}, err
	}
	changes, err := Diff(earlier, now)
	return changes, root, err
}

// nowhere is a Sink that has everything already, so that it is given nothing.
type nowhere struct{}

// HasMany implements Sink.
func (nowhere) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	has := make([]bool, len(hashes))
	for i := range has {
		has[i] = true
	}
	return has, nil
}

// PutBatch implements Sink.
func (nowhere) PutBatch(context.Context, []Block) error { return nil }

// Flush implements Sink.
func (nowhere) Flush(context.Context) error { return nil }

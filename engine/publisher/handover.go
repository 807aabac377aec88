package publisher

import (
	"context"

	"altnet/engine/control"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// handOver is a site.Sink that gives blocks to a node: it may not be able to
// read the author's folder.
type handOver struct{ node control.Control }

// HasMany implements site.Sink.
func (h handOver) HasMany(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	return h.node.HaveBlocks(ctx, hashes)
}

// PutBatch implements site.Sink.
func (h handOver) PutBatch(ctx context.Context, blocks []site.Block) error {
	return h.node.PutBlocks(ctx, func(yield func(wire.Hash, []byte) bool) {
		for _, b := range blocks {
			if !yield(b.Hash, b.Data) {
				return
			}
		}
	})
}

// Flush implements site.Sink: PutBlocks returns when the blocks are durable.
func (h handOver) Flush(context.Context) error { return nil }

package publisher

import (
	"context"

	"altnet/engine/control"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// handOver is a site.Sink that gives blocks to a node: it may not be able to
// read the author's folder. All batches go into one upload, so that reading
// and hashing go on while the node waits for its disk. It serves one caller
// at a time, who closes it.
type handOver struct {
	node   control.Control
	ctx    context.Context // of the upload; that of a PutBatch may end before Flush
	cancel context.CancelFunc
	up     *upload // nil while nothing is under way
}

// upload is one PutBlocks under way.
type upload struct {
	batches chan []site.Block
	taken   chan struct{} // the batch is read, its memory the caller's again
	done    chan struct{} // err is set
	err     error
}

func newHandOver(ctx context.Context, node control.Control) *handOver {
	h := &handOver{node: node}
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h
}

// HasMany implements site.Sink.
func (h *handOver) HasMany(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	return h.node.HaveBlocks(ctx, hashes)
}

// PutBatch implements site.Sink.
func (h *handOver) PutBatch(ctx context.Context, blocks []site.Block) error {
	if h.up == nil {
		h.up = h.begin()
	}
	defer context.AfterFunc(ctx, h.cancel)()
	select {
	case h.up.batches <- blocks:
	case <-h.up.done:
		return h.up.failed()
	}
	select {
	case <-h.up.taken:
		return nil
	case <-h.up.done:
		return h.up.failed()
	}
}

func (h *handOver) begin() *upload {
	u := &upload{batches: make(chan []site.Block), taken: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.err = h.node.PutBlocks(h.ctx, func(yield func(wire.Hash, []byte) bool) { u.each(h.ctx, yield) })
		if u.err == nil {
			u.err = h.ctx.Err()
		}
	}()
	return u
}

// each yields blocks until there are no more batches.
func (u *upload) each(ctx context.Context, yield func(wire.Hash, []byte) bool) {
	for {
		select {
		case blocks, ok := <-u.batches:
			if !ok {
				return
			}
			for _, b := range blocks {
				if !yield(b.Hash, b.Data) {
					return
				}
			}
			u.taken <- struct{}{}
		case <-ctx.Done():
			return
		}
	}
}

// failed returns why an upload ended that was still given batches.
func (u *upload) failed() error {
	if u.err != nil {
		return u.err
	}
	return control.ErrClosed // a node that says it has everything, and did not listen
}

// Flush implements site.Sink: PutBlocks returns when the blocks are durable.
func (h *handOver) Flush(context.Context) error {
	if h.up == nil {
		return nil
	}
	u := h.up
	h.up = nil
	close(u.batches)
	<-u.done
	return u.err
}

// close gives up what was not flushed.
func (h *handOver) close() {
	h.cancel()
	if h.up != nil {
		<-h.up.done
	}
}

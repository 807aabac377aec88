package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"

	"altnet/engine/control"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// parcelSize is how many bytes of blocks are verified and stored in one go.
const parcelSize = 4 * wire.MaxBlock

// parcel carries copies of blocks to those who verify them.
type parcel struct {
	hashes []wire.Hash
	ends   []int // of the blocks in data
	data   []byte
}

// PutBlocks implements control.Control. All processors verify and store while
// more comes in.
func (e *Engine) PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	batch := e.store.NewBatch()
	defer batch.Discard()
	note := e.noteUpload(control.CallerFrom(ctx))
	workers := runtime.GOMAXPROCS(0)
	group, working := errgroup.WithContext(ctx)
	free, full := make(chan *parcel, workers+1), make(chan *parcel)
	for range cap(free) {
		free <- &parcel{}
	}
	for range workers {
		group.Go(func() error {
			for p := range full {
				if err := p.store(working, batch, note); err != nil {
					return err
				}
				free <- p // as many places as parcels: never blocks
			}
			return nil
		})
	}
	group.Go(func() error { defer close(full); return pack(working, blocks, free, full) })
	if err := group.Wait(); err != nil {
		return storeError(err)
	}
	return storeError(batch.Commit(ctx))
}

// pack copies blocks into parcels.
func pack(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte], free <-chan *parcel, full chan<- *parcel) error {
	var p *parcel
	send := func() error {
		select {
		case full <- p:
			p = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for h, data := range blocks {
		if len(data) > wire.MaxBlock {
			return control.Mark(control.ErrInvalid, fmt.Errorf("block %s is larger than %d bytes", h, wire.MaxBlock))
		}
		if p != nil && len(p.data)+len(data) > parcelSize {
			if err := send(); err != nil {
				return err
			}
		}
		if p == nil {
			select {
			case p = <-free:
				p.reset()
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		p.add(h, data)
	}
	if p == nil {
		return ctx.Err()
	}
	return send()
}

func (p *parcel) reset() {
	if p.data == nil {
		p.data = make([]byte, 0, parcelSize)
	}
	p.hashes, p.ends, p.data = p.hashes[:0], p.ends[:0], p.data[:0]
}

func (p *parcel) add(h wire.Hash, data []byte) {
	p.data = append(p.data, data...)
	p.hashes, p.ends = append(p.hashes, h), append(p.ends, len(p.data))
}

// store verifies the blocks, has each noted and puts it into the batch.
func (p *parcel) store(ctx context.Context, batch *store.Batch, note func(wire.Hash, int) error) error {
	start := 0
	for i, h := range p.hashes {
		data := p.data[start:p.ends[i]]
		start = p.ends[i]
		if sha256.Sum256(data) != h {
			return control.Mark(control.ErrInvalid, fmt.Errorf("block %s: its bytes have another hash", h))
		}
		if err := note(h, len(data)); err != nil {
			return err
		}
		if err := batch.PutContext(ctx, h, data); err != nil {
			return err
		}
	}
	return nil
}

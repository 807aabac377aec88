package site

import (
	"context"
	"fmt"
	"sync"

	"altnet/engine/wire"
)

// Remote is a site's Blocks backed by the peers that hold it: a block that is
// not here is fetched, verified, stored and returned. Readers who want the same
// block share one request. Opened through an FS, the first miss under a path
// asks one holder for all that the path needs, so that a cold page takes one
// round trip. It holds goroutines only while blocks are on their way. Close it
// when the site is not read any more.
type Remote struct {
	f     *Fetcher
	local Blocks
	s     *swarm
	paths map[string]*pathFetch // under the swarm's lock
	close sync.Once
}

// NewRemote returns the Blocks of one site. local is asked first; it sees what
// came through the Fetcher's sinks.
func NewRemote(local Blocks, f *Fetcher, root wire.Hash) *Remote {
	r := &Remote{f: f, local: local, s: f.newSwarm(f.ctx, root, f.quick), paths: map[string]*pathFetch{}}
	r.s.flush = true
	return r
}

// Close ends what is on its way, whose readers get ErrClosed.
func (r *Remote) Close() error {
	r.close.Do(r.s.stop)
	return nil
}

// Reading is how far what is being read through a Remote has come.
type Reading struct {
	Searching   bool  // for holders
	Holders     int   // found and not given up
	Done, Total int64 // bytes of the paths under way; Total is 0 until it is known
}

// Reading returns how far what is being read has come, at once.
func (r *Remote) Reading() Reading {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	out := Reading{Searching: r.s.searching, Holders: r.s.activeLocked()}
	known := true
	for _, pf := range r.paths {
		out.Done += pf.done
		out.Total += pf.total
		known = known && pf.total > 0
	}
	if !known {
		out.Total = 0
	}
	return out
}

// Get implements Blocks.
func (r *Remote) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	data, err := r.local.Get(ctx, h, buf)
	if err == nil || !absent(err) {
		return data, err
	}
	it, err := r.want(h)
	if err != nil {
		return nil, err
	}
	return r.await(ctx, it, buf)
}

// want returns the item of a block, queued if it was not wanted yet.
func (r *Remote) want(h wire.Hash) (*item, error) {
	if r.f.cfg.Refuse(h) {
		return nil, &RefusedError{h}
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	it := r.itemLocked(h)
	if !it.queued && it.asked == 0 {
		r.s.queueLocked(it)
		r.s.goLocked()
	}
	return it, nil
}

// itemLocked returns the item of a block, which is neither queued nor asked
// for where it is new.
func (r *Remote) itemLocked(h wire.Hash) *item {
	it, ok := r.s.items[h]
	if !ok {
		it = &item{hash: h, length: wire.MaxBlock, node: true, ready: make(chan struct{})}
		r.s.items[h] = it
	}
	return it
}

// await waits until the item is settled.
func (r *Remote) await(ctx context.Context, it *item, buf []byte) ([]byte, error) {
	select {
	case <-it.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("fetch block %s: %w", it.hash, ctx.Err())
	case <-r.s.ctx.Done():
		return nil, fmt.Errorf("fetch block %s: %w", it.hash, ErrClosed)
	}
	if it.err != nil {
		return nil, fmt.Errorf("fetch block %s: %w", it.hash, it.err)
	}
	return append(buf[:0], it.data...), nil
}

// Prefetch asks for blocks that will be wanted soon. It does not wait.
func (r *Remote) Prefetch(hashes []wire.Hash) {
	has, err := r.s.hasMany(r.s.ctx, hashes)
	if err != nil {
		return
	}
	for i, h := range hashes {
		if !has[i] {
			_, _ = r.want(h) // who really wants it sees the error
		}
	}
}

// At returns the same blocks for a reader of one path.
func (r *Remote) At(path string) Blocks { return &remotePath{Remote: r, path: path} }

// remotePath is a Remote whose first miss fetches a whole path.
type remotePath struct {
	*Remote
	path string
	once sync.Once
	pf   *pathFetch
}

// Get implements Blocks.
func (p *remotePath) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	data, err := p.local.Get(ctx, h, buf)
	if err == nil || !absent(err) {
		return data, err
	}
	p.once.Do(func() { p.pf = p.fetchPath(p.path) })
	if p.f.cfg.Refuse(h) {
		return nil, &RefusedError{h}
	}
	p.s.mu.Lock()
	if data, ok := p.pf.got[h]; ok {
		defer p.s.mu.Unlock()
		return append(buf[:0], data...), nil
	}
	if p.pf.over {
		p.s.mu.Unlock()
		return p.Remote.Get(ctx, h, buf)
	}
	it := p.itemLocked(h)
	it.path = p.pf // which will queue it, if it does not bring it
	p.s.mu.Unlock()
	return p.await(ctx, it, buf)
}

// Prefetch leaves alone what the path fetch under way will bring.
func (p *remotePath) Prefetch(hashes []wire.Hash) {
	p.s.mu.Lock()
	busy := p.pf != nil && !p.pf.over
	p.s.mu.Unlock()
	if !busy {
		p.Remote.Prefetch(hashes)
	}
}

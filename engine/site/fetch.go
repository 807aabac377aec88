package site

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"altnet/engine/wire"
)

// FetchOptions says how much of a site to fetch. The zero value is all of it.
type FetchOptions struct {
	// First and Count are a range of the distinct blocks in canonical
	// preorder; Count 0 is to the end. Tree nodes are fetched in any case.
	First, Count uint64
	// From are peers to ask beside those that are found.
	From []wire.Peer
	// MaxBytes refuses a site whose range has more. 0: no limit.
	MaxBytes uint64
	// Listed may be nil. It is called once, when the whole tree is here and
	// checked and before chunks are asked for; an error ends the fetch.
	Listed func(Fetched) error
	// Progress may be nil. It is called from one goroutine at a time.
	Progress func(FetchProgress)
}

// FetchProgress says how far a fetch is. The totals are what the root promises
// until all nodes are here, then what is wanted.
type FetchProgress struct {
	Blocks, TotalBlocks uint64 // distinct
	Bytes, TotalBytes   uint64
	Fetched             uint64 // bytes that came from peers
	Holders             int    // peers that are asked
}

// Fetched is what a fetch brought about.
type Fetched struct {
	Blocks []wire.Hash // all distinct blocks of the site, in canonical preorder
	Bytes  uint64      // of those

	First      uint64 // the range that is here now, beside all nodes
	Count      uint64
	RangeBytes uint64

	New uint64 // bytes that came from peers
}

// Fetch makes the blocks of a site durable here, from all its holders at once.
// What is here already is not asked for again, so an interrupted fetch
// resumes. First come the nodes; with them the whole tree is checked, so that
// a malformed or oversized site is refused before its content moves. Errors:
// a *MissingError says how many blocks nobody delivers (with ErrNoHolder where
// nobody is left), ErrCorrupt, ErrUnsupported and ErrLimit that the site is
// not fit to be fetched.
func (f *Fetcher) Fetch(ctx context.Context, root wire.Hash, opts FetchOptions) (Fetched, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.ctx, cancel)()
	t := &fetch{f: f, root: root, opts: opts, seen: map[spot]struct{}{}}
	out, err := t.run(ctx)
	if f.ctx.Err() != nil && err != nil {
		err = ErrClosed
	}
	if err != nil {
		return Fetched{}, fmt.Errorf("fetch site %s: %w", root, err)
	}
	return out, nil
}

// fetch is one Fetch. Both its stages run on one swarm.
type fetch struct {
	f    *Fetcher
	root wire.Hash
	opts FetchOptions
	s    *swarm

	// Under the swarm's lock.
	seen map[spot]struct{}
	err  error // of the first item that failed
	lost int   // items that nobody has
	idle chan struct{}

	reportMu sync.Mutex
	progress FetchProgress
}

func (t *fetch) run(ctx context.Context) (Fetched, error) {
	t.s = t.f.newSwarm(ctx, t.root, t.f.slots)
	t.s.arrived, t.s.settled, t.s.stored = t.expand, t.settled, t.stored
	defer t.s.stop()
	for _, p := range t.opts.From {
		t.s.join(p, false)
	}
	t.gulp(ctx)
	top := place{Link: Link{Kind: KindRoot, Hash: t.root}}
	if err := t.stage(ctx, func() error { return t.admit(ctx, []place{top}) }); err != nil {
		return Fetched{}, err
	}
	out, wanted, err := t.survey(ctx)
	if err == nil && t.opts.Listed != nil {
		err = t.opts.Listed(out)
	}
	if err != nil {
		return Fetched{}, err
	}
	if err := t.stage(ctx, func() error { return t.want(ctx, wanted) }); err != nil {
		return Fetched{}, err
	}
	t.reportMu.Lock()
	defer t.reportMu.Unlock()
	out.New = t.progress.Fetched
	return out, nil
}

// stage lets fill queue items, waits until all are settled and makes durable
// what came, also where some did not come.
func (t *fetch) stage(ctx context.Context, fill func() error) error {
	t.s.mu.Lock()
	t.idle = make(chan struct{})
	idle := t.idle
	hold := &item{} // keeps the stage open while it is filled
	t.s.items[wire.Hash{}] = hold
	t.s.mu.Unlock()

	err := fill()
	t.s.mu.Lock()
	t.s.settleLocked(hold, nil)
	t.s.mu.Unlock()
	if err == nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		t.s.mu.Lock()
		t.s.breakLocked(err)
		t.s.mu.Unlock()
	}
	t.s.drain()
	if flushErr := t.s.sink.Flush(context.WithoutCancel(ctx)); err == nil && flushErr != nil {
		err = fmt.Errorf("make blocks durable: %w", flushErr)
	}
	if err != nil {
		return err
	}
	return t.outcome()
}

func (t *fetch) outcome() error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if missing, ok := errors.AsType[*MissingError](t.err); ok {
		missing.Count = t.lost
	}
	return t.err
}

// settled notes the outcome of an item, under the swarm's lock.
func (t *fetch) settled(_ *item, err error) {
	if err != nil {
		t.lost++
		if t.err == nil {
			t.err = err
		}
	}
	if len(t.s.items) == 0 {
		close(t.idle)
	}
}

// expand admits the nodes below a node that arrived.
func (t *fetch) expand(places []place, data []byte) error {
	if err := t.affordable(); err != nil {
		return err
	}
	for _, p := range places {
		below, err := t.below(p, data)
		if err != nil {
			return err
		}
		if err := t.admit(t.s.ctx, below); err != nil {
			return err
		}
	}
	return nil
}

// affordable refuses a site whose nodes alone are more than is wanted, while
// they come: of a range the root promises nothing, and a tree may be larger
// than everything below it.
func (t *fetch) affordable() error {
	t.reportMu.Lock()
	defer t.reportMu.Unlock()
	if got := t.progress.Fetched; t.opts.MaxBytes > 0 && got > t.opts.MaxBytes {
		return fmt.Errorf("%d bytes of tree, at most %d are wanted: %w", got, t.opts.MaxBytes, ErrLimit)
	}
	return nil
}

// below returns the places of the nodes that the node at p links to.
func (t *fetch) below(p place, data []byte) ([]place, error) {
	n, err := p.parse(data)
	if err != nil {
		return nil, err
	}
	if p.Kind == KindRoot {
		if err := t.promise(n, len(data)); err != nil {
			return nil, err
		}
	}
	var below []place
	err = p.children(n, func(c place) error {
		if c.Kind != KindChunk {
			below = append(below, c)
		}
		return nil
	})
	return below, err
}

// promise notes what the root says is below it.
func (t *fetch) promise(n *node, length int) error {
	whole := t.opts.First == 0 && t.opts.Count == 0
	if whole && t.opts.MaxBytes > 0 && n.bytes > t.opts.MaxBytes {
		return fmt.Errorf("%d bytes, at most %d are wanted: %w", n.bytes, t.opts.MaxBytes, ErrLimit)
	}
	t.reportMu.Lock()
	defer t.reportMu.Unlock()
	t.progress.TotalBlocks, t.progress.TotalBytes = n.blocks+1, n.bytes+uint64(length)
	return nil
}

// admit queues the nodes at the places, and those below the ones that are here.
func (t *fetch) admit(ctx context.Context, places []place) error {
	for len(places) > 0 {
		fresh, hashes, err := t.unseen(places)
		if err != nil || len(fresh) == 0 {
			return err
		}
		has, err := t.s.hasMany(ctx, hashes)
		if err != nil {
			return err
		}
		places = nil
		for i, p := range fresh {
			if !has[i] {
				continue
			}
			below, err := t.reread(ctx, p)
			if err != nil {
				return err
			}
			places = append(places, below...)
		}
		t.queue(fresh, has)
	}
	return nil
}

// unseen returns the places that were not met before.
func (t *fetch) unseen(places []place) (fresh []place, hashes []wire.Hash, err error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for _, p := range places {
		if _, ok := t.seen[p.spot()]; ok {
			continue
		}
		if len(t.seen) > MaxBlocks {
			return nil, nil, fmt.Errorf("more than %d blocks: %w", MaxBlocks, ErrLimit)
		}
		if t.f.cfg.Refuse(p.Hash) {
			return nil, nil, &RefusedError{p.Hash}
		}
		t.seen[p.spot()] = struct{}{}
		fresh, hashes = append(fresh, p), append(hashes, p.Hash)
	}
	return fresh, hashes, nil
}

// reread expands a node that is here already.
func (t *fetch) reread(ctx context.Context, p place) ([]place, error) {
	data, err := get(ctx, t.f.cfg.Blocks, p.Hash, nil)
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	return t.below(p, data)
}

func (t *fetch) queue(places []place, has []bool) {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range places {
		if has[i] {
			continue
		}
		if it, ok := s.items[p.Hash]; ok {
			it.places = append(it.places, p)
			continue
		}
		s.addLocked(&item{hash: p.Hash, length: MaxNode, node: true, places: []place{p}})
	}
	s.goLocked()
}

// survey checks the tree that is here now and lists the chunks that are
// wanted.
func (t *fetch) survey(ctx context.Context) (Fetched, []*item, error) {
	var out Fetched
	var all []*item
	err := walkSite(ctx, t.root, t.f.cfg.Blocks, func(p place, length uint64) error {
		out.Blocks = append(out.Blocks, p.Hash)
		out.Bytes += length
		all = append(all, &item{hash: p.Hash, length: int(length), node: p.Kind != KindChunk})
		return nil
	})
	if err != nil {
		return out, nil, err
	}
	total := uint64(len(all))
	out.First = min(t.opts.First, total)
	out.Count = total - out.First
	if t.opts.Count > 0 {
		out.Count = min(t.opts.Count, out.Count)
	}
	for _, it := range all[out.First : out.First+out.Count] {
		out.RangeBytes += uint64(it.length)
	}
	wanted, err := t.selectRange(all, out)
	return out, wanted, err
}

// selectRange keeps the chunks of the range, and all counts in step with it.
func (t *fetch) selectRange(all []*item, out Fetched) ([]*item, error) {
	var p FetchProgress
	var wanted []*item
	index := make(map[wire.Hash]int, len(all))
	for i, it := range all {
		index[it.hash] = i
		inRange := uint64(i) >= out.First && uint64(i)-out.First < out.Count
		if !it.node && !inRange {
			continue
		}
		p.TotalBlocks++
		p.TotalBytes += uint64(it.length)
		if it.node {
			p.Blocks++
			p.Bytes += uint64(it.length)
			continue
		}
		if t.f.cfg.Refuse(it.hash) {
			return nil, &RefusedError{it.hash}
		}
		wanted = append(wanted, it)
	}
	if t.opts.MaxBytes > 0 && p.TotalBytes > t.opts.MaxBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are wanted: %w", p.TotalBytes, t.opts.MaxBytes, ErrLimit)
	}
	t.reportMu.Lock()
	p.Fetched = t.progress.Fetched
	t.progress = p
	t.reportMu.Unlock()
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.index = index
	return wanted, nil
}

// want queues the chunks that are not here.
func (t *fetch) want(ctx context.Context, wanted []*item) error {
	for some := range slices.Chunk(wanted, wire.MaxBlockHashes) {
		hashes := make([]wire.Hash, len(some))
		for i, it := range some {
			hashes[i] = it.hash
		}
		has, err := t.s.hasMany(ctx, hashes)
		if err != nil {
			return err
		}
		t.queueChunks(some, has)
	}
	return nil
}

func (t *fetch) queueChunks(some []*item, has []bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	var blocks, bytes uint64
	for i, it := range some {
		if has[i] {
			blocks++
			bytes += uint64(it.length)
			continue
		}
		t.s.addLocked(it)
	}
	t.reportMu.Lock()
	t.progress.Blocks += blocks
	t.progress.Bytes += bytes
	t.reportMu.Unlock()
	for _, h := range t.s.holders {
		t.s.surveyLocked(h)
	}
	t.s.goLocked()
}

// stored reports progress after a batch.
func (t *fetch) stored(blocks, bytes int) {
	t.s.mu.Lock()
	holders := t.s.activeLocked()
	t.s.mu.Unlock()
	t.reportMu.Lock()
	defer t.reportMu.Unlock()
	p := &t.progress
	p.Holders = holders
	p.Fetched += uint64(bytes)
	p.Blocks += uint64(blocks)
	p.Bytes += uint64(bytes)
	if t.opts.Progress != nil {
		t.opts.Progress(*p)
	}
}

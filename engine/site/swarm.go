package site

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// swarm fetches blocks of one site from all its holders. Items are queued;
// every holder has a few workers, which take a batch each time they are free,
// so that the fastest gets most. Workers exist only while there is something
// to take:
//
//	add ─▶ queued ─take▶ asked ─block▶ done (verified, handed to arrived)
//	          ▲            │ missing, failed, stalled
//	          └────────────┘
//
// An item is failed when all that was found lacks it and the search is over.
type swarm struct {
	f      *Fetcher
	base   context.Context // of storing
	ctx    context.Context // of asking; ends before base
	cancel context.CancelFunc
	wg     sync.WaitGroup
	root   wire.Hash
	slots  chan struct{}
	// arrived is called without the lock, with each block as it is verified
	// and the places of it that it was not called with before.
	arrived func(places []place, data []byte) error
	// settled is called with the lock each time an item is done or failed.
	settled func(it *item, err error)
	// stored is called without the lock after each batch that was stored.
	stored func(blocks, bytes int)
	// flush makes every stored batch visible at once, as Remote needs it.
	flush bool

	sinkMu sync.Mutex
	sink   Sink

	mu        sync.Mutex
	items     map[wire.Hash]*item // not done yet
	nodes     []*item             // queue of nodes, which come first
	chunks    []*item             // queue of chunks
	holders   map[identity.NodeID]*holder
	index     map[wire.Hash]int // place in canonical preorder, once known
	asking    int               // requests in flight
	workers   int
	quiet     sync.Cond // no worker is left, a holder came, a search ended
	live      map[*request]struct{}
	searching bool
	searched  time.Time
	again     *time.Timer // the next search
	joined    int         // holders in the order they came
	broken    error
}

// item is one block that is wanted.
type item struct {
	hash   wire.Hash
	length int     // most bytes it can have
	node   bool    // nodes are asked for first
	places []place // where a node stands, where that is known
	queued bool    // in a queue and to be asked for
	asked  int     // requests it is in
	lacked map[*holder]struct{}
	ready  chan struct{} // closed when done or failed; nil where nobody waits
	data   []byte        // a copy for those who wait
	err    error
	path   *pathFetch // expected to bring it
}

// holder is a peer that has the site or a part of it.
type holder struct {
	peer     wire.Peer
	full     bool
	order    int
	workers  int
	failures int       // in a row
	dropped  bool      // lied, or failed too often
	resting  time.Time // not asked before
	perByte  float64   // seconds, smoothed
	gap      time.Duration
	have     *wire.Have
	surveyed bool // is being asked what it has
}

// request is one GetBlocks in flight.
type request struct {
	holder  *holder
	items   []*item   // not answered yet
	heard   time.Time // the last answer; zero before the first
	silent  bool      // for so long that its items may be asked of others
	abort   func()    // ends the exchange; nil before it began
	aborted bool      // by us: not the holder's fault
}

const (
	maxHolders  = 256 // remembered, dropped ones among them
	maxFailures = 3
	restAfter   = 500 * time.Millisecond // times the failures in a row
)

func (f *Fetcher) newSwarm(ctx context.Context, root wire.Hash, slots chan struct{}) *swarm {
	s := &swarm{f: f, root: root, slots: slots, sink: f.cfg.NewSink(root), items: map[wire.Hash]*item{},
		holders: map[identity.NodeID]*holder{}, live: map[*request]struct{}{}}
	s.quiet.L = &s.mu
	s.base = ctx
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.arrived = func([]place, []byte) error { return nil }
	s.settled = func(*item, error) {}
	s.stored = func(int, int) {}
	return s
}

// start runs fn in a goroutine that stop and the Fetcher's Close wait for. It
// is called with the lock, so that none starts once stop waits.
func (s *swarm) start(fn func()) bool {
	if s.ctx.Err() != nil {
		return false
	}
	s.wg.Add(1)
	if s.f.start(func() { defer s.wg.Done(); fn() }) {
		return true
	}
	s.wg.Done()
	return false
}

// goLocked sets workers and the search going for what was queued.
func (s *swarm) goLocked() {
	if len(s.items) == 0 || s.ctx.Err() != nil {
		return
	}
	if s.searched.IsZero() || s.activeLocked() == 0 {
		s.searchLocked()
	}
	s.kickLocked()
}

// hasMany asks the sink, which serves one caller at a time.
func (s *swarm) hasMany(ctx context.Context, hashes []wire.Hash) ([]bool, error) {
	s.sinkMu.Lock()
	defer s.sinkMu.Unlock()
	has, err := s.sink.HasMany(ctx, hashes)
	if err == nil && len(has) != len(hashes) {
		err = fmt.Errorf("%d answers to %d questions", len(has), len(hashes))
	}
	if err != nil {
		return nil, fmt.Errorf("ask for known blocks: %w", err)
	}
	return has, nil
}

// drain closes what is still asked for although nothing is wanted any more,
// and waits until all that came is stored.
func (s *swarm) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abortLocked()
	for s.workers > 0 {
		s.quiet.Wait()
	}
}

func (s *swarm) abortLocked() {
	for r := range s.live {
		r.aborted = true
		if r.abort != nil {
			r.abort()
		}
	}
}

// stop ends asking, lets what has come be stored, waits for all of it and
// closes the sink. It is called once.
func (s *swarm) stop() {
	s.cancel()
	s.mu.Lock()
	s.abortLocked()
	if s.again != nil {
		s.again.Stop()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if c, ok := s.sink.(io.Closer); ok {
		_ = c.Close()
	}
}

// addLocked queues an item.
func (s *swarm) addLocked(it *item) {
	s.items[it.hash] = it
	s.queueLocked(it)
}

func (s *swarm) queueLocked(it *item) {
	it.queued = true
	if it.node {
		s.nodes = append(s.nodes, it)
	} else {
		s.chunks = append(s.chunks, it)
	}
}

// join takes in a holder that was found. It reports whether there are enough.
func (s *swarm) join(p wire.Peer, full bool) (enough bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.holders[p.ID]
	switch {
	case ok:
		h.full = h.full || full
	case s.activeLocked() < s.f.cfg.Holders && len(s.holders) < maxHolders:
		s.joined++
		h = &holder{peer: p, full: full, order: s.joined}
		s.holders[p.ID] = h
		s.surveyLocked(h)
		s.quiet.Broadcast()
		s.kickLocked()
	}
	return s.ctx.Err() != nil || s.activeLocked() >= s.f.cfg.Holders
}

func (s *swarm) activeLocked() int {
	n := 0
	for _, h := range s.holders {
		if !h.dropped {
			n++
		}
	}
	return n
}

// searchLocked looks for holders, unless a search is on. It goes on looking
// now and then while something is wanted.
func (s *swarm) searchLocked() {
	if s.searching {
		return
	}
	s.searching = s.start(s.search)
}

func (s *swarm) search() {
	err := s.f.cfg.Find(s.ctx, s.root, s.join)
	if err != nil && s.ctx.Err() == nil {
		s.f.cfg.Log.Debug("look for holders", "root", s.root, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.searching, s.searched = false, time.Now()
	s.quiet.Broadcast()
	s.kickLocked()
	s.againLocked()
}

// againLocked plans the next search, if anything is still wanted by then.
func (s *swarm) againLocked() {
	if len(s.items) == 0 || s.ctx.Err() != nil {
		return
	}
	if s.again != nil {
		s.again.Stop()
	}
	s.again = time.AfterFunc(s.f.cfg.FindAgain, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.items) > 0 && s.ctx.Err() == nil {
			s.searchLocked()
		}
	})
}

// kickLocked gives work to every worker that is free, and fails what nobody
// can deliver.
func (s *swarm) kickLocked() {
	if s.ctx.Err() != nil || s.broken != nil {
		return
	}
	now := time.Now()
	for _, h := range s.holders {
		for range s.f.cfg.Streams {
			if h.workers >= s.f.cfg.Streams || !s.takeableLocked(h, now) {
				break
			}
			if !s.start(func() { s.work(h) }) {
				return
			}
			h.workers++
			s.workers++
			if h.workers > len(s.nodes)+len(s.chunks) {
				break // more workers than items help nobody
			}
		}
	}
	s.giveUpLocked(now)
}

// takeableLocked reports whether the holder could be asked for something now.
func (s *swarm) takeableLocked(h *holder, now time.Time) bool {
	if h.dropped || now.Before(h.resting) {
		return false
	}
	for _, queue := range [][]*item{s.nodes, s.chunks} {
		for _, it := range queue {
			if it.queued && s.canLocked(h, it) {
				return true
			}
		}
	}
	for r := range s.live {
		if s.hedgeLocked(r, h) {
			return true
		}
	}
	return false
}

// canLocked reports whether the holder may have the item.
func (s *swarm) canLocked(h *holder, it *item) bool {
	if _, lacks := it.lacked[h]; lacks {
		return false
	}
	if h.have == nil || s.index == nil {
		return true
	}
	i, ok := s.index[it.hash]
	return !ok || holds(*h.have, i)
}

// surveyLocked asks a holder of a part which part, once the order of the
// blocks is known. Until it has answered it is asked for anything.
func (s *swarm) surveyLocked(h *holder) {
	if h.full || h.have != nil || h.surveyed || s.index == nil || len(s.items) == 0 {
		return
	}
	h.surveyed = s.start(func() {
		have, err := s.survey(h)
		s.mu.Lock()
		defer s.mu.Unlock()
		h.surveyed = false
		if err == nil && have.Count == uint64(len(s.index)) {
			// A bitmap may be longer than the site, and is kept for as long.
			have.Bitmap = bytes.Clone(have.Bitmap[:min(len(have.Bitmap), (len(s.index)+7)/8)])
			h.have = &have
			s.kickLocked()
		}
	})
}

func (s *swarm) survey(h *holder) (wire.Have, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.f.cfg.StallAfter)
	defer cancel()
	st, err := s.f.cfg.Open(ctx, h.peer, wire.GetHave{Root: s.root})
	if err != nil {
		return wire.Have{}, err
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { st.Close() })()
	m, err := st.Read()
	have, ok := m.(wire.Have)
	if err == nil && !ok {
		err = fmt.Errorf("answered with %v", m)
	}
	return have, err
}

// hedgeLocked reports whether h should double what r has not been sent yet.
func (s *swarm) hedgeLocked(r *request, h *holder) bool {
	if r.holder == h || len(r.items) == 0 {
		return false
	}
	slow := r.silent || h.perByte > 0 && r.holder.perByte > 4*h.perByte
	if !slow {
		return false
	}
	for _, it := range r.items {
		if it.asked == 1 && s.items[it.hash] == it && s.canLocked(h, it) {
			return true
		}
	}
	return false
}

// takeLocked takes a batch for the holder: nodes first, then chunks in their
// order, and when nothing is queued what others are slow to deliver. Near the
// end batches shrink, so that all finish together.
func (s *swarm) takeLocked(h *holder) []*item {
	if h.dropped || s.broken != nil || time.Now().Before(h.resting) {
		return nil
	}
	b := taker{s: s, h: h, bytes: s.f.cfg.BatchBytes, blocks: s.f.cfg.BatchBlocks}
	waiting := 0
	for _, queue := range [][]*item{s.nodes, s.chunks} {
		waiting += len(queue)
	}
	b.blocks = min(b.blocks, waiting/(2*max(1, s.activeLocked()*s.f.cfg.Streams))+8)
	s.nodes = b.drain(s.nodes)
	s.chunks = b.drain(s.chunks)
	if len(b.out) == 0 {
		for r := range s.live {
			if s.hedgeLocked(r, h) {
				b.double(r)
				break
			}
		}
	}
	return b.out
}

// taker fills one batch.
type taker struct {
	s             *swarm
	h             *holder
	bytes, blocks int
	out           []*item
}

func (t *taker) fits(it *item) bool {
	return t.blocks > 0 && (len(t.out) == 0 || t.bytes >= it.length)
}

func (t *taker) take(it *item) {
	it.queued = false
	it.asked++
	t.bytes -= it.length
	t.blocks--
	t.out = append(t.out, it)
}

// drain takes from a queue what the holder may have and returns what is left.
// Items answered in the meantime are dropped from it.
func (t *taker) drain(queue []*item) []*item {
	i, kept := 0, 0
	for ; i < len(queue); i++ {
		it := queue[i]
		if !it.queued {
			continue
		}
		if !t.fits(it) {
			break
		}
		if t.s.canLocked(t.h, it) {
			t.take(it)
			continue
		}
		queue[kept] = it
		kept++
	}
	if kept == 0 {
		return queue[i:]
	}
	// What the holder lacks goes back to the front.
	copy(queue[i-kept:i], queue[:kept])
	return queue[i-kept:]
}

// double takes what another request still waits for, its last items first, as
// those are the last it will get to.
func (t *taker) double(r *request) {
	for i := len(r.items) - 1; i >= 0; i-- {
		it := r.items[i]
		if it.asked == 1 && t.s.items[it.hash] == it && t.s.canLocked(t.h, it) && t.fits(it) {
			t.take(it)
		}
	}
}

// giveUpLocked fails the queued items that nobody found can deliver, once
// nothing is under way that could change it.
func (s *swarm) giveUpLocked(now time.Time) {
	if s.asking > 0 || s.searching || len(s.items) == 0 {
		return
	}
	var lost []*item
	for _, it := range s.items {
		if !it.queued || s.servedLocked(it, now) {
			continue
		}
		lost = append(lost, it)
	}
	if len(lost) == 0 {
		return
	}
	if now.Sub(s.searched) >= s.f.cfg.FindAgain {
		s.searchLocked()
		return
	}
	err := error(&MissingError{Hash: lost[0].hash, Count: len(lost)})
	if s.activeLocked() == 0 {
		err = fmt.Errorf("%w: %w", ErrNoHolder, err)
	}
	for _, it := range lost {
		s.settleLocked(it, err)
	}
}

// servedLocked reports whether a holder is left that may have the item. One
// that rests after a failure is waited for.
func (s *swarm) servedLocked(it *item, now time.Time) bool {
	for _, h := range s.holders {
		if !h.dropped && s.canLocked(h, it) {
			return true
		}
	}
	return false
}

// settleLocked takes an item out as done or failed.
func (s *swarm) settleLocked(it *item, err error) {
	if s.items[it.hash] != it {
		return
	}
	delete(s.items, it.hash)
	it.queued, it.err = false, err
	if it.ready != nil {
		close(it.ready)
	}
	s.settled(it, err)
}

// breakLocked ends the swarm: every open item fails with err.
func (s *swarm) breakLocked(err error) {
	if s.broken == nil {
		s.broken = err
	}
	for _, it := range s.items {
		s.settleLocked(it, err)
	}
	s.nodes, s.chunks = nil, nil
}

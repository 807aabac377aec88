package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"altnet/engine/wire"
)

// work is one worker of a holder: it asks for one batch after the other until
// there is nothing for it to take.
func (s *swarm) work(h *holder) {
	for s.batch(h) {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.workers--
	s.workers--
	s.kickLocked()
	if s.workers == 0 {
		s.quiet.Broadcast()
	}
}

// batch asks for one batch. It reports whether it is worth to try another.
func (s *swarm) batch(h *holder) bool {
	a, err := s.slot()
	if err != nil {
		return false
	}
	defer s.release(a)
	r := s.begin(h)
	if r == nil {
		return false
	}
	blocks, err := s.ask(r, a)
	if err != nil && s.ctx.Err() == nil {
		s.f.cfg.Log.Debug("fetch blocks", "peer", h.peer.ID.Short(), "err", err)
	}
	s.end(r, err)
	if err := s.store(blocks); err != nil {
		s.mu.Lock()
		s.breakLocked(fmt.Errorf("store fetched blocks: %w", err))
		s.mu.Unlock()
		return false
	}
	return true
}

// slot waits for the right to one more request, and its memory.
func (s *swarm) slot() (*arena, error) {
	select {
	case s.slots <- struct{}{}:
		return s.f.arenas.Get().(*arena), nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

func (s *swarm) release(a *arena) {
	s.f.arenas.Put(a)
	<-s.slots
}

func (s *swarm) begin(h *holder) *request {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := s.takeLocked(h)
	if len(items) == 0 {
		return nil
	}
	r := &request{holder: h, items: items}
	s.live[r] = struct{}{}
	s.asking++
	return r
}

// end gives back what was not delivered and judges the holder.
func (s *swarm) end(r *request, err error) {
	s.mu.Lock()
	delete(s.live, r)
	s.asking--
	for _, it := range r.items {
		s.backLocked(it)
	}
	r.items = nil
	s.mu.Unlock()
	s.judge(r, err)
}

// backLocked notes that one request less has the item, and queues it again
// where none is left.
func (s *swarm) backLocked(it *item) {
	if it.asked--; it.asked == 0 && !it.queued && s.items[it.hash] == it && s.broken == nil {
		s.queueLocked(it)
	}
}

// judge draws the consequences of how a request ended.
func (s *swarm) judge(r *request, err error) {
	s.mu.Lock()
	lied := s.judgeLocked(r, err)
	s.kickLocked()
	s.mu.Unlock()
	if lied {
		s.f.cfg.Log.Warn("peer sent false blocks", "peer", r.holder.peer.ID.Short(), "root", s.root)
		s.f.cfg.Liar(r.holder.peer, err)
	}
}

// judgeLocked reports whether the holder was found out as a liar just now.
func (s *swarm) judgeLocked(r *request, err error) (lied bool) {
	h := r.holder
	switch {
	case err == nil:
		h.failures = 0
	case errors.Is(err, ErrLiar):
		lied, h.dropped = !h.dropped, true
	case !r.aborted && s.ctx.Err() == nil && s.broken == nil:
		h.failures++
		h.dropped = h.dropped || h.failures >= maxFailures
		rest := time.Duration(h.failures) * restAfter
		h.resting = time.Now().Add(rest)
		time.AfterFunc(rest, s.kick)
	}
	return lied
}

func (s *swarm) kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kickLocked()
}

// ask carries out a request. The blocks it returns, also beside an error, are
// verified and lie in the arena.
func (s *swarm) ask(r *request, a *arena) ([]Block, error) {
	asked := r.items
	hashes, room := make([]wire.Hash, len(asked)), 0
	for i, it := range asked {
		hashes[i] = it.hash
		room += it.length
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if err := s.abortWith(r, cancel); err != nil {
		return nil, err
	}
	w := s.watch(r)
	defer w.stop()
	st, err := s.f.cfg.Open(ctx, r.holder.peer, wire.GetBlocks{Root: s.root, Hashes: hashes})
	if err != nil {
		return nil, fmt.Errorf("ask for blocks: %w", err)
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { st.Close() })()
	return s.receive(r, asked, a.room(room), st, w)
}

// abortWith says how the request is ended early, unless it already should be.
func (s *swarm) abortWith(r *request, abort func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.aborted {
		return context.Canceled
	}
	r.abort = abort
	return nil
}

// receive reads one answer per item, in order.
func (s *swarm) receive(r *request, asked []*item, buf []byte, st Stream, w *watchdog) ([]Block, error) {
	blocks := make([]Block, 0, len(asked))
	for _, it := range asked {
		start := len(buf)
		data, ok, err := st.ReadBlock(buf[start:start:min(cap(buf), start+it.length)])
		if err != nil {
			return blocks, fmt.Errorf("read block: %w", err)
		}
		w.heard(len(data))
		if !ok {
			s.missing(r, it)
			continue
		}
		if wire.Hash(sha256.Sum256(data)) != it.hash {
			return blocks, fmt.Errorf("block %s: %w", it.hash, ErrLiar)
		}
		fresh, err := s.deliver(r, it, data)
		if err != nil {
			return blocks, err
		}
		if fresh {
			blocks = append(blocks, Block{Hash: it.hash, Data: data})
			buf = buf[:min(cap(buf), start+len(data))]
		}
	}
	return blocks, nil
}

// missing notes that the holder lacks the item.
func (s *swarm) missing(r *request, it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.items = r.items[1:]
	if it.lacked == nil {
		it.lacked = map[*holder]struct{}{}
	}
	it.lacked[r.holder] = struct{}{}
	s.backLocked(it)
}

// deliver hands on a verified block, unless another holder was first.
func (s *swarm) deliver(r *request, it *item, data []byte) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.items = r.items[1:]
	it.asked--
	return s.deliverLocked(it, data)
}

// deliverLocked lets go of the lock while arrived runs, in which time the item
// may get further places, or be settled by another.
func (s *swarm) deliverLocked(it *item, data []byte) (fresh bool, err error) {
	for done := 0; s.items[it.hash] == it; {
		places := it.places[done:]
		if len(places) == 0 {
			if it.ready != nil {
				it.data = append([]byte(nil), data...)
			}
			s.settleLocked(it, nil)
			return true, nil
		}
		done = len(it.places)
		s.mu.Unlock()
		err := s.arrived(places, data)
		s.mu.Lock()
		if err != nil {
			s.breakLocked(err)
			return false, err
		}
	}
	return false, nil
}

// store puts verified blocks.
func (s *swarm) store(blocks []Block) error {
	if len(blocks) == 0 {
		return nil
	}
	s.sinkMu.Lock()
	defer s.sinkMu.Unlock()
	return s.putLocked(blocks)
}

// storeLacking puts the blocks that are not here.
func (s *swarm) storeLacking(blocks []Block) error {
	s.sinkMu.Lock()
	defer s.sinkMu.Unlock()
	blocks, err := lacking(s.base, s.sink, blocks)
	if err != nil || len(blocks) == 0 {
		return err
	}
	return s.putLocked(blocks)
}

func (s *swarm) putLocked(blocks []Block) error {
	if err := s.sink.PutBatch(s.base, blocks); err != nil {
		return err
	}
	sum := 0
	for _, b := range blocks {
		sum += len(b.Data)
	}
	s.stored(len(blocks), sum)
	if s.flush {
		return s.sink.Flush(s.base)
	}
	return nil
}

// watchdog notices that a request falls silent: first others may double it,
// then it is closed.
type watchdog struct {
	s     *swarm
	r     *request
	hedge *time.Timer
	stall *time.Timer
}

func (s *swarm) watch(r *request) *watchdog {
	w := &watchdog{s: s, r: r}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.hedge = time.AfterFunc(s.patienceLocked(r.holder), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.silent = true
		s.kickLocked()
	})
	w.stall = time.AfterFunc(s.f.cfg.StallAfter, r.abort)
	return w
}

// patienceLocked is how long a holder may be silent before others are asked as well:
// four times its usual pause between blocks, if that is more than HedgeAfter.
func (s *swarm) patienceLocked(h *holder) time.Duration {
	return max(s.f.cfg.HedgeAfter, min(4*h.gap, s.f.cfg.StallAfter))
}

// heard notes an answer of n bytes.
func (w *watchdog) heard(n int) {
	now := time.Now()
	w.s.mu.Lock()
	h := w.r.holder
	if !w.r.heard.IsZero() { // the first answer took a round trip as well
		h.pace(now.Sub(w.r.heard), n)
	}
	w.r.heard, w.r.silent = now, false
	patience := w.s.patienceLocked(h)
	w.s.mu.Unlock()
	w.hedge.Reset(patience)
	w.stall.Reset(w.s.f.cfg.StallAfter)
}

// pace learns from an answer of n bytes that came gap after the one before.
func (h *holder) pace(gap time.Duration, n int) {
	h.gap += (gap - h.gap) / 8
	rate := gap.Seconds() / float64(max(n, 1))
	if h.perByte == 0 {
		h.perByte = rate
	} else {
		h.perByte += (rate - h.perByte) / 8
	}
}

func (w *watchdog) stop() {
	w.hedge.Stop()
	w.stall.Stop()
}

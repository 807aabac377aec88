package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"altnet/engine/store"
	"altnet/engine/wire"
)

const (
	// A pull that brings less than paceLeast bytes in paceWindow is given up,
	// 16 KiB/s: whoever offers slowly keeps a place from others.
	paceWindow = 5 * time.Minute
	paceLeast  = int64(paceWindow/time.Second) * 16 << 10
)

// errSlow: the blocks come too slowly to wait for.
var errSlow = errors.New("the pull is too slow")

// errStale: the owner has published something newer than what is offered.
var errStale = errors.New("a newer record of this owner stands")

// HandleOffer answers an offer from a peer: it decides, says so, pulls the
// blocks, and confirms once they are durable. Then it makes sure that the record
// is the owner's newest, which takes a look-up, and tells the network: the
// offerer waits for neither. It returns when all has ended.
func (k *Keeper) HandleOffer(ctx context.Context, from wire.Peer, group string, offer wire.Offer, s Stream) error {
	ctx, leave, err := k.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	p := &pull{k: k, from: from, offer: offer, stream: s}
	reason := p.consider(ctx, group)
	defer p.release()
	reply := wire.OfferReply{Reason: clip(reason)}
	if reason == "" {
		reply = wire.OfferReply{
			Accepted: true, Until: uint64(k.until(p.voucher).UnixMilli()), First: uint64(p.part.first), Count: uint64(p.part.count),
		}
	}
	if err := s.Write(reply); err != nil {
		return fmt.Errorf("answer an offer: %w", err)
	}
	if reason != "" {
		k.cfg.Log.Info("offer refused", "root", offer.Root, "from", from.ID.Short(), "reason", reason)
		return nil
	}
	question, answered := k.ask(ctx, p.voucher)
	defer answered()
	receipt, err := p.run(ctx, question)
	if err != nil {
		k.cfg.Log.Info("offer not completed", "root", offer.Root, "from", from.ID.Short(), "err", err)
		s.Write(complaint(err))
		return err
	}
	err = s.Write(receipt)
	if ctx, leave, closed := k.enter(context.WithoutCancel(ctx)); closed == nil {
		defer leave()
		err = errors.Join(err, p.settle(ctx, question))
	}
	return err
}

// settle ends a lease whose record turns out to be stale after the receipt, and
// tells the network of any other.
func (p *pull) settle(ctx context.Context, question <-chan error) error {
	if err := <-question; err != nil {
		p.k.cfg.Log.Info("lease given back", "root", p.offer.Root, "err", err)
		p.undo(ctx, err)
		return err
	}
	p.provide(ctx, p.full)
	return nil
}

// ask asks the network whether v is the owner's newest record. The channel is
// given one answer, nil or errStale; answered ends the question, which outlives
// the stream that it came with.
func (k *Keeper) ask(ctx context.Context, v Voucher) (question chan error, answered func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(k.ctx, cancel)
	question = make(chan error, 1)
	var asking sync.WaitGroup
	asking.Go(func() { question <- k.checkNewest(ctx, v) })
	return question, func() {
		stop()
		cancel()
		asking.Wait()
	}
}

// complaint tells the offerer why a pull failed, as far as it concerns it.
func complaint(err error) wire.Error {
	switch {
	case errors.Is(err, errStale):
		return wire.Error{Code: wire.CodeRefused, Text: errStale.Error()}
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrDiskFull):
		return wire.Error{Code: wire.CodeBusy, Text: "no room"}
	}
	return wire.Error{Code: wire.CodeInternal, Text: "the site could not be pulled"}
}

// pull is one offer on its way to a lease.
type pull struct {
	k      *Keeper
	from   wire.Peer
	offer  wire.Offer
	stream Stream

	claim   *claim
	voucher Voucher
	part    span  // accepted
	most    int64 // bytes to pull at most

	before store.RootInfo // what was here of the root
	leased bool           // the lease is in the store, blocks or not
	full   bool           // the whole site is here
}

func (p *pull) release() {
	if p.claim != nil {
		p.k.release(p.claim)
	}
}

// consider decides about the offer and returns why it is refused, if it is.
// What costs more comes later.
func (p *pull) consider(ctx context.Context, group string) (reason string) {
	k := p.k
	if !k.cfg.Volunteer() {
		return "keeps no other people's sites"
	}
	if !sane(p.offer) {
		return "the offer makes no sense"
	}
	if p.claim = k.admit(group); p.claim == nil {
		return "busy"
	}
	v, err := k.cfg.Network.Vouch(ctx, p.offer.Record, group)
	if err != nil {
		return "the record is not valid: " + err.Error()
	}
	if v.Root != p.offer.Root || v.Withdrawn || !v.Expires.After(time.Now()) {
		return "the record does not vouch for this root"
	}
	if n, ok := k.noteOf(v.Root, v.Owner); ok && n.seq > v.Seq {
		if newer, err := k.cfg.Network.Vouch(ctx, n.raw, group); err == nil {
			v = newer // an older record for what a newer one names too
		}
	}
	if k.outdated(v) {
		return errStale.Error()
	}
	p.voucher = v
	p.part, p.most, reason = k.reserve(p.claim, v, p.offer)
	return reason
}

func (k *Keeper) until(v Voucher) time.Time {
	until := time.Now().Add(k.cfg.Lease)
	if v.Expires.Before(until) {
		return v.Expires
	}
	return until
}

// run brings the accepted range in and takes it under lease. The lease stands
// as soon as the tree is known, so that what came can be handed on at once and
// stays while the rest comes. An answer to question that the record is stale
// ends it; for one that has not come by then nobody waits.
func (p *pull) run(ctx context.Context, question chan error) (wire.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, patience(p.most))
	defer cancel()
	p.before, _ = p.k.cfg.Store.Root(p.offer.Root)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	fetched := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		select {
		case stale := <-question:
			question <- stale // for settle
			if stale != nil {
				stop(stale)
			}
		case <-fetched:
		}
	})
	res, err := p.fetch(ctx)
	close(fetched)
	listening.Wait()
	if stale := context.Cause(ctx); errors.Is(stale, errStale) {
		err = stale
	}
	var receipt wire.Receipt
	if err == nil {
		receipt, err = p.keep(ctx, res)
	}
	if err != nil {
		p.undo(context.WithoutCancel(ctx), err)
	}
	return receipt, err
}

// checkNewest fails where the owner has published or withdrawn since v.
func (k *Keeper) checkNewest(ctx context.Context, v Voucher) error {
	latest, err := k.latest(ctx, v.Owner)
	if err != nil || latest.Seq <= v.Seq {
		return nil // silence is no reason to refuse
	}
	if latest.Withdrawn || latest.Root != v.Root {
		return errStale
	}
	return nil
}

func (p *pull) fetch(ctx context.Context) (FetchResult, error) {
	tell := p.teller(ctx)
	defer tell.stop()
	ctx, stop := context.WithCancelCause(ctx)
	var pacing sync.WaitGroup
	defer pacing.Wait()
	defer stop(nil)
	pacing.Go(func() { tell.pace(ctx, stop) })
	res, err := p.k.cfg.Network.Fetch(ctx, FetchJob{
		Root: p.offer.Root, From: []wire.Peer{p.from}, First: p.part.first, Count: p.part.count,
		MaxBytes: p.most, Progress: tell.blocks,
		Listed: func(r FetchResult) error { return p.lease(ctx, r) },
	})
	if slow := context.Cause(ctx); err != nil && errors.Is(slow, errSlow) {
		err = slow
	}
	return res, err
}

// lease takes the root under lease before its chunks are here.
func (p *pull) lease(ctx context.Context, r FetchResult) error {
	if len(r.Blocks) != int(p.offer.Blocks) {
		return fmt.Errorf("%d blocks were offered, the site has %d", p.offer.Blocks, len(r.Blocks))
	}
	if r.First != p.part.first || r.Held != p.part.count {
		return fmt.Errorf("the range %d+%d became %d+%d", p.part.first, p.part.count, r.First, r.Held)
	}
	root := store.Root{
		Hash: p.offer.Root, Class: store.Leased, Owner: p.voucher.Owner, Group: p.claim.group, Blocks: r.Blocks, Size: r.Size,
		LeaseUntil: p.k.until(p.voucher), LeaseFirst: uint64(r.First), LeaseCount: uint64(r.Held), LeaseBytes: r.Bytes,
	}
	if p.before.Leased(time.Now()) {
		p.widen(&root)
	}
	if p.before.Listed > 0 {
		root.Blocks = nil // the same: a root has one list
	}
	if _, err := p.k.cfg.Store.AddRoot(ctx, root); err != nil {
		return fmt.Errorf("take %s under lease: %w", root.Hash, err)
	}
	p.leased = true
	p.k.settle(p.claim)
	return nil
}

// widen makes a lease the union of itself and the one that runs. Whoever pays
// for that goes on to.
func (p *pull) widen(r *store.Root) {
	r.Owner = p.before.Owner
	old, add := leasedSpan(p.before), p.part
	if old.first <= add.first && add.end() <= old.end() {
		r.LeaseFirst, r.LeaseCount, r.LeaseBytes = p.before.LeaseFirst, p.before.LeaseCount, p.before.LeaseBytes
		return
	}
	first := min(old.first, add.first)
	r.LeaseFirst, r.LeaseCount = uint64(first), uint64(max(old.end(), add.end())-first)
	r.LeaseBytes = min(r.Size, r.LeaseBytes+leaseBytes(p.before))
}

// keep makes the lease final: everything is here.
func (p *pull) keep(ctx context.Context, res FetchResult) (wire.Receipt, error) {
	if err := p.k.note(ctx, p.voucher, false); err != nil {
		return wire.Receipt{}, err
	}
	bits, count, full, err := p.k.cfg.Store.Bitmap(p.offer.Root)
	if err != nil {
		return wire.Receipt{}, fmt.Errorf("look at what came: %w", err)
	}
	mine := holder{full: full, bits: bits}
	for i := p.part.first; i < p.part.end(); i++ {
		if i >= count || !mine.has(i) {
			return wire.Receipt{}, fmt.Errorf("block %d of %s is gone again", i, p.offer.Root)
		}
	}
	until := p.k.until(p.voucher)
	if _, err := p.k.cfg.Store.AddRoot(ctx, p.again(until)); err != nil {
		return wire.Receipt{}, fmt.Errorf("take %s under lease: %w", p.offer.Root, err)
	}
	p.k.plan(p.offer.Root, time.Now().Add(p.k.jitter()))
	p.k.endSuperseded(ctx, p.voucher, false)
	p.full = full
	return wire.Receipt{Root: p.offer.Root, Blocks: uint64(res.Held), Until: uint64(until.UnixMilli())}, nil
}

// again is the lease that is in the store, from now on.
func (p *pull) again(until time.Time) store.Root {
	info, _ := p.k.cfg.Store.Root(p.offer.Root)
	info.Root.Class, info.Root.LeaseUntil = store.Leased, until
	return info.Root
}

func (p *pull) provide(ctx context.Context, full bool) {
	if err := p.k.cfg.Network.Provide(ctx, p.offer.Root, full, p.k.cfg.Lease); err != nil {
		p.k.cfg.Log.Debug("announce a held site", "root", p.offer.Root, "err", err)
	}
}

// undo takes back a lease whose blocks did not come. Those that did stay as
// long as there is room, for another attempt.
func (p *pull) undo(ctx context.Context, why error) {
	s := p.k.cfg.Store
	if errors.Is(why, store.ErrFull) {
		p.k.endSuperseded(ctx, p.voucher, true)
	}
	if !p.leased {
		return
	}
	var err error
	if p.before.Leased(time.Now()) {
		old := p.before.Root
		old.Class, old.Blocks = store.Leased, nil
		_, err = s.AddRoot(ctx, old)
	} else {
		if p.before.Class == 0 {
			_, err = s.AddRoot(ctx, store.Root{Hash: p.offer.Root, Class: store.Cache})
		}
		err = errors.Join(err, s.DropClass(ctx, p.offer.Root, store.Leased))
	}
	if err != nil {
		p.k.cfg.Log.Warn("take back a lease", "root", p.offer.Root, "err", err)
	}
}

// Hold takes a root whose blocks are here into the store as the user's own or
// pinned, and looks after it from now on.
func (k *Keeper) Hold(ctx context.Context, v Voucher, r store.Root) (store.RootInfo, error) {
	info, err := k.cfg.Store.AddRoot(ctx, r)
	if err != nil {
		return info, fmt.Errorf("keep %s: %w", r.Hash, err)
	}
	if err := k.note(ctx, v, true); err != nil {
		return info, err
	}
	k.plan(r.Hash, time.Now().Add(k.jitter()))
	return info, nil
}

// teller sends the offerer a Receipt without a date now and then, so that a
// long pull is seen to move. One that takes a while also tells the network that
// there is a part of the site here: others who pull need not all draw on the
// offerer.
type teller struct {
	p       *pull
	ctx     context.Context
	began   time.Time
	sharing sync.WaitGroup

	mu     sync.Mutex
	last   time.Time
	bytes  int64 // here of what is pulled
	shared bool
	done   bool
}

func (p *pull) teller(ctx context.Context) *teller {
	return &teller{p: p, ctx: ctx, began: time.Now(), last: time.Now()}
}

// pace stops a pull that brings too little in any paceWindow.
func (t *teller) pace(ctx context.Context, stop context.CancelCauseFunc) {
	tick := time.NewTicker(paceWindow)
	defer tick.Stop()
	for before := int64(0); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		now := t.bytes
		t.mu.Unlock()
		if now-before < paceLeast {
			stop(errSlow)
			return
		}
		before = now
	}
}

func (t *teller) blocks(n int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = bytes
	if t.done || time.Since(t.last) < progressEvery {
		return
	}
	t.last = time.Now()
	t.p.stream.Write(wire.Receipt{Root: t.p.offer.Root, Blocks: uint64(n)})
	if !t.shared && t.p.leased && time.Since(t.began) >= shareAfter {
		t.shared = true
		t.sharing.Go(func() { t.p.provide(t.ctx, false) })
	}
}

// stop makes sure that nothing is written after the final Receipt.
func (t *teller) stop() {
	t.mu.Lock()
	t.done = true
	t.mu.Unlock()
	t.sharing.Wait()
}

// clip shortens a text to what fits in a message, at a letter's end.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && s[end]&0xc0 == 0x80 {
		end--
	}
	return s[:end]
}

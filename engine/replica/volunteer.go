package replica

import (
	"context"
	"fmt"
	"sync"
	"time"

	"altnet/engine/store"
	"altnet/engine/wire"
)

// HandleOffer answers an offer from a peer: it decides, says so, pulls the
// blocks, and confirms once they are durable. It returns when the exchange
// has ended.
func (k *Keeper) HandleOffer(ctx context.Context, from wire.Peer, group string, offer wire.Offer, s Stream) error {
	v, reply, release := k.consider(ctx, group, offer)
	if release != nil {
		defer release()
	}
	if err := s.Write(reply); err != nil {
		return fmt.Errorf("answer an offer: %w", err)
	}
	if !reply.Accepted {
		k.cfg.Log.Info("offer refused", "root", offer.Root, "from", from.ID.Short(), "reason", reply.Reason)
		return nil
	}
	receipt, err := k.pull(ctx, from, group, v, offer, reply, s)
	if err != nil {
		k.cfg.Log.Info("offer not completed", "root", offer.Root, "from", from.ID.Short(), "err", err)
		s.Write(wire.Error{Code: wire.CodeInternal, Text: "the site could not be pulled"})
		return err
	}
	return s.Write(receipt)
}

// consider decides about an offer. release is set where it was accepted.
func (k *Keeper) consider(ctx context.Context, group string, offer wire.Offer) (Voucher, wire.OfferReply, func()) {
	refuse := func(reason string) (Voucher, wire.OfferReply, func()) {
		return Voucher{}, wire.OfferReply{Reason: reason}, nil
	}
	if !k.cfg.Volunteer() {
		return refuse("keeps no other people's sites")
	}
	if offer.Blocks == 0 || offer.Size == 0 || offer.Size > offer.Blocks*wire.MaxBlock || offer.First >= offer.Blocks {
		return refuse("the offer makes no sense")
	}
	release, ok := k.admit(group)
	if !ok {
		return refuse("busy")
	}
	v, err := k.cfg.Network.Vouch(ctx, offer.Record, group)
	switch {
	case err != nil:
		release()
		return refuse("the record is not valid: " + clip(err.Error()))
	case v.Root != offer.Root || v.Withdrawn || !v.Expires.After(time.Now()):
		release()
		return refuse("the record does not vouch for this root")
	}
	first, count := clampSpan(offer)
	count = min(count, k.room(v, group, offer))
	if count == 0 {
		release()
		return refuse("no room for this owner")
	}
	return v, wire.OfferReply{
		Accepted: true, Until: uint64(k.until(v).UnixMilli()), First: first, Count: count,
	}, release
}

// clampSpan reads the offered range, whose numbers are the peer's.
func clampSpan(o wire.Offer) (first, count uint64) {
	rest := o.Blocks - o.First
	if o.Count == 0 || o.Count > rest {
		return o.First, rest
	}
	return o.First, o.Count
}

// room returns how many of the offered blocks the quotas leave room for.
// Blocks are taken at the site's mean size; the pull enforces the bytes.
func (k *Keeper) room(v Voucher, group string, o wire.Offer) uint64 {
	if info, ok := k.cfg.Store.Root(o.Root); ok && info.Class&store.Leased != 0 {
		return o.Blocks // a renewal takes no more room than it has
	}
	u := k.cfg.Store.Usage()
	free := u.Budget - u.Own - u.Pinned - u.Leased
	free = min(free, k.cfg.PerPeerBudget-k.cfg.Store.LeasedBytes(v.Owner))
	free = min(free, k.cfg.PerPeerBudget*groupShare-k.cfg.Store.LeasedBytesGroup(group))
	if free <= 0 {
		return 0
	}
	if uint64(free) >= o.Size {
		return o.Blocks
	}
	return uint64(free) / max(1, (o.Size+o.Blocks-1)/o.Blocks)
}

// groupShare is how many owners' worth of budget one IP group may use: an
// office or a school behind one address has several publishers, and nobody
// gets more by minting keys.
const groupShare = 4

func (k *Keeper) until(v Voucher) time.Time {
	until := time.Now().Add(k.cfg.Lease)
	if v.Expires.Before(until) {
		return v.Expires
	}
	return until
}

// pull brings the accepted range in and takes it under lease.
func (k *Keeper) pull(ctx context.Context, from wire.Peer, group string, v Voucher, o wire.Offer, r wire.OfferReply, s Stream) (wire.Receipt, error) {
	tell := k.teller(o.Root, s)
	res, err := k.cfg.Network.Fetch(ctx, FetchJob{
		Root: o.Root, From: []wire.Peer{from}, First: int(r.First), Count: int(r.Count),
		MaxBytes: int64(o.Size), Progress: tell.blocks,
	})
	tell.stop()
	if err != nil {
		return wire.Receipt{}, err
	}
	until := k.until(v)
	info, err := k.Hold(ctx, v, store.Root{
		Hash: o.Root, Class: store.Leased, Owner: v.Owner, Group: group, Blocks: res.Blocks, Size: int64(o.Size),
		LeaseUntil: until, LeaseFirst: r.First, LeaseCount: uint64(res.Held), LeaseBytes: res.Bytes,
	})
	if err != nil {
		return wire.Receipt{}, err
	}
	if err := k.cfg.Network.Provide(ctx, o.Root, info.Full, k.cfg.Lease); err != nil {
		k.cfg.Log.Debug("announce a held site", "root", o.Root, "err", err)
	}
	return wire.Receipt{Root: o.Root, Blocks: uint64(res.Held), Until: uint64(until.UnixMilli())}, nil
}

// Hold takes a root whose blocks are here into the store and looks after it
// from now on.
func (k *Keeper) Hold(ctx context.Context, v Voucher, r store.Root) (store.RootInfo, error) {
	info, err := k.cfg.Store.AddRoot(ctx, r)
	if err != nil {
		return info, fmt.Errorf("keep %s: %w", r.Hash, err)
	}
	if err := k.held.Put(ctx, r.Hash[:], v.Raw, time.Time{}); err != nil {
		return info, fmt.Errorf("note the record of %s: %w", r.Hash, err)
	}
	k.plan(r.Hash, time.Now().Add(k.jitter()))
	return info, nil
}

// admit takes one of the places for pulls, or says that there is none.
func (k *Keeper) admit(group string) (release func(), ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	total := 0
	for _, n := range k.pulls {
		total += n
	}
	if total >= maxPulls || k.pulls[group] >= maxPullsPerGroup {
		return nil, false
	}
	k.pulls[group]++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.pulls[group]--; k.pulls[group] == 0 {
			delete(k.pulls, group)
		}
	}), true
}

// teller sends the offerer a Receipt without a date now and then, so that a
// long pull is seen to move.
type teller struct {
	mu   sync.Mutex
	last time.Time
	send func(blocks int)
}

func (k *Keeper) teller(root wire.Hash, s Stream) *teller {
	return &teller{last: time.Now(), send: func(blocks int) {
		s.Write(wire.Receipt{Root: root, Blocks: uint64(blocks)})
	}}
}

func (t *teller) blocks(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.send != nil && now.Sub(t.last) >= progressEvery {
		t.last = now
		t.send(n)
	}
}

// stop makes sure that nothing is written after the final Receipt.
func (t *teller) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send = nil
}

func clip(s string) string { return s[:min(len(s), 200)] }

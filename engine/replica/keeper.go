package replica

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

const (
	// probes bounds how many announced holders of a root are asked whether
	// they live. Confirmed ones are asked besides.
	probes       = 12
	probeTimeout = 10 * time.Second
	// checkTimeout bounds one look at one root, repairs not included.
	checkTimeout = 2 * time.Minute
	// lookers is how many roots are looked at at a time.
	lookers = 4
)

// kept are the classes that a root is looked after for.
const kept = store.Own | store.Leased | store.Pinned

// schedule spreads the roots kept from before over the first interval. The
// user's own come within minutes: the count of their copies is not kept. So do
// those taken shortly before: the node may have crashed before it told anybody.
func (k *Keeper) schedule() {
	fresh := time.Now().Add(k.cfg.Lease - time.Hour)
	for _, r := range k.cfg.Store.Roots() {
		switch {
		case r.Class&(store.Own|store.Pinned) != 0, r.Class&store.Leased != 0 && r.LeaseUntil.After(fresh):
			k.due[r.Hash] = time.Now().Add(k.cfg.CheckEvery/360 + rand.N(k.cfg.CheckEvery/72+1))
		case r.Class&kept != 0:
			k.due[r.Hash] = time.Now().Add(k.soon())
		}
	}
}

// plan sets when a root is looked at next.
func (k *Keeper) plan(root wire.Hash, at time.Time) {
	k.mu.Lock()
	k.due[root] = at
	k.mu.Unlock()
	k.rouse()
}

func (k *Keeper) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// jitter is between half of and one and a half intervals, so that holders of
// one site do not all look at once.
func (k *Keeper) jitter() time.Duration {
	return k.cfg.CheckEvery/2 + rand.N(k.cfg.CheckEvery)
}

// soon is a first look after a start: within a quarter of an interval.
func (k *Keeper) soon() time.Duration { return rand.N(k.cfg.CheckEvery/4 + 1) }

// again is when to look again at what is not as it should be.
func (k *Keeper) again() time.Duration { return k.cfg.CheckEvery/12 + rand.N(k.cfg.CheckEvery/12+1) }

// Check looks at a root now rather than when its turn comes.
func (k *Keeper) Check(root wire.Hash) { k.plan(root, time.Now()) }

// run has a few roots looked at at a time, so that one whose repair is slow
// holds up no other.
func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	free := make(chan struct{}, lookers)
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		for root, ok := k.nextDue(); ok; root, ok = k.nextDue() {
			select {
			case <-k.ctx.Done():
				return
			case free <- struct{}{}:
			}
			k.done.Go(func() {
				defer func() { <-free }()
				defer k.free(root)
				k.look(root)
			})
		}
		timer.Reset(k.untilNext())
	}
}

// nextDue takes a root whose time has come and plans its next turn. Whoever
// takes it calls free.
func (k *Keeper) nextDue() (wire.Hash, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for root, at := range k.due {
		if !at.After(now) && k.looking[root] == 0 {
			k.due[root] = now.Add(k.jitter())
			k.looking[root]++
			return root, true
		}
	}
	return wire.Hash{}, false
}

// untilNext is how long nothing is due. Roots that are being worked on wake
// the loop when that ends.
func (k *Keeper) untilNext() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := k.cfg.CheckEvery
	for root, at := range k.due {
		if k.looking[root] == 0 {
			next = min(next, time.Until(at))
		}
	}
	return max(next, time.Second)
}

// busy keeps looks away from a root until free.
func (k *Keeper) busy(root wire.Hash) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looking[root]++
}

func (k *Keeper) free(root wire.Hash) {
	k.mu.Lock()
	if k.looking[root]--; k.looking[root] == 0 {
		delete(k.looking, root)
	}
	k.mu.Unlock()
	k.rouse()
}

// look does what decide says about one root.
func (k *Keeper) look(root wire.Hash) {
	ctx, cancel := context.WithTimeout(k.ctx, checkTimeout)
	defer cancel()
	info, ok := k.cfg.Store.Root(root)
	if !ok || info.Class&kept == 0 {
		k.forget(root)
		return
	}
	notes, err := k.notes(root)
	if err != nil {
		k.cfg.Log.Warn("read what vouches for a site", "root", root, "err", err)
		return
	}
	if len(notes) == 0 {
		k.unvouched(ctx, info)
		return
	}
	v, st := k.judge(ctx, root, notes)
	holders, isolated := k.liveHolders(ctx, root, info.Listed)
	if k.ctx.Err() != nil {
		return // nothing that was seen while closing counts
	}
	own := info.Class&(store.Own|store.Pinned) != 0
	if own && !isolated {
		k.recount(root, holders, info.Listed)
	}
	if info.Class&store.Own == 0 {
		holders = append(holders, k.myself(root))
	}
	seen := view{
		now: time.Now(), standing: st, own: own, isolated: isolated, lease: info.LeaseUntil, self: k.cfg.Network.Self().ID,
		root: root, blocks: info.Listed, holders: holders, goal: k.cfg.Copies,
	}
	k.apply(ctx, v, info, seen, decide(seen))
	if isolated && k.isDue(root) {
		k.plan(root, time.Now().Add(k.again()))
	}
}

// isDue reports whether a root is still looked after.
func (k *Keeper) isDue(root wire.Hash) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.due[root]
	return ok
}

// unvouched deals with a root that no record vouches for. A block that the
// user put here by hand is announced; the lease of a pull that a crash cut
// short is dropped.
func (k *Keeper) unvouched(ctx context.Context, info store.RootInfo) {
	if info.Class&(store.Own|store.Pinned) == 0 {
		k.drop(info.Hash)
		return
	}
	k.announce(ctx, Voucher{}, info)
}

// Watch looks after a root that is in the store already.
func (k *Keeper) Watch(root wire.Hash) { k.plan(root, time.Now().Add(k.jitter())) }

// forget stops looking after a root.
func (k *Keeper) forget(root wire.Hash) {
	k.mu.Lock()
	delete(k.due, root)
	delete(k.copies, root)
	k.mu.Unlock()
	notes, err := k.notes(root)
	if err != nil {
		k.cfg.Log.Warn("read what vouches for a site", "root", root, "err", err)
	}
	for _, n := range notes {
		k.unnote(root, n.owner)
	}
}

func (k *Keeper) myself(root wire.Hash) holder {
	bits, _, full, err := k.cfg.Store.Bitmap(root)
	return holder{id: k.cfg.Network.Self().ID, full: full && err == nil, bits: bits}
}

// liveHolders asks everyone who says or said to hold root whether it still
// does. isolated is set where it is this node that nobody answers.
func (k *Keeper) liveHolders(ctx context.Context, root wire.Hash, blocks int) (live []holder, isolated bool) {
	peers, err := k.cfg.Network.Providers(ctx, root)
	if err != nil {
		k.cfg.Log.Debug("find holders", "root", root, "err", err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, p := range k.suspects(root, peers) {
		wg.Go(func() {
			if h, ok := k.probeTwice(ctx, p, root, blocks); ok {
				mu.Lock()
				defer mu.Unlock()
				live = append(live, h)
			}
		})
	}
	wg.Wait()
	if len(live) > 0 {
		return live, false
	}
	near, err := k.cfg.Network.Closest(ctx, root, 1)
	return nil, err != nil || len(near) == 0
}

// suspects returns whom to ask: the announced holders nearest to root, and
// those whose confirmation stands.
func (k *Keeper) suspects(root wire.Hash, announced []wire.Peer) []wire.Peer {
	byDistance(root, announced)
	known := map[identity.NodeID]bool{k.cfg.Network.Self().ID: true}
	var ask []wire.Peer
	add := func(p wire.Peer) {
		if !known[p.ID] {
			known[p.ID] = true
			ask = append(ask, p)
		}
	}
	for _, p := range announced {
		if len(ask) < probes {
			add(p)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.copies[root] {
		if len(ask) < 2*probes {
			add(c.peer)
		}
	}
	return ask
}

// probeTwice gives a holder a second chance: one lost packet is no lost copy.
func (k *Keeper) probeTwice(ctx context.Context, p wire.Peer, root wire.Hash, blocks int) (holder, bool) {
	h, ok := k.probe(ctx, p, root, blocks)
	if !ok && ctx.Err() == nil {
		h, ok = k.probe(ctx, p, root, blocks)
	}
	return h, ok
}

// probe asks a peer what it holds of a site of so many blocks.
func (k *Keeper) probe(ctx context.Context, p wire.Peer, root wire.Hash, blocks int) (holder, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	m, err := k.cfg.Network.Request(ctx, p, wire.GetHave{Root: root})
	have, ok := m.(wire.Have)
	if err != nil || !ok || (blocks > 0 && have.Count > 0 && have.Count != uint64(blocks)) {
		return holder{}, false
	}
	h := holder{id: p.ID, peer: p, full: have.Full}
	if !h.full {
		h.bits = bytes.Clone(have.Bitmap[:min(len(have.Bitmap), (blocks+7)/8)])
	}
	return h, h.full || h.count(blocks) > 0
}

// apply carries a plan out.
func (k *Keeper) apply(ctx context.Context, v Voucher, info store.RootInfo, seen view, p plan) {
	log := k.cfg.Log.With("root", info.Hash)
	if p.release {
		log.Info("letting go", "standing", seen.standing)
		k.drop(info.Hash)
		return
	}
	if p.renew {
		if err := k.renew(ctx, v, info); err != nil {
			log.Warn("renew a lease", "err", err)
		}
	}
	if p.provide {
		k.announce(ctx, v, info)
	}
	if p.lacking.count == 0 {
		return
	}
	s := Site{Voucher: v, Size: info.Size, Blocks: info.Listed}
	n, err := k.place(k.ctx, s, p.lacking, p.recruit, seen.holders)
	switch {
	case n > 0:
		log.Info("placed copies that were missing", "copies", n, "wanted", p.recruit)
	case err != nil && !errors.Is(err, context.Canceled):
		log.Debug("nobody took the copies that are missing", "wanted", p.recruit, "err", err)
	}
	if n < p.recruit {
		k.plan(info.Hash, time.Now().Add(k.again()))
	}
}

// renew extends the lease. One whose first owner wants it no longer counts
// toward the quota of who still does.
func (k *Keeper) renew(ctx context.Context, v Voucher, info store.RootInfo) error {
	if info.Class&store.Leased == 0 {
		return nil
	}
	if _, ok := k.noteOf(info.Hash, info.Owner); !ok {
		info.Root.Owner = v.Owner
	}
	info.Root.Class, info.Root.LeaseUntil = store.Leased, k.until(v)
	_, err := k.cfg.Store.AddRoot(ctx, info.Root)
	return err
}

// announce re-announces the holder and, unchanged, the owner's record.
func (k *Keeper) announce(ctx context.Context, v Voucher, info store.RootInfo) {
	ttl := k.cfg.Lease
	if now, ok := k.cfg.Store.Root(info.Hash); ok && now.Class&(store.Own|store.Pinned) == 0 {
		ttl = min(ttl, time.Until(now.LeaseUntil))
	}
	_, _, full, err := k.cfg.Store.Bitmap(info.Hash)
	if err == nil && ttl >= time.Second {
		err = k.cfg.Network.Provide(ctx, info.Hash, full, ttl)
	}
	if err == nil && v.Expires.After(time.Now()) {
		err = k.cfg.Network.Announce(ctx, v.Raw)
	}
	if err != nil {
		k.cfg.Log.Debug("announce a held site", "root", info.Hash, "err", err)
	}
}

// drop ends the lease of a root at once.
func (k *Keeper) drop(root wire.Hash) {
	if err := k.cfg.Store.DropClass(k.ctx, root, store.Leased); err != nil {
		k.cfg.Log.Warn("end a lease", "root", root, "err", err)
	}
	k.forget(root)
}

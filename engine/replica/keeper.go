package replica

import (
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
	// probes bounds how many holders of a root are asked whether they live.
	probes       = 12
	probeTimeout = 10 * time.Second
	// checkTimeout bounds one look at one root, repairs not included.
	checkTimeout = 2 * time.Minute
)

// schedule spreads the roots kept from before over the first interval.
func (k *Keeper) schedule() {
	for _, r := range k.cfg.Store.Roots() {
		if r.Class&(store.Own|store.Leased|store.Pinned) != 0 {
			k.due[r.Hash] = time.Now().Add(k.soon())
		}
	}
}

// plan sets when a root is looked at next.
func (k *Keeper) plan(root wire.Hash, at time.Time) {
	k.mu.Lock()
	k.due[root] = at
	k.mu.Unlock()
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
func (k *Keeper) soon() time.Duration { return rand.N(k.cfg.CheckEvery / 4) }

// Check looks at a root now rather than when its turn comes.
func (k *Keeper) Check(root wire.Hash) { k.plan(root, time.Now()) }

func (k *Keeper) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.wake:
		case <-timer.C:
		}
		for root, ok := k.nextDue(); ok && k.ctx.Err() == nil; root, ok = k.nextDue() {
			k.look(root)
		}
		timer.Reset(k.untilNext())
	}
}

// nextDue takes a root whose time has come and plans its next turn.
func (k *Keeper) nextDue() (wire.Hash, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for root, at := range k.due {
		if !at.After(now) {
			k.due[root] = now.Add(k.jitter())
			return root, true
		}
	}
	return wire.Hash{}, false
}

func (k *Keeper) untilNext() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := k.cfg.CheckEvery
	for _, at := range k.due {
		next = min(next, time.Until(at))
	}
	return max(next, time.Second)
}

// look does what decide says about one root.
func (k *Keeper) look(root wire.Hash) {
	ctx, cancel := context.WithTimeout(k.ctx, checkTimeout)
	defer cancel()
	info, ok := k.cfg.Store.Root(root)
	raw, known, err := k.held.Get(root[:])
	if !ok || err != nil || !known {
		k.forget(root)
		return
	}
	v, err := k.cfg.Network.Vouch(ctx, raw, "")
	if err != nil {
		// Expired, blocked or revoked since: nothing is renewed, the lease runs out.
		k.cfg.Log.Info("no longer vouched for", "root", root, "err", err)
		v = Voucher{Root: root, Raw: raw}
	}
	view := k.view(ctx, v, info)
	k.apply(ctx, v, info, view, decide(view))
}

// forget stops looking after a root that the store no longer keeps.
func (k *Keeper) forget(root wire.Hash) {
	k.mu.Lock()
	delete(k.due, root)
	delete(k.copies, root)
	k.mu.Unlock()
	k.held.Delete(k.ctx, root[:])
}

// view gathers what the decision rests on.
func (k *Keeper) view(ctx context.Context, v Voucher, info store.RootInfo) view {
	self := k.cfg.Network.Self().ID
	own := info.Class&store.Own != 0
	holders := k.liveHolders(ctx, info.Hash)
	k.lost(info.Hash, holders)
	if !own {
		holders = append(holders, k.myself(self, info.Hash))
	}
	return view{
		now: time.Now(), standing: k.standing(ctx, v), own: own || info.Class&store.Pinned != 0,
		lease: info.LeaseUntil, self: self, root: info.Hash, blocks: info.Listed,
		holders: holders, goal: k.cfg.Copies,
	}
}

func (k *Keeper) myself(self identity.NodeID, root wire.Hash) holder {
	bits, _, full, err := k.cfg.Store.Bitmap(root)
	return holder{id: self, full: full && err == nil, bits: bits}
}

// standing asks the network what became of the record.
func (k *Keeper) standing(ctx context.Context, v Voucher) standing {
	if v.Expires.IsZero() || !v.Expires.After(time.Now()) {
		return expired
	}
	latest, err := k.cfg.Network.Latest(ctx, v.Owner)
	if err != nil || latest.Seq <= v.Seq {
		return current // silence is no reason to let go
	}
	if latest.Withdrawn {
		return withdrawn
	}
	if latest.Root != v.Root {
		return superseded
	}
	k.held.Put(ctx, v.Root[:], latest.Raw, time.Time{}) // renewed: the later date is the one to announce
	return current
}

// liveHolders asks everyone who says to hold root whether it still does.
func (k *Keeper) liveHolders(ctx context.Context, root wire.Hash) []holder {
	peers, err := k.cfg.Network.Providers(ctx, root)
	if err != nil {
		k.cfg.Log.Debug("find holders", "root", root, "err", err)
	}
	byDistance(root, peers)
	self := k.cfg.Network.Self().ID
	var (
		mu   sync.Mutex
		live []holder
		wg   sync.WaitGroup
	)
	for _, p := range peers[:min(len(peers), probes)] {
		if p.ID == self {
			continue
		}
		wg.Go(func() {
			if h, ok := k.probe(ctx, p, root); ok {
				mu.Lock()
				defer mu.Unlock()
				live = append(live, h)
			}
		})
	}
	wg.Wait()
	return live
}

func (k *Keeper) probe(ctx context.Context, p wire.Peer, root wire.Hash) (holder, bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	m, err := k.cfg.Network.Request(ctx, p, wire.GetHave{Root: root})
	have, ok := m.(wire.Have)
	if err != nil || !ok || (!have.Full && len(have.Bitmap) == 0) {
		return holder{}, false
	}
	return holder{id: p.ID, full: have.Full, bits: have.Bitmap}, true
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
	skip := map[identity.NodeID]bool{}
	for _, h := range seen.holders {
		skip[h.id] = h.full
	}
	s := Site{Voucher: v, Size: info.Size, Blocks: info.Listed}
	n, err := k.place(k.ctx, s, p.lacking, p.recruit, skip)
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Info("repair", "wanted", p.recruit, "placed", n, "err", err)
	}
}

func (k *Keeper) renew(ctx context.Context, v Voucher, info store.RootInfo) error {
	if info.Class&store.Leased == 0 {
		return nil
	}
	info.Root.Class, info.Root.LeaseUntil = store.Leased, k.until(v)
	_, err := k.cfg.Store.AddRoot(ctx, info.Root)
	return err
}

// announce re-announces the holder and, unchanged, the owner's record.
func (k *Keeper) announce(ctx context.Context, v Voucher, info store.RootInfo) {
	_, _, full, err := k.cfg.Store.Bitmap(info.Hash)
	if err == nil {
		err = k.cfg.Network.Provide(ctx, info.Hash, full, k.cfg.Lease)
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

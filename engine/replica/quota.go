package replica

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

const (
	// maxPulls bounds the sites pulled at a time for others, and
	// maxPullsPerGroup those for one IP group.
	maxPulls         = 16
	maxPullsPerGroup = 2
	// groupShare is how many owners' worth of budget one IP group may use: an
	// office or a school behind one address has several publishers, and nobody
	// gets more by minting keys.
	groupShare = 4
	// maxLeases bounds the sites kept for others, maxLeasesPerGroup those for
	// one IP group and maxLeasesPerOwner the versions of one owner: tiny sites
	// cost a place in memory whatever their bytes.
	maxLeases         = 1 << 15
	maxLeasesPerGroup = 1 << 11
	maxLeasesPerOwner = 16
	// leaseEighths of the budget is the most that other people's sites take:
	// the rest is for what is published, pinned and read here.
	leaseEighths = 6
	// rootCost and blockCost are what a site costs beside its blocks, and
	// treeCost what its nodes do where only a part of it is kept.
	rootCost  = 4096
	blockCost = 32
	treeCost  = 64
	// leastPart of an offered range is worth keeping: one part in so many.
	leastPart = 16
)

// claim is room that an accepted offer has until its lease is in the store.
type claim struct {
	group string
	owner identity.PublicKey // zero until the record is verified
	root  wire.Hash
	bytes int64
}

// admit takes one of the places for pulls, or returns nil.
func (k *Keeper) admit(group string) *claim {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for c := range k.claims {
		if c.group == group {
			n++
		}
	}
	if len(k.claims) >= maxPulls || n >= maxPullsPerGroup {
		return nil
	}
	c := &claim{group: group}
	k.claims[c] = struct{}{}
	return c
}

func (k *Keeper) release(c *claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.claims, c)
}

// settle gives up the room of a claim whose lease counts by itself now.
func (k *Keeper) settle(c *claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c.bytes = 0
}

// reserve decides how much of an offered range there is room for, and claims
// it. What it returns is empty where the offer is refused, with the reason.
func (k *Keeper) reserve(c *claim, v Voucher, o wire.Offer) (part span, most int64, reason string) {
	old := k.superseded(v)
	k.mu.Lock()
	defer k.mu.Unlock()
	for other := range k.claims {
		if other.root == v.Root && other.owner == v.Owner {
			return span{}, 0, "this offer is being carried out already"
		}
	}
	c.owner, c.root = v.Owner, v.Root
	part = clampSpan(o)
	held, _ := k.cfg.Store.Root(v.Root)
	if k.covers(held, part) {
		return part, int64(o.Size), "" // takes no more room than it has
	}
	if all, ofGroup := k.cfg.Store.LeaseCounts(c.group); all >= maxLeases || ofGroup >= maxLeasesPerGroup {
		return span{}, 0, "keeps too many sites already"
	}
	free := k.freeLocked(c, v, old)
	var has span   // of it, under a lease that is to grow
	var cost int64 // of a new root beside its blocks
	if held.Leased(time.Now()) {
		has = leasedSpan(held)
		if held.Owner != v.Owner { // who pays for the lease did not ask for more
			if part = part.and(has); part.count == 0 {
				return span{}, 0, "keeps another part for another owner"
			}
			return part, int64(o.Size), ""
		}
		if part.first > has.end() || part.end() < has.first { // a lease is one range
			return span{}, 0, "keeps another part already"
		}
	} else {
		cost = rootCost + int64(o.Blocks)*blockCost
		free -= cost
	}
	part = fit(part, has, free, o)
	if part.count == 0 {
		return span{}, 0, "no room for this owner"
	}
	most = min(int64(o.Size), free)
	c.bytes = most + cost
	if has.count > 0 {
		most = min(int64(o.Size), free+leaseBytes(held))
	}
	return part, most, ""
}

// covers reports whether a range is kept here already.
func (k *Keeper) covers(r store.RootInfo, part span) bool {
	if r.Class&(store.Own|store.Pinned) != 0 {
		return r.Full
	}
	if !r.Leased(time.Now()) {
		return false
	}
	leased := leasedSpan(r)
	return leased.first <= part.first && part.end() <= leased.end()
}

// leasedSpan is the range of a site that is under lease.
func leasedSpan(r store.RootInfo) span {
	first := int(min(r.LeaseFirst, uint64(r.Listed)))
	count := r.Listed - first
	if r.LeaseCount > 0 {
		count = int(min(r.LeaseCount, uint64(count)))
	}
	return span{first, count}
}

func leaseBytes(r store.RootInfo) int64 {
	if r.LeaseBytes > 0 {
		return r.LeaseBytes
	}
	return r.Size
}

// perPeer is what one owner may have under lease.
func (k *Keeper) perPeer() int64 {
	if k.cfg.PerPeerBudget > 0 {
		return k.cfg.PerPeerBudget
	}
	return k.cfg.Store.Budget() / peerShare
}

// freeLocked is how many bytes the quotas leave for an offer. Leases of older
// versions do not stand in the way of a newer one: they end when it is here.
func (k *Keeper) freeLocked(c *claim, v Voucher, old []store.RootInfo) int64 {
	u := k.cfg.Store.Usage()
	free := min(u.Budget-u.Own-u.Pinned, u.Budget/8*leaseEighths) - u.Leased
	ofOwner := k.perPeer() - k.cfg.Store.LeasedBytes(v.Owner)
	ofGroup := k.perPeer()*groupShare - k.cfg.Store.LeasedBytesGroup(c.group)
	for other := range k.claims {
		free -= other.bytes
		if other.owner == v.Owner {
			ofOwner -= other.bytes
		}
		if other.group == c.group {
			ofGroup -= other.bytes
		}
	}
	for _, r := range old {
		free += leaseBytes(r)
		ofOwner += leaseBytes(r)
		if r.Group == c.group {
			ofGroup += leaseBytes(r)
		}
	}
	return min(free, ofOwner, ofGroup)
}

// fit cuts a range to what fits in free bytes beside what is here of it,
// blocks taken at the site's mean size.
func fit(part, has span, free int64, o wire.Offer) span {
	blocks, size := int64(o.Blocks), int64(o.Size)
	if has.count == 0 && free >= size {
		return part
	}
	if has.count == 0 {
		free -= blocks * treeCost
	}
	mean := (size + blocks - 1) / blocks
	here := part.and(has).count
	if free >= mean*int64(part.count-here) {
		return part
	}
	// A quarter is left for blocks larger than the mean.
	count := int(max(0, free/4*3/mean))
	if has.first <= part.first {
		count += here
	}
	if count < part.count/leastPart {
		count = 0
	}
	return span{part.first, min(count, part.count)}
}

// sane reports whether an offer's numbers can be true. Those that are fit in
// an int and multiply without overflow.
func sane(o wire.Offer) bool {
	return o.Blocks > 0 && o.Blocks <= min(store.MaxRootBlocks, math.MaxInt32) &&
		o.Size > 0 && o.Size <= o.Blocks*wire.MaxBlock && o.First < o.Blocks
}

// clampSpan reads the offered range of a sane offer.
func clampSpan(o wire.Offer) span {
	rest := o.Blocks - o.First
	if o.Count > 0 {
		rest = min(rest, o.Count)
	}
	return span{int(o.First), int(rest)}
}

// endSuperseded ends leases of an owner's older versions, the oldest first,
// while they leave the quotas no room, or, with all set, every one.
func (k *Keeper) endSuperseded(ctx context.Context, v Voucher, all bool) {
	for _, r := range k.superseded(v) {
		u := k.cfg.Store.Usage()
		if !all && k.cfg.Store.LeasedBytes(v.Owner) <= k.perPeer() &&
			len(k.cfg.Store.LeasesOf(v.Owner)) <= maxLeasesPerOwner && u.Leased <= u.Budget/8*leaseEighths {
			return
		}
		if err := k.cfg.Store.DropClass(ctx, r.Hash, store.Leased); err != nil {
			k.cfg.Log.Warn("end the lease of an older version", "root", r.Hash, "err", err)
			return
		}
		k.cfg.Log.Info("an older version makes room", "root", r.Hash, "for", v.Root)
		k.Check(r.Hash)
	}
}

// sortBy sorts by a key, lowest first.
func sortBy[T any, K cmp.Ordered](s []T, key func(T) K) {
	slices.SortFunc(s, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

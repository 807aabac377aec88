package dht

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// MaxTTL bounds how long a record or provider lives without being announced.
const MaxTTL = 48 * time.Hour

// maxReplyProviders is how many providers one answer names.
const maxReplyProviders = 20

// provider is one holder of a site. Its signed peer record lies in the Store.
type provider struct {
	ID      identity.NodeID
	Full    bool
	Added   time.Time
	Expires time.Time
	Source  source
}

// providers is who holds which site, indexed in memory without peer records.
type providers struct {
	limits Limits
	shelf  *shelf
	quota  *quota
	roots  map[wire.Hash][]*provider
}

// clampTTL turns a lifetime in seconds sent by a peer into one we grant.
func clampTTL(seconds uint64) time.Duration {
	return time.Duration(min(seconds, uint64(MaxTTL/time.Second))) * time.Second
}

// put notes that src holds root until now plus ttl; 0 withdraws.
func (p *providers) put(root wire.Hash, raw []byte, full bool, ttl time.Duration, src source, now time.Time) error {
	p.prune(root, now)
	i := slices.IndexFunc(p.roots[root], func(h *provider) bool { return h.ID == src.Node })
	if ttl <= 0 {
		if i >= 0 {
			p.drop(root, p.roots[root][i])
		}
		return nil
	}
	if i >= 0 {
		h := p.roots[root][i]
		h.Full, h.Expires = full, now.Add(ttl)
		p.save(root, h, raw)
		return nil
	}
	if err := p.makeRoom(root, src, now); err != nil {
		return err
	}
	h := &provider{ID: src.Node, Full: full, Added: now, Expires: now.Add(ttl), Source: src}
	p.insert(root, h)
	p.save(root, h, raw)
	return nil
}

// makeRoom checks src's share under root and in all.
func (p *providers) makeRoom(root wire.Hash, src source, now time.Time) error {
	holders := p.roots[root]
	same := 0
	for _, h := range holders {
		if h.Source.Group == src.Group {
			same++
		}
	}
	if same >= p.limits.PerRootGroup || len(holders) >= p.limits.PerRoot || !p.quota.allows(src) {
		return ErrQuota
	}
	if p.quota.full() && !p.evict(src) {
		return ErrQuota
	}
	return nil
}

func (p *providers) evict(src source) bool {
	crowder, ok := p.quota.crowder(src)
	if !ok {
		return false
	}
	for root, holders := range p.roots {
		for _, h := range holders {
			if h.Source.Group == crowder {
				p.drop(root, h)
				return true
			}
		}
	}
	return false
}

// get names at most maxReplyProviders holders of root. Full holders come
// first, and which of equals come varies with salt, so that load spreads.
func (p *providers) get(root wire.Hash, salt [32]byte, now time.Time) ([]wire.Provider, error) {
	p.prune(root, now)
	holders := slices.Clone(p.roots[root])
	slices.SortFunc(holders, func(a, b *provider) int {
		return cmp.Or(boolRank(b.Full)-boolRank(a.Full), compareDistance(salt, a.ID, b.ID))
	})
	out := make([]wire.Provider, 0, min(len(holders), maxReplyProviders))
	for _, h := range holders[:min(len(holders), maxReplyProviders)] {
		raw, err := p.shelf.get(providerKey(root, h.ID))
		if err != nil {
			return nil, fmt.Errorf("read who holds a site: %w", err)
		}
		if _, peer, ok := unpackProvider(raw); ok {
			out = append(out, wire.Provider{Peer: peer, Full: h.Full, Expires: millis(h.Expires)})
		}
	}
	return out, nil
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (p *providers) prune(root wire.Hash, now time.Time) {
	for i := 0; i < len(p.roots[root]); {
		if h := p.roots[root][i]; now.After(h.Expires) {
			p.drop(root, h)
			continue
		}
		i++
	}
}

// sweep prunes every root.
func (p *providers) sweep(now time.Time) {
	for root := range p.roots {
		p.prune(root, now)
	}
}

func (p *providers) insert(root wire.Hash, h *provider) {
	p.roots[root] = append(p.roots[root], h)
	p.quota.add(h.Source)
}

func (p *providers) drop(root wire.Hash, h *provider) {
	s := slices.DeleteFunc(p.roots[root], func(o *provider) bool { return o == h })
	if len(s) == 0 {
		delete(p.roots, root)
	} else {
		p.roots[root] = s
	}
	p.quota.remove(h.Source)
	p.shelf.set(providerKey(root, h.ID), nil)
}

func (p *providers) save(root wire.Hash, h *provider, raw []byte) {
	p.shelf.set(providerKey(root, h.ID), packProvider(h, raw))
}

// load rebuilds the index from the store.
func (p *providers) load() error {
	err := p.shelf.store.Range([]byte{providerPrefix}, func(k, v []byte) bool {
		root, id, ok := splitKey(k)
		if !ok {
			return true
		}
		if h, _, ok := unpackProvider(v); ok && !p.quota.full() {
			h.ID, h.Source.Node = identity.NodeID(id), identity.NodeID(id)
			p.insert(root, h)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("load providers: %w", err)
	}
	return nil
}

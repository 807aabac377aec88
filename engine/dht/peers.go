package dht

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// errOversized reports a reply with more in it than the protocol allows.
var errOversized = errors.New("reply holds more than the protocol allows")

// peerCache remembers verified peer records by their bytes: a lookup is told
// of the same peers again and again, and a signature costs 50 µs.
type peerCache struct {
	parse func([]byte) (wire.Peer, error)
	mu    sync.Mutex
	lru   *simplelru.LRU[[32]byte, knownPeer]
}

// knownPeer is a verified record and what follows from it.
type knownPeer struct {
	wire.Peer
	groups []group
	public bool // every address is one to believe anybody about
}

const cachedPeers = 512

func newPeerCache(parse func([]byte) (wire.Peer, error)) *peerCache {
	lru, err := simplelru.NewLRU[[32]byte, knownPeer](cachedPeers, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &peerCache{parse: parse, lru: lru}
}

func (c *peerCache) get(raw []byte) (knownPeer, error) {
	if len(raw) > wire.MaxPeerRecord {
		return knownPeer{}, wire.ErrTooLarge
	}
	sum := sha256.Sum256(raw)
	c.mu.Lock()
	p, ok := c.lru.Get(sum)
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	parsed, err := c.parse(raw)
	if err != nil {
		return knownPeer{}, err
	}
	p = knownPeer{parsed, groupsOf(parsed), len(usable(parsed.Addrs, false)) == len(parsed.Addrs)}
	c.mu.Lock()
	c.lru.Add(sum, p)
	c.mu.Unlock()
	return p, nil
}

// seenBy returns the peer with the addresses to believe a third party about,
// and their groups.
func (p knownPeer) seenBy(private bool) (wire.Peer, []group) {
	if p.public {
		return p.Peer, p.groups
	}
	q := p.Peer
	q.Addrs = usable(q.Addrs, private)
	return q, groupsOf(q)
}

// triedPeers remembers whom we asked back lately, so that naming a victim
// again and again does not make us knock there again and again.
type triedPeers struct {
	lru *simplelru.LRU[identity.NodeID, time.Time]
}

const (
	maxTried = 1024
	// retryAfter is how long a peer that others name is left alone, and
	// comeBackAfter one that has begun a session.
	retryAfter    = 10 * time.Minute
	comeBackAfter = 10 * time.Second
)

func newTriedPeers() *triedPeers {
	lru, err := simplelru.NewLRU[identity.NodeID, time.Time](maxTried, nil)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &triedPeers{lru}
}

// start reports whether id may be tried at now, which it may again after again,
// and counts it as tried.
func (t *triedPeers) start(id identity.NodeID, now time.Time, again time.Duration) bool {
	if at, ok := t.lru.Peek(id); ok && now.Sub(at) < again {
		return false
	}
	t.lru.Add(id, now)
	return true
}

// namedPeers reads the peers that from named: at most 2K, each verified,
// valid, not ourselves, none twice, at most groupPerReply of an IP group, and
// only with addresses that from is in a position to know.
func (d *DHT) namedPeers(raws [][]byte, from wire.Peer, now time.Time) ([]wire.Peer, error) {
	if len(raws) > 2*d.cfg.K {
		return nil, errOversized
	}
	private := d.cfg.AllowPrivate && isPrivate(from)
	groups := groupCount{}
	out := make([]wire.Peer, 0, len(raws))
	for _, raw := range raws {
		known, err := d.known.get(raw)
		if err != nil || known.Valid(now) != nil || known.ID == d.self ||
			slices.ContainsFunc(out, func(o wire.Peer) bool { return o.ID == known.ID }) {
			continue
		}
		p, gs := known.seenBy(private)
		if len(p.Addrs) == 0 || len(gs) > maxGroupsPerPeer && !private || groups.full(gs, groupPerReply) {
			continue
		}
		groups.add(gs)
		out = append(out, p)
	}
	return out, nil
}

// usable returns the addresses to believe a third party about. An address in
// a private network is believed only from within one: else anybody could
// steer us at a machine behind our own router.
func usable(addrs []wire.Addr, private bool) []wire.Addr {
	ok := func(a wire.Addr) bool {
		if !a.IP.IsValid() || a.IP.Port() == 0 {
			return false
		}
		ip := a.IP.Addr().Unmap()
		return wire.IsPublic(ip) || private && local(ip)
	}
	if !slices.ContainsFunc(addrs, func(a wire.Addr) bool { return !ok(a) }) {
		return addrs
	}
	out := make([]wire.Addr, 0, len(addrs))
	for _, a := range addrs {
		if ok(a) {
			out = append(out, a)
		}
	}
	return out
}

// local reports whether ip is of a private network or this machine.
func local(ip netip.Addr) bool { return ip.IsPrivate() || ip.IsLoopback() }

// isPrivate reports whether all addresses of p are private ones.
func isPrivate(p wire.Peer) bool {
	return len(p.Addrs) > 0 && !slices.ContainsFunc(p.Addrs, func(a wire.Addr) bool {
		return !local(a.IP.Addr().Unmap())
	})
}

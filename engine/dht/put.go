package dht

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// ErrRefused says that every peer that should keep something refused to.
var ErrRefused = errors.New("no peer took it")

// Put stores a signed record with the K peers closest to key, and here where
// we are one of them. It fails only where nobody took it; Stats.Stored says
// who did, and what each prefers to it.
func (d *DHT) Put(ctx context.Context, key wire.Hash, value []byte) (Stats, error) {
	return d.PutEach(ctx, key, value, nil)
}

// PutEach is Put that calls each, never twice at once, for every peer as soon
// as it has stored the record: the first does so long before the last.
func (d *DHT) PutEach(ctx context.Context, key wire.Hash, value []byte, each func(StoredAt)) (Stats, error) {
	if len(value) > d.cfg.MaxValue {
		return Stats{}, fmt.Errorf("put a record of %d bytes: %w", len(value), wire.ErrTooLarge)
	}
	m := wire.PutRecord{Key: key, Value: value}
	st, err := d.putAt(ctx, key, m, each, func(self wire.Peer) (wire.Message, error) {
		return d.storeRecord(sourceOf(self, firstAddr(self)), m)
	})
	if err != nil {
		return st, fmt.Errorf("put a record: %w", err)
	}
	return st, nil
}

// Provide announces that we hold the site root, for at most MaxTTL; 0
// withdraws. full says that we hold all of it. Announce again well before the
// time is over.
func (d *DHT) Provide(ctx context.Context, root wire.Hash, full bool, ttl time.Duration) (Stats, error) {
	m := wire.AddProvider{Root: root, Peer: d.cfg.Network.Self().Raw, Full: full,
		TTL: uint64(min(max(ttl, 0), MaxTTL) / time.Second)}
	st, err := d.putAt(ctx, root, m, nil, func(self wire.Peer) (wire.Message, error) {
		return d.storeProvider(self, sourceOf(self, firstAddr(self)), m)
	})
	if err != nil {
		return st, fmt.Errorf("announce a site: %w", err)
	}
	return st, nil
}

// putAt sends m to the K peers closest to key, and carries it out here where
// we are one of them.
func (d *DHT) putAt(ctx context.Context, key wire.Hash, m wire.Message, each func(StoredAt), here func(self wire.Peer) (wire.Message, error)) (Stats, error) {
	start := time.Now()
	p := &putting{d: d, m: m, each: each, sent: map[identity.NodeID]bool{}, ended: make(chan struct{}, maxPerLookup*d.cfg.K)}
	size := d.EstimateSize()
	st, err := d.search(ctx, key, wire.FindNode{Target: key}, false, func(r result) bool {
		if d.surelyNear(key, r.from.ID, size) {
			p.send(r.from)
		}
		return false
	})
	if err != nil && !errors.Is(err, ErrNoPeers) {
		return st, err
	}
	own := d.near(key, st.Closest) && stored(here(d.cfg.Network.Self()))
	for _, peer := range st.Closest {
		p.send(peer)
	}
	st.Stored = p.wait(ctx)
	st.Elapsed = time.Since(start)
	switch {
	case len(st.Stored) > 0 || own:
		return st, nil
	case err != nil:
		return st, err
	case ctx.Err() != nil:
		return st, ctx.Err()
	default:
		return st, fmt.Errorf("asked %d peers: %w", len(st.Closest), ErrRefused)
	}
}

// near reports whether we serve and are among the K closest to key, given the
// closest others.
func (d *DHT) near(key wire.Hash, closest []wire.Peer) bool {
	if !d.cfg.Server() {
		return false
	}
	n := len(closest)
	return n < d.cfg.K || compareDistance(key, d.self, closest[n-1].ID) < 0
}

// surelyNear reports whether id is so close to key that in a network of size
// it will be among the K closest. Such a peer can store before the lookup is
// over, which saves a round trip.
func (d *DHT) surelyNear(key wire.Hash, id identity.NodeID, size int) bool {
	return fraction(key, id)*float64(size) < float64(d.cfg.K)/2
}

func stored(m wire.Message, err error) bool {
	_, err2 := storedReply(m)
	return err == nil && err2 == nil
}

// storedReply reads the reply to PutRecord or AddProvider.
func storedReply(m wire.Message) (wire.Stored, error) {
	switch m := m.(type) {
	case wire.Stored:
		return m, nil
	case wire.Ack:
		return wire.Stored{}, nil
	default:
		return wire.Stored{}, fmt.Errorf("unexpected reply %T", m)
	}
}

// putting is one message on its way to several peers.
type putting struct {
	d     *DHT
	m     wire.Message
	sent  map[identity.NodeID]bool // by the goroutine that searches
	ended chan struct{}            // one for every peer sent to

	mu     sync.Mutex // guards what follows, and calls of each
	each   func(StoredAt)
	stored []StoredAt
}

// send stores with peer in the background, once.
func (p *putting) send(peer wire.Peer) {
	if p.sent[peer.ID] || !p.d.spawn(func() { p.store(peer) }) {
		return
	}
	p.sent[peer.ID] = true
}

func (p *putting) store(peer wire.Peer) {
	defer func() { p.ended <- struct{}{} }()
	r, err := p.d.request(peer, p.m)
	if err != nil {
		return
	}
	reply, err := storedReply(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stored = append(p.stored, StoredAt{peer, reply})
	if p.each != nil {
		p.each(StoredAt{peer, reply})
	}
}

// wait returns who stored, once all have answered or ctx is done.
func (p *putting) wait(ctx context.Context) []StoredAt {
	for range len(p.sent) {
		select {
		case <-p.ended:
			continue
		case <-ctx.Done():
		}
		break
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.each = nil // nobody listens any more
	return slices.Clone(p.stored)
}

package dht

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Handle answers a request of the DHT. from is the peer's record, which the
// session has authenticated; quotas count by its first address. Use
// HandleFrom where the address it really called from is known.
func (d *DHT) Handle(ctx context.Context, from wire.Peer, m wire.Message) (wire.Message, error) {
	return d.HandleFrom(ctx, from, firstAddr(from), m)
}

// HandleFrom answers a request of the DHT that came from remote, by which
// quotas count. What is refused is answered with a wire.Error; an error is a
// fault of ours.
func (d *DHT) HandleFrom(_ context.Context, from wire.Peer, remote netip.AddrPort, m wire.Message) (wire.Message, error) {
	private := d.cfg.AllowPrivate && remote.IsValid() && local(remote.Addr().Unmap())
	d.seen(from, private && isPrivate(from), retryAfter)
	switch m := m.(type) {
	case wire.FindNode:
		return wire.Nodes{Peers: d.nameClosest(m.Target, from.ID, private)}, nil
	case wire.GetRecords:
		return d.giveRecords(m.Key, from.ID, private)
	case wire.GetProviders:
		return d.giveProviders(m.Root, from.ID, private)
	case wire.PutRecord:
		return d.storeRecord(sourceOf(from, remote), m)
	case wire.AddProvider:
		return d.storeProvider(from, sourceOf(from, remote), m)
	}
	return wire.Error{Code: wire.CodeUnsupported, Text: "not a request of the DHT"}, nil
}

// sourceOf says by whom and from where something was brought. Where the
// address is not known, the group is that of all such peers together.
func sourceOf(p wire.Peer, remote netip.AddrPort) source {
	s := source{Node: p.ID}
	if remote.IsValid() {
		s.Group = wire.GroupOf(remote)
	}
	return s
}

func firstAddr(p wire.Peer) netip.AddrPort {
	if len(p.Addrs) == 0 {
		return netip.AddrPort{}
	}
	return p.Addrs[0].IP
}

// nameClosest returns the records of the K closest peers to target that the
// asker can use.
func (d *DHT) nameClosest(target wire.Hash, asker identity.NodeID, private bool) [][]byte {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	groups := groupCount{}
	out := make([][]byte, 0, d.cfg.K)
	for _, e := range d.table.closest(target, d.cfg.K+groupPerReply) {
		p := &e.peer
		if len(out) == d.cfg.K || p.ID == asker || len(p.Raw) == 0 || p.Valid(now) != nil ||
			!private && isPrivate(*p) || groups.full(e.groups, groupPerReply) {
			continue
		}
		groups.add(e.groups)
		out = append(out, p.Raw)
	}
	return out
}

func (d *DHT) giveRecords(key wire.Hash, asker identity.NodeID, private bool) (wire.Message, error) {
	d.mu.Lock()
	stored, err := d.records.get(key, time.Now())
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return wire.Records{Records: stored, Peers: d.nameClosest(key, asker, private)}, nil
}

func (d *DHT) giveProviders(root wire.Hash, asker identity.NodeID, private bool) (wire.Message, error) {
	d.mu.Lock()
	held, err := d.providers.get(root, asker, time.Now())
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return wire.Providers{Providers: held, Peers: d.nameClosest(root, asker, private)}, nil
}

// storeRecord keeps a record that src brings. What we hold already needs no
// check; signatures and work of anything else are paid from src's budget.
func (d *DHT) storeRecord(src source, m wire.PutRecord) (wire.Message, error) {
	now := time.Now()
	if len(m.Value) > d.cfg.MaxValue {
		return refuse("the record is too large"), nil
	}
	if !d.cfg.Server() || d.cfg.Validate == nil {
		return refuse("this node does not store"), nil
	}
	d.mu.Lock()
	v, held := d.records.refresh(m.Key, m.Value, now)
	far := !held && d.farLocked(m.Key)
	wait, paid := time.Duration(0), true
	if !held && !far && src.Node != d.self {
		wait, paid = d.checks.take(src.Group, now)
	}
	d.mu.Unlock()
	switch {
	case held:
		return v.reply(), nil
	case far:
		return refuse("others are much closer to the key"), nil
	case !paid:
		return busy("too many new records", wait), nil
	}
	info, err := d.cfg.Validate(m.Key, m.Value, now)
	if err != nil {
		return refuse(err.Error()), nil
	}
	return d.keepRecord(src, m, info, now)
}

// keepRecord stores a record that has been checked.
func (d *DHT) keepRecord(src source, m wire.PutRecord, info RecordInfo, now time.Time) (wire.Message, error) {
	d.mu.Lock()
	v, err := d.records.put(m.Key, m.Value, info, src, now)
	alone := len(d.records.slots[m.Key]) == 1
	d.mu.Unlock()
	defer d.relieve()
	switch {
	case errors.Is(err, ErrQuota):
		return busy(err.Error(), time.Hour), nil
	case errors.Is(err, ErrExpired), errors.Is(err, ErrCrowded):
		return refuse(err.Error()), nil
	case err != nil:
		return nil, err
	}
	if v.Arrived && alone && !info.Exclusive {
		select {
		case d.arrivals <- m.Key:
		default: // too many at once: what came first stands
		}
	}
	return v.reply(), nil
}

func (v verdict) reply() wire.Stored {
	return wire.Stored{Incumbent: v.Incumbent, FirstSeen: millis(v.FirstSeen), Newer: v.Newer}
}

// storeProvider notes that from, and nobody else, holds a site.
func (d *DHT) storeProvider(from wire.Peer, src source, m wire.AddProvider) (wire.Message, error) {
	now := time.Now()
	if !d.cfg.Server() {
		return refuse("this node does not store"), nil
	}
	p, err := d.known.get(m.Peer)
	if err != nil || p.ID != from.ID || p.Valid(now) != nil {
		return refuse("not a valid record of the peer that sent it"), nil
	}
	defer d.relieve()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.farLocked(m.Root) {
		return refuse("others are much closer to the root"), nil
	}
	err = d.providers.put(m.Root, m.Peer, m.Full, clampTTL(m.TTL), src, now)
	if errors.Is(err, ErrQuota) {
		return busy(err.Error(), time.Hour), nil
	}
	if err != nil {
		return nil, fmt.Errorf("store a provider: %w", err)
	}
	return wire.Ack{}, nil
}

// farFactor, in units of K, is how many nodes may be closer to a key than we
// are before we refuse to store under it. Lookups miss a few, and the estimate
// of the network's size is rough.
const farFactor = 3

// farLocked reports whether so many nodes are closer to key that nobody will
// look for it here, and only a hoarder would bring it: at least K that we
// know, and by the size of the network farFactor times as many.
func (d *DHT) farLocked(key wire.Hash) bool {
	near := d.table.closest(key, d.cfg.K)
	if len(near) < d.cfg.K || compareDistance(key, d.self, near[len(near)-1].peer.ID) < 0 {
		return false
	}
	expected := fraction(key, d.self) * float64(d.table.EstimateSize())
	return expected > float64(farFactor*d.cfg.K)
}

func refuse(text string) wire.Error { return wire.Error{Code: wire.CodeRefused, Text: text} }

func busy(text string, wait time.Duration) wire.Error {
	return wire.Error{Code: wire.CodeBusy, Text: text, RetryAfter: uint64(max(wait, time.Second).Milliseconds())}
}

package engine

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/peer"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// Status implements control.Control.
func (e *Engine) Status(_ context.Context) (control.Status, error) {
	if e.ctx.Err() != nil {
		return control.Status{}, control.ErrClosed
	}
	sessions := e.host.Sessions()
	up, down := e.host.Traffic()
	s := control.Status{
		Version: e.cfg.Version, Connected: len(sessions) > 0,
		NodeID: e.key.ID().String(), Network: e.cfg.Network, Agent: "altnet/" + e.cfg.Version, Started: e.started,
		Listen: e.listening, Addresses: addresses(e.host.Self().Addrs), Doors: e.doors.describe(),
		Peers: len(sessions), DHT: e.dhtStatus(), Store: storeStatus(e.store.Usage()),
		Traffic: control.Traffic{Up: up, Down: down},
		Data:    e.cfg.Data, Host: e.cfg.Host, Reach: reach(sessions), MonthUsed: e.monthUsed(up + down),
	}
	e.describePresence(&s)
	each(e.sites.own, func(_ identity.PublicKey, en entry) {
		if r, err := en.parsed(); err == nil && !r.Tombstone() {
			s.Sites++
		}
	})
	for _, r := range e.store.Roots() {
		if r.Class&store.Leased != 0 && r.LeaseUntil.After(time.Now()) {
			s.Keeping++
		}
	}
	return s, nil
}

// describePresence says whether the node is to be in the network, and why not.
func (e *Engine) describePresence(s *control.Status) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &e.presence
	s.Online, s.Accepted = p.wanted(), !p.asks || !p.settings.Accepted.IsZero()
	_, s.Paused = p.decide(time.Now())
}

// reach says how peers get here: one that came is the proof that they do.
func reach(sessions []peer.SessionInfo) control.Reach {
	if slices.ContainsFunc(sessions, func(s peer.SessionInfo) bool { return s.Inbound }) {
		return control.ReachDirect
	}
	return control.ReachUnknown
}

func (e *Engine) dhtStatus() control.DHT {
	table := e.dht.Table()
	d := control.DHT{
		Peers: len(table), Estimate: e.dht.EstimateSize(), Server: e.host.Self().Role&wire.RoleServer != 0,
	}
	d.Records, d.Providers = e.dht.Holdings()
	count := map[int]int{}
	for _, en := range table {
		count[en.Bucket]++
	}
	for prefix, n := range count {
		d.Buckets = append(d.Buckets, control.Bucket{Prefix: prefix, Peers: n})
	}
	slices.SortFunc(d.Buckets, func(a, b control.Bucket) int { return a.Prefix - b.Prefix })
	return d
}

func storeStatus(u store.Usage) control.Store {
	return control.Store{
		Used: u.Bytes, Budget: u.Budget, Own: u.Own, Pinned: u.Pinned, Leased: u.Leased, Cache: u.Cache,
		Blocks: int(u.Blocks), Roots: u.Roots,
	}
}

func addresses(addrs []wire.Addr) []string {
	var out []string
	for _, a := range addrs {
		if a.Kind != wire.AddrRelay {
			out = append(out, a.IP.String())
		}
	}
	return out
}

// Peers implements control.Control.
func (e *Engine) Peers(context.Context) ([]control.Peer, error) {
	byID := map[identity.NodeID]*control.Peer{}
	var order []identity.NodeID
	at := func(p wire.Peer) *control.Peer {
		if byID[p.ID] == nil {
			byID[p.ID] = describePeer(p)
			order = append(order, p.ID)
		}
		return byID[p.ID]
	}
	for _, s := range e.host.Sessions() {
		addSession(at(s.Peer), s)
	}
	for _, en := range e.dht.Table() {
		addEntry(at(en.Peer), en)
	}
	out := make([]control.Peer, 0, len(order))
	for _, id := range order {
		out = append(out, *byID[id])
	}
	return out, nil
}

func describePeer(p wire.Peer) *control.Peer {
	return &control.Peer{
		ID: p.ID.String(), Addresses: addresses(p.Addrs),
		Server: p.Role&wire.RoleServer != 0, Volunteer: p.Role&wire.RoleVolunteer != 0,
	}
}

func addSession(p *control.Peer, s peer.SessionInfo) {
	p.Connected, p.Inbound, p.Agent, p.RTT, p.Since = true, s.Inbound, s.Agent, s.RTT, s.Since
	p.Up += s.Up
	p.Down += s.Down
	if len(p.Addresses) == 0 && s.Remote != (netip.AddrPort{}) {
		p.Addresses = []string{s.Remote.String()}
	}
}

func addEntry(p *control.Peer, _ dht.Entry) { p.Routing = true }

package dht

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altnet/engine/wire"
)

// Stats says what a query cost and how far it came.
type Stats struct {
	Asked, Answered, Failed int // requests of the lookup
	// Converged says that the peers closest to the key were found and that
	// those among them who live have answered. It is false where the visitor
	// stopped early.
	Converged bool
	Elapsed   time.Duration
	Closest   []wire.Peer // those that answered, the closest first; at most K
	Stored    []StoredAt  // what became of a Put, Provide included
}

// StoredAt is one peer that keeps what was put. Reply is zero for providers.
type StoredAt struct {
	Peer  wire.Peer
	Reply wire.Stored
}

// Answer is what one peer holds under a key, which may be nothing. Nothing in
// it is verified beyond its size.
type Answer struct {
	From    wire.Peer
	Records []wire.StoredRecord
}

// reply is what a peer's message says to a lookup.
type reply struct {
	peers     []wire.Peer
	records   []wire.StoredRecord
	providers []wire.Provider
}

// result is a reply, or why there is none.
type result struct {
	from wire.Peer
	reply
	err error
}

// Closest finds the n peers closest to key, at most K, that answer.
func (d *DHT) Closest(ctx context.Context, key wire.Hash, n int) ([]wire.Peer, Stats, error) {
	st, err := d.search(ctx, key, wire.FindNode{Target: key}, false, nil)
	return st.Closest[:min(n, len(st.Closest))], st, err
}

// Get asks for the records under key. It calls visit for every answer, ours
// among them, in the order they come and never two at once, until visit
// returns true or the lookup has converged and everyone asked has answered or
// failed.
func (d *DHT) Get(ctx context.Context, key wire.Hash, visit func(Answer) (done bool)) (Stats, error) {
	d.mu.Lock()
	own, err := d.records.get(key, time.Now())
	d.mu.Unlock()
	if err != nil {
		d.log.Warn("own records unreadable", "err", err) // of what, would tell what was read here
	}
	if len(own) > 0 && visit(Answer{From: d.cfg.Network.Self(), Records: own}) {
		return Stats{}, nil
	}
	st, err := d.search(ctx, key, wire.GetRecords{Key: key}, true, func(r result) bool {
		return visit(Answer{From: r.from, Records: r.records})
	})
	if len(own) > 0 && errors.Is(err, ErrNoPeers) {
		err = nil
	}
	return st, err
}

// Providers asks who holds the site root. It calls visit once for every
// holder, until it returns true or the lookup has converged.
func (d *DHT) Providers(ctx context.Context, root wire.Hash, visit func(p wire.Peer, full bool) (done bool)) (Stats, error) {
	now := time.Now()
	d.mu.Lock()
	own, err := d.providers.get(root, d.self, now)
	d.mu.Unlock()
	if err != nil {
		d.log.Warn("own provider records unreadable", "err", err)
	}
	seen := map[wire.Hash]bool{wire.Hash(d.self): true}
	tell := func(from wire.Peer, ps []wire.Provider) (done bool) {
		for _, p := range d.namedProviders(ps, from, time.Now()) {
			if id := wire.Hash(p.peer.ID); !seen[id] {
				seen[id] = true
				if visit(p.peer, p.full) {
					return true
				}
			}
		}
		return false
	}
	if tell(d.cfg.Network.Self(), own) {
		return Stats{}, nil
	}
	st, err := d.search(ctx, root, wire.GetProviders{Root: root}, true, func(r result) bool {
		return tell(r.from, r.providers)
	})
	if len(own) > 0 && errors.Is(err, ErrNoPeers) {
		err = nil
	}
	return st, err
}

type namedProvider struct {
	peer wire.Peer
	full bool
}

// namedProviders reads providers as namedPeers reads peers.
func (d *DHT) namedProviders(ps []wire.Provider, from wire.Peer, now time.Time) []namedProvider {
	private := d.cfg.AllowPrivate && isPrivate(from)
	var out []namedProvider
	for _, p := range ps {
		known, err := d.known.get(p.Peer)
		if err != nil || known.Valid(now) != nil || !now.Before(instant(p.Expires)) {
			continue
		}
		if peer, _ := known.seenBy(private); len(peer.Addrs) > 0 {
			out = append(out, namedProvider{peer, p.Full})
		}
	}
	return out
}

// search runs one lookup for target, asking m. visit sees every reply and may
// stop it. Requests under way when it ends are not cut off, so that the table
// learns who is dead and who is alive.
func (d *DHT) search(ctx context.Context, target wire.Hash, m wire.Message, drain bool, visit func(result) bool) (Stats, error) {
	d.mu.Lock()
	seeds := d.table.Closest(target, d.cfg.K)
	d.mu.Unlock()
	l := NewLookup(LookupConfig{Self: d.self, K: d.cfg.K, Alpha: d.cfg.Alpha,
		Soft: d.cfg.SoftTimeout, Hard: d.cfg.HardTimeout, Drain: drain}, target, seeds)
	return d.drive(ctx, l, m, visit)
}

// drive puts a lookup on the network.
func (d *DHT) drive(ctx context.Context, l *Lookup, m wire.Message, visit func(result) bool) (Stats, error) {
	start := time.Now()
	results := make(chan result, maxPerLookup*d.cfg.K) // as many as the lookup may ask
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ask, wake, done := l.Next(time.Now())
		if done {
			return d.finish(l, start, true)
		}
		for _, p := range ask {
			if !d.spawn(func() { results <- d.exchange(p, m) }) {
				return Stats{}, ErrClosed
			}
		}
		timer.Reset(time.Until(wake))
		select {
		case r := <-results:
			if r.err != nil {
				l.Fail(r.from.ID)
			} else if l.Answer(r.from.ID, r.peers, time.Now()) && visit != nil && visit(r) {
				return d.finish(l, start, false)
			}
		case <-timer.C:
		case <-ctx.Done():
			st, _ := d.finish(l, start, false)
			return st, ctx.Err()
		case <-d.ctx.Done():
			return Stats{}, ErrClosed
		}
	}
}

func (d *DHT) finish(l *Lookup, start time.Time, converged bool) (Stats, error) {
	st := Stats{Converged: converged, Elapsed: time.Since(start), Closest: l.Result()}
	st.Asked, st.Answered, st.Failed = l.Counts()
	if st.Answered == 0 {
		return st, ErrNoPeers
	}
	return st, nil
}

// request asks one peer one thing, within the hard timeout, and tells the
// table how it went.
func (d *DHT) request(p wire.Peer, m wire.Message) (wire.Message, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.cfg.HardTimeout)
	defer cancel()
	r, err := d.cfg.Network.Request(ctx, p, m)
	if err != nil {
		if d.ctx.Err() == nil && !alive(err) {
			d.Failed(p.ID)
		}
		return nil, fmt.Errorf("ask %s: %w", p.ID.Short(), err)
	}
	if e, ok := r.(wire.Error); ok {
		return nil, fmt.Errorf("ask %s: refused with code %d", p.ID.Short(), e.Code)
	}
	d.answered(p)
	return r, nil
}

// alive reports whether an error is one the peer itself replied with, such as
// being busy.
func alive(err error) bool {
	var remote interface{ Remote() bool }
	return errors.As(err, &remote) && remote.Remote()
}

// exchange asks p and reads what it says. A reply that breaks the protocol
// counts as none, and costs the peer its place.
func (d *DHT) exchange(p wire.Peer, m wire.Message) result {
	r := result{from: p}
	msg, err := d.request(p, m)
	if err != nil {
		r.err = err
		return r
	}
	if r.reply, r.err = d.read(p, m, msg); r.err != nil {
		d.log.Debug("bad reply", "peer", p.ID.Short(), "err", r.err)
		d.mu.Lock()
		d.table.Remove(p.ID)
		d.mu.Unlock()
	}
	return r
}

// read checks that reply answers request and takes from it what is sound.
func (d *DHT) read(from wire.Peer, request, msg wire.Message) (reply, error) {
	var (
		r    reply
		raws [][]byte
	)
	switch m := msg.(type) {
	case wire.Nodes:
		raws = m.Peers
	case wire.Records:
		if len(m.Records) > 1+maxRivals {
			return r, errOversized
		}
		for _, s := range m.Records {
			if len(s.Value) > d.cfg.MaxValue {
				return r, errOversized
			}
		}
		r.records, raws = m.Records, m.Peers
	case wire.Providers:
		if len(m.Providers) > 2*maxReplyProviders {
			return r, errOversized
		}
		r.providers, raws = m.Providers, m.Peers
	}
	if !answers(request, msg) {
		return r, fmt.Errorf("%T in reply to %T", msg, request)
	}
	var err error
	r.peers, err = d.namedPeers(raws, from, time.Now())
	return r, err
}

// answers reports whether reply is of the type that request calls for.
func answers(request, reply wire.Message) bool {
	switch request.(type) {
	case wire.FindNode:
		_, ok := reply.(wire.Nodes)
		return ok
	case wire.GetRecords:
		_, ok := reply.(wire.Records)
		return ok
	case wire.GetProviders:
		_, ok := reply.(wire.Providers)
		return ok
	}
	return false
}

package dht

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Errors of the DHT.
var (
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("DHT is closed")
	// ErrNoPeers says that nobody is known, or nobody of those answered.
	ErrNoPeers = errors.New("no peer of the DHT answers")
)

// DHT is one node's part of the distributed hash table.
type DHT struct {
	cfg   Config
	self  identity.NodeID
	log   *slog.Logger
	shelf *shelf
	known *peerCache

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	candidates chan wire.Peer // to be asked back before they enter the table
	newcomers  chan wire.Peer // have entered the table
	arrivals   chan wire.Hash // keys new here, whose incumbent is to be confirmed
	altered    chan struct{}  // the table is not as it was saved
	missed     chan struct{}  // a peer has left the table

	mu         sync.Mutex // guards what follows
	closed     bool
	table      *Table
	records    *records
	providers  *providers
	checks     *budget // what verifying others' records may cost
	seeds      []wire.Peer
	lost       []wire.Peer // have left the table for not answering; newest last
	tried      *triedPeers
	neighbours schedule // of looking at our own neighbourhood
	changed    bool     // the table, since it was saved
	lastAnswer time.Time
	suspects   []suspect // failed while nobody at all answered; oldest first
}

type suspect struct {
	id identity.NodeID
	at time.Time
}

// New starts a DHT on cfg.Network. Close it.
func New(cfg Config) (*DHT, error) {
	if cfg.Network == nil {
		return nil, errors.New("start the DHT: no network given")
	}
	cfg = cfg.withDefaults()
	d := &DHT{
		cfg: cfg, self: cfg.Network.Self().ID, log: cfg.Log,
		shelf: newShelf(cfg.Store), known: newPeerCache(cfg.ParsePeer),
		candidates: make(chan wire.Peer, 64),
		newcomers:  make(chan wire.Peer, 64),
		arrivals:   make(chan wire.Hash, 1024),
		altered:    make(chan struct{}, 1),
		missed:     make(chan struct{}, 1),
		checks:     newBudget(5, 100),
		tried:      newTriedPeers(),
	}
	d.table = NewTable(d.self, cfg.K)
	d.records = &records{self: d.self, ttl: cfg.RecordTTL, grace: cfg.Grace, shelf: d.shelf,
		quota: newQuota(cfg.Limits.Records, cfg.Limits), slots: map[wire.Hash]slot{}}
	d.providers = &providers{limits: cfg.Limits, shelf: d.shelf,
		quota: newQuota(cfg.Limits.Providers, cfg.Limits), roots: map[wire.Hash][]*provider{}}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("start the DHT: %w", err)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.wg.Go(d.keepWritten)
	d.wg.Go(d.keepSaved)
	d.wg.Go(d.keepFresh)
	d.wg.Go(d.verifyCandidates)
	d.wg.Go(d.greetNewcomers)
	d.wg.Go(d.confirmArrivals)
	return d, nil
}

// Close ends everything under way, saves the table and waits.
func (d *DHT) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.saveTableLocked()
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
	return d.shelf.flush()
}

// spawn runs f in the background until Close; it does nothing after Close.
func (d *DHT) spawn(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.wg.Go(f)
	return true
}

// Table lists the peers of the routing table.
func (d *DHT) Table() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Entries()
}

// EstimateSize guesses how many nodes the network has.
func (d *DHT) EstimateSize() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.EstimateSize()
}

// Holdings returns how many owners' records and how many provider records
// this node keeps for others.
func (d *DHT) Holdings() (nRecords, nProviders int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.records.quota.total, d.providers.quota.total
}

// Seen tells of a peer whose record is fresh and verified, from a session
// with it. It enters the table once it has answered a question of ours, which
// it is asked again soon where it was silent before: it has just come back. Its
// private addresses count only where it has no others.
func (d *DHT) Seen(p wire.Peer) { d.seen(p, d.cfg.AllowPrivate && isPrivate(p), comeBackAfter) }

func (d *DHT) seen(p wire.Peer, private bool, again time.Duration) {
	p.Addrs = usable(p.Addrs, private)
	if len(p.Raw) == 0 || len(p.Addrs) == 0 || !d.placed(p) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.table.Has(p.ID); ok {
		d.table.Update(p)
		return
	}
	d.considerLocked(p, time.Now(), again)
}

// placed reports whether p is where its record says, as far as a connection
// shows it. An answer alone does not: it may come by a session that p opened,
// from one address, under as many records as it likes, of any address.
func (d *DHT) placed(p wire.Peer) bool {
	if d.cfg.Remote == nil {
		return true
	}
	at, ok := d.cfg.Remote(p.ID)
	if !ok {
		return false
	}
	return !wire.IsPublic(at.Addr()) || slices.Contains(groupsOf(p), wire.GroupOf(at))
}

// considerLocked queues p to be asked back if the table would take it and it
// was not asked for as long as again.
func (d *DHT) considerLocked(p wire.Peer, now time.Time, again time.Duration) {
	if p.Role&wire.RoleServer == 0 || p.Valid(now) != nil || !d.table.Wants(p) || !d.tried.start(p.ID, now, again) {
		return
	}
	select {
	case d.candidates <- p:
	default: // there are enough
	}
}

// Failed tells that a peer could not be reached.
func (d *DHT) Failed(id identity.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failedLocked(id, time.Now())
}

// networkDown is how long nobody at all has answered before failures count
// only together with an answer: it may be us who are cut off, and an emptied
// table would not help then.
const (
	networkDown = 10 * time.Second
	maxSuspects = 256
)

func (d *DHT) failedLocked(id identity.NodeID, now time.Time) {
	if now.Sub(d.lastAnswer) < networkDown {
		d.failLocked(id)
		return
	}
	if len(d.suspects) >= maxSuspects {
		d.suspects = slices.Delete(d.suspects, 0, 1)
	}
	d.suspects = append(d.suspects, suspect{id, now})
}

func (d *DHT) failLocked(id identity.NodeID) {
	p, _ := d.table.Peer(id)
	if d.table.Fail(id) {
		d.missLocked(p)
		d.alteredLocked()
	}
}

// alteredLocked has the table saved soon.
func (d *DHT) alteredLocked() {
	d.changed = true
	d.neighbours.reset()
	signal(d.altered)
}

// signal wakes whoever waits on c, unless it is to wake already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// clearSuspectsLocked counts, now that somebody answers, the failures just
// before, and forgets the older ones.
func (d *DHT) clearSuspectsLocked(now time.Time) {
	for _, s := range d.suspects {
		if now.Sub(s.at) < networkDown {
			d.failLocked(s.id)
		}
	}
	d.suspects = d.suspects[:0]
}

// answered notes that p answered a request of ours.
func (d *DHT) answered(p wire.Peer) {
	now, placed := time.Now(), d.placed(p)
	d.mu.Lock()
	d.lastAnswer = now
	d.clearSuspectsLocked(now)
	added := placed && p.Role&wire.RoleServer != 0 && p.Valid(now) == nil && d.table.Add(p, now)
	if added {
		d.foundLocked(p.ID)
		d.alteredLocked()
	}
	d.mu.Unlock()
	if added {
		select {
		case d.newcomers <- p:
		default:
		}
	}
}

// Package replica keeps sites alive without their publisher: it offers sites
// to volunteers, keeps other people's under lease and repairs what is lost.
//
// Every holder looks after the roots it keeps on its own: now and then it
// asks who else is alive, renews its lease, announces itself and, being among
// the nearest, places what copies are missing. Nothing coordinates them; the
// decision is a pure function (decide) of what a holder sees.
package replica

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// Errors of this package.
var (
	// ErrNoVolunteer reports that nobody took an offer.
	ErrNoVolunteer = errors.New("no volunteer took the site")
	// ErrRefused reports an offer that a volunteer turned down.
	ErrRefused = errors.New("refused")
	// ErrClosed reports that the keeper was closed.
	ErrClosed = errors.New("keeper is closed")
)

// Stream is one exchange with a peer.
type Stream interface {
	Read() (wire.Message, error)
	Write(wire.Message) error
	SetDeadline(time.Time) error
	Close() error
}

// Voucher is what a verified name record says of a root.
type Voucher struct {
	Owner     identity.PublicKey
	Root      wire.Hash
	Seq       uint64
	Expires   time.Time
	Withdrawn bool
	Raw       []byte // signed bytes
}

// Network is what a Keeper asks of the rest of the node, as functions so that
// each stays with the package it belongs to.
type Network struct {
	Self    func() wire.Peer
	Open    func(ctx context.Context, to wire.Peer, m wire.Message) (Stream, error)
	Request func(ctx context.Context, to wire.Peer, m wire.Message) (wire.Message, error)
	// Closest returns the n peers nearest to key, nearest first.
	Closest func(ctx context.Context, key wire.Hash, n int) ([]wire.Peer, error)
	// Providers returns who says to hold root.
	Providers func(ctx context.Context, root wire.Hash) ([]wire.Peer, error)
	// Provide announces this node as a holder of root.
	Provide func(ctx context.Context, root wire.Hash, full bool, ttl time.Duration) error
	// Vouch verifies a record. group is the IP group to which costly checks
	// are charged. It wraps ErrRefusedHere for what this node shall not keep.
	Vouch func(ctx context.Context, raw []byte, group string) (Voucher, error)
	// Latest returns the newest record of an owner that the network knows,
	// verified, perhaps expired.
	Latest func(ctx context.Context, owner identity.PublicKey) (Voucher, error)
	// Announce stores a signed record in the DHT again.
	Announce func(ctx context.Context, raw []byte) error
	// Fetch brings the span of root into the store, from the given peers and
	// whom else it finds; more than maxBytes is an error. It returns the
	// distinct blocks of the whole site in canonical preorder and the bytes
	// of the span. progress is told the blocks of the span that are here.
	Fetch func(ctx context.Context, job FetchJob) (FetchResult, error)
}

// FetchJob is what Network.Fetch is asked for. Count 0 means to the end.
type FetchJob struct {
	Root         wire.Hash
	From         []wire.Peer
	First, Count int
	MaxBytes     int64
	// Listed is called once, when the tree is here and no chunk is asked for
	// yet, with what the result will be. Its error ends the fetch.
	Listed   func(FetchResult) error
	Progress func(blocks int, bytes int64)
}

// FetchResult is what Network.Fetch has brought.
type FetchResult struct {
	Blocks []wire.Hash // of the whole site
	First  int         // of the span
	Held   int         // blocks of the span, all in the store now
	Bytes  int64       // of the span
	Size   int64       // bytes of all distinct blocks
}

// Config says how a Keeper works.
type Config struct {
	Network Network
	Store   *store.Store

	Volunteer     func() bool   // keeps other people's sites
	Copies        int           // wanted of every block; default 4
	Lease         time.Duration // default 48 h
	CheckEvery    time.Duration // between looks at one root; default 6 h
	PerPeerBudget int64         // bytes under lease for one owner; groupShare times that for one IP group; 0: a tenth of the store's budget
	// Report is told that the confirmations of a root changed: a copy was
	// gained or lost.
	Report func(root wire.Hash)
	Log    *slog.Logger
}

const (
	defaultCopies     = 4
	peerShare         = 10 // of the store's budget for one owner
	defaultLease      = 48 * time.Hour
	defaultCheckEvery = 6 * time.Hour
	// replyTimeout is how long an offer may wait for its first answer,
	// progressTimeout for every later one, and stallTimeout for one that says
	// that more blocks came.
	replyTimeout    = 20 * time.Second
	progressTimeout = 60 * time.Second
	stallTimeout    = 5 * time.Minute
	// progressEvery is how often a volunteer says how far it is, and shareAfter
	// how long it pulls before it tells the network of what it has.
	progressEvery = 2 * time.Second
	shareAfter    = 10 * time.Second
	latestTimeout = 10 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Copies == 0 {
		c.Copies = defaultCopies
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = defaultCheckEvery
	}
	if c.Volunteer == nil {
		c.Volunteer = func() bool { return true }
	}
	if c.Report == nil {
		c.Report = func(wire.Hash) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Confirmation is what another peer keeps of a site: it said so and, asked
// for what it holds, said so again.
type Confirmation struct {
	Peer   identity.NodeID
	Blocks uint64
	Full   bool
	Until  time.Time // counted on until then
}

// remote is a confirmation and where its peer is reached.
type remote struct {
	Confirmation
	peer wire.Peer
}

// Keeper places, keeps and repairs copies of sites.
type Keeper struct {
	cfg    Config
	held   *store.Bucket // records that vouch for roots; see noted
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}

	mu      sync.Mutex
	closed  bool
	due     map[wire.Hash]time.Time
	looking map[wire.Hash]int // roots that somebody is at work on
	claims  map[*claim]struct{}
	copies  map[wire.Hash]map[identity.NodeID]remote
}

// New starts a Keeper. Close ends it.
func New(cfg Config) *Keeper {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	k := &Keeper{
		cfg: cfg, held: cfg.Store.Bucket("vouchers"), ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), due: map[wire.Hash]time.Time{}, looking: map[wire.Hash]int{},
		claims: map[*claim]struct{}{}, copies: map[wire.Hash]map[identity.NodeID]remote{},
	}
	k.schedule()
	k.done.Go(k.run)
	return k
}

// Close ends the keeper's loop and every offer, and waits for them.
func (k *Keeper) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.done.Wait()
	return nil
}

// enter begins work for a caller that Close ends and waits for.
func (k *Keeper) enter(ctx context.Context) (context.Context, func(), error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, ErrClosed
	}
	k.done.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(k.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		k.done.Done()
	}, nil
}

// Confirmed returns the standing confirmations for a root.
func (k *Keeper) Confirmed(root wire.Hash) []Confirmation {
	k.mu.Lock()
	defer k.mu.Unlock()
	var cs []Confirmation
	for _, c := range k.copies[root] {
		if c.Until.After(time.Now()) {
			cs = append(cs, c.Confirmation)
		}
	}
	slices.SortFunc(cs, func(a, b Confirmation) int { return bytes.Compare(a.Peer[:], b.Peer[:]) })
	return cs
}

// confirm counts a copy that was seen.
func (k *Keeper) confirm(root wire.Hash, h holder, blocks int, until time.Time) {
	k.mu.Lock()
	k.confirmLocked(root, h, blocks, until)
	k.mu.Unlock()
	k.cfg.Report(root)
}

func (k *Keeper) confirmLocked(root wire.Hash, h holder, blocks int, until time.Time) (news bool) {
	if k.copies[root] == nil {
		k.copies[root] = map[identity.NodeID]remote{}
	}
	old, known := k.copies[root][h.id]
	c := Confirmation{Peer: h.id, Blocks: uint64(h.count(blocks)), Full: h.full, Until: until}
	if known && old.Until.After(until) {
		c.Until = old.Until
	}
	k.copies[root][h.id] = remote{c, h.peer}
	return !known || old.Full != c.Full || !old.Until.After(time.Now())
}

// recount makes the confirmations of a root what a look found: who was
// silent is counted no longer, who answered is counted on until two more
// looks should have come.
func (k *Keeper) recount(root wire.Hash, live []holder, blocks int) {
	k.mu.Lock()
	alive := map[identity.NodeID]bool{}
	news := false
	for _, h := range live {
		alive[h.id] = true
		news = k.confirmLocked(root, h, blocks, time.Now().Add(3*k.cfg.CheckEvery)) || news
	}
	for id := range k.copies[root] {
		if !alive[id] {
			delete(k.copies[root], id)
			news = true
		}
	}
	k.mu.Unlock()
	if news {
		k.cfg.Report(root)
	}
}

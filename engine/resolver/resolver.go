// Package resolver finds out what a name stands for: it asks the DHT, checks
// what comes back, lets record.Decide weigh it together with what this node
// saw before, and remembers. Owners are pinned at first use, and a record is
// never traded for an older one.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// The outcomes other than a site. With each of them but ErrUnknown and
// ErrOffline the Resolution is filled in and tells more.
var (
	ErrUnknown      = errors.New("nobody has published this name")
	ErrConflict     = errors.New("several owners claim this name and none has a majority")
	ErrOwnerChanged = errors.New("the name has another owner than before")
	ErrWithdrawn    = errors.New("withdrawn by its owner")
	ErrExpired      = errors.New("the record has expired and its owner has not renewed it")
	ErrBlocked      = errors.New("blocked on this node")
	ErrNotGranted   = errors.New("no trusted registrar has granted this name")
	ErrOffline      = errors.New("not known here, and no peer could be asked")
	ErrClock        = errors.New("this computer's clock seems to be wrong")
	ErrClosed       = errors.New("the resolver is closed")
)

// Bucket is where names are remembered; *store.Bucket is one. It is safe for
// concurrent use, and what Put stored survives a restart. The zero time means
// never to expire.
type Bucket interface {
	Get(key []byte) (value []byte, ok bool, err error)
	Put(ctx context.Context, key, value []byte, expires time.Time) error
}

// Config is what New needs. Network, Get and Bucket must be set.
type Config struct {
	Network [32]byte
	TLD     string // default record.DefaultTLD

	// Get asks the network for records; (*dht.DHT).Get is one.
	Get    func(ctx context.Context, key wire.Hash, visit func(dht.Answer) (done bool)) (dht.Stats, error)
	Bucket Bucket
	Gate   *record.Gate          // budget for checking claims; default one of its own
	Policy func() *record.Policy // the operator's rules in force; default an open network
	Online func() bool           // default always
	// Group returns the IP group whose voice a peer's answer counts for;
	// default by the peer's first address.
	Group func(wire.Peer) string

	Quorum   int           // IP groups whose answers settle a name early; default 5
	Patience time.Duration // after it the best answer so far is good enough; default 1.5 s
	Finish   time.Duration // bound on a whole look-up, its background part included; default 10 s
	Fresh    time.Duration // how long a resolution is served again; default 30 s, the most allowed

	Log *slog.Logger
}

// maxFresh is the promise to owners who withdraw: a minute, storing included.
const maxFresh = 30 * time.Second

func (c Config) withDefaults() Config {
	if c.TLD == "" {
		c.TLD = record.DefaultTLD
	}
	if c.Gate == nil {
		c.Gate = record.NewGate()
	}
	if c.Policy == nil {
		c.Policy = func() *record.Policy { return nil }
	}
	if c.Online == nil {
		c.Online = func() bool { return true }
	}
	if c.Group == nil {
		c.Group = firstGroup
	}
	if c.Quorum <= 0 {
		c.Quorum = 5
	}
	if c.Patience <= 0 {
		c.Patience = 1500 * time.Millisecond
	}
	if c.Finish <= 0 {
		c.Finish = 10 * time.Second
	}
	if c.Fresh <= 0 || c.Fresh > maxFresh {
		c.Fresh = maxFresh
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// firstGroup gives peers without an address one voice together.
func firstGroup(p wire.Peer) string {
	if len(p.Addrs) == 0 {
		return "none"
	}
	return wire.GroupOf(p.Addrs[0].IP)
}

// Resolution is what a name stands for, and why.
type Resolution struct {
	Name record.Name
	record.Decision
	Pinned bool               // the owner is the one this node trusts for the name
	Old    identity.PublicKey // with ErrOwnerChanged: the owner trusted so far
	At     time.Time          // when the network was asked
	// Replaced says that the owner was accepted in place of another one.
	Replaced bool
}

// maxCached bounds the resolutions and offers kept in memory.
const maxCached = 4096

// Resolver resolves names. It is safe for concurrent use.
type Resolver struct {
	cfg    Config
	memory memory

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	flights map[record.Name]*flight
	cache   *lru.Cache[record.Name, cached]
	offered *lru.Cache[record.Name, identity.PublicKey] // new owners shown to the user
}

// cached is a resolution or the error in its place.
type cached struct {
	res   Resolution
	err   error
	until time.Time
}

// New returns a Resolver. It starts goroutines only while names are resolved.
func New(cfg Config) *Resolver {
	r := &Resolver{cfg: cfg.withDefaults(), flights: map[record.Name]*flight{}}
	r.memory = memory{bucket: r.cfg.Bucket, log: r.cfg.Log}
	r.cache, _ = lru.New[record.Name, cached](maxCached) // fails for sizes below one only
	r.offered, _ = lru.New[record.Name, identity.PublicKey](maxCached)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close ends what is under way and waits for it.
func (r *Resolver) Close() error {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.wg.Wait()
	return nil
}

// Resolve returns what host stands for: a human name or a site's address,
// with labels in front or without. Errors are those above, record.ErrBadName,
// record.ErrOtherTLD, or ctx's. Several callers share one look-up; it goes on
// in the background when the first good answer has been given.
func (r *Resolver) Resolve(ctx context.Context, host string) (Resolution, error) {
	name, err := record.ParseName(host, r.cfg.TLD)
	if err != nil {
		return Resolution{}, err
	}
	owned := name
	owned.Sub = "" // what stands in front belongs to the same owner
	res, err := r.resolve(ctx, owned)
	res.Name = name
	if err != nil {
		return res, fmt.Errorf("%s: %w", name.Host(r.cfg.TLD), err)
	}
	return res, nil
}

// Known returns what host stood for when it was last seen, without asking
// anybody. It is false where that is nothing to show.
func (r *Resolver) Known(host string) (Resolution, bool) {
	name, err := record.ParseName(host, r.cfg.TLD)
	if err != nil {
		return Resolution{}, false
	}
	owned := name
	owned.Sub = ""
	res, err := newFlight(r, owned).decide(false)
	res.Name, res.Stale = name, true
	return res, err == nil
}

func (r *Resolver) resolve(ctx context.Context, name record.Name) (Resolution, error) {
	f, hit := r.join(name, time.Now())
	if f == nil {
		return hit.res, hit.err
	}
	select {
	case <-f.ready:
		return f.result()
	case <-ctx.Done():
		return Resolution{}, ctx.Err()
	}
}

// join returns what is known already, or the look-up under way, having begun
// it if there is none.
func (r *Resolver) join(name record.Name, now time.Time) (*flight, cached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.cache.Get(name); ok && now.Before(c.until) {
		return nil, c
	}
	if f := r.flights[name]; f != nil {
		return f, cached{}
	}
	if r.ctx.Err() != nil {
		return nil, cached{err: ErrClosed}
	}
	f := newFlight(r, name)
	r.flights[name] = f
	r.wg.Go(f.run)
	return f, cached{}
}

// keep caches an outcome, unless the look-up was overtaken by news (Seen,
// Trust). Failures are kept for a moment only, so that retrying helps.
func (r *Resolver) keep(f *flight, res Resolution, err error) {
	const moment = 2 * time.Second
	life := r.cfg.Fresh
	switch {
	case errors.Is(err, ErrOffline) || errors.Is(err, ErrClosed):
		return
	case err != nil && !errors.Is(err, ErrWithdrawn), res.Stale:
		life = min(life, moment)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flights[f.name] == f {
		r.cache.Add(f.name, cached{res, err, res.At.Add(life)})
	}
	if errors.Is(err, ErrOwnerChanged) {
		r.offered.Add(f.name, res.Owner)
	}
}

// land forgets a look-up that has ended.
func (r *Resolver) land(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flights[f.name] == f {
		delete(r.flights, f.name)
	}
}

// forget makes the next question ask anew.
func (r *Resolver) forget(names ...record.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		r.cache.Remove(n)
		delete(r.flights, n)
	}
}

// Seen remembers a verified record that came by another way, such as one
// published here, so that no older one is ever preferred to it.
func (r *Resolver) Seen(rec *record.Record) {
	if err := r.memory.remember(r.ctx, rec); err != nil {
		r.cfg.Log.Warn("remember a record", "name", rec.Name, "err", err)
	}
	names := []record.Name{record.KeyName(rec.Root)}
	if rec.Name != "" {
		names = append(names, record.Name{Label: rec.Name})
	}
	r.forget(names...)
}

// Trust pins the owner of a human name, whatever was pinned before.
func (r *Resolver) Trust(ctx context.Context, host string, owner identity.PublicKey) error {
	name, err := record.ParseName(host, r.cfg.TLD)
	if err != nil {
		return err
	}
	if name.IsKey() {
		return nil // an address has one owner only
	}
	if err := r.memory.pin(ctx, name.Label, owner, time.Now()); err != nil {
		return fmt.Errorf("pin the owner of %s: %w", name.Host(r.cfg.TLD), err)
	}
	name.Sub = ""
	r.forget(name)
	r.mu.Lock()
	r.offered.Remove(name)
	r.mu.Unlock()
	return nil
}

// Accept trusts the new owner of a name whose owner changed: the one that
// Resolve showed last, so that nobody can slip in another between the warning
// and the answer to it.
func (r *Resolver) Accept(ctx context.Context, host string) error {
	name, err := record.ParseName(host, r.cfg.TLD)
	if err != nil {
		return err
	}
	name.Sub = ""
	r.mu.Lock()
	owner, shown := r.offered.Get(name)
	r.mu.Unlock()
	if !shown {
		res, err := r.Resolve(ctx, host)
		if !errors.Is(err, ErrOwnerChanged) {
			return err // nil: nothing to accept
		}
		owner = res.Owner
	}
	return r.Trust(ctx, host, owner)
}

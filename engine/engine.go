// Package engine is a node: it wires the packages below it together and holds
// the use cases that cross them. Behaviour lives in the package it is about.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/peer"
	"altnet/engine/record"
	"altnet/engine/replica"
	"altnet/engine/resolver"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// Engine is a running node. It implements control.Control.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	network [32]byte
	key     identity.Key
	// listening is where peers are accepted: the port that 0 became, too.
	listening []string

	store  *store.Store
	host   *peer.Host
	dht    *dht.DHT
	swarm  *site.Fetcher
	keeper *replica.Keeper
	names  *resolver.Resolver
	gate   *record.Gate
	rules  *rules
	sites  *sites
	opened *openSites
	doors  doors
	events hub
	// joining and owing wake the loops that join the network and that bring
	// into it what its users published; each holds one token.
	joining, owing chan struct{}

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	close  sync.Once

	setting  sync.Mutex    // held by SetSettings
	settling sync.Mutex    // held by settle
	looking  chan struct{} // wakes keepPresence; holds one token
	full     chan struct{} // holds a token when a write found the disk full
	month    month
	watched  watched
	shares   *shares
	shared   *shared
	uploads  *uploads
	visits   *visits
	book     *logbook
	port     uint16 // for peers; 0: none

	mu       sync.Mutex
	presence presence
}

// Open opens the store and the keys, binds every address and joins the
// network. It returns store.ErrLocked where another node has the folder.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	e := &Engine{
		cfg: cfg, started: time.Now(), gate: record.NewGate(),
		network: record.NetworkID(cfg.Network), rules: newRules(cfg.Data),
		joining: make(chan struct{}, 1), owing: make(chan struct{}, 1), looking: make(chan struct{}, 1),
		full: make(chan struct{}, 1), uploads: newUploads(), watched: watched{seen: map[wire.Hash]bool{}},
	}
	e.book = newLogbook(cfg.Log.Handler(), cfg.TLD, cfg.Data)
	e.log = slog.New(e.book)
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := e.open(ctx); err != nil {
		e.Close()
		return nil, err
	}
	signal(e.joining)
	for _, loop := range []func(){
		e.keepJoined, e.keepAnnounced, e.followPins, e.watchRules, e.watchStatus,
		e.keepPresence, e.watchPower, e.watchSites, e.shared.keep, e.keepActivity,
	} {
		e.wg.Go(loop)
	}
	return e, nil
}

// open builds the parts from the disk upwards. What is built when one of them
// fails, Close takes down.
func (e *Engine) open(ctx context.Context) (err error) {
	if err := e.rules.check(); err != nil {
		return err
	}
	if e.store, err = store.Open(store.Config{
		Dir: e.cfg.Data, Budget: e.cfg.StoreBudget, NoSync: e.cfg.NoSync, Log: e.log,
		DiskFull: func() { signal(e.full) },
	}); err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	if e.key, _, err = identity.LoadOrCreate(e.cfg.Keys); err != nil {
		return fmt.Errorf("load the node key: %w", err)
	}
	e.sites = newSites(e.store)
	if err := e.sites.lookWhatIsGone(); err != nil {
		return err
	}
	if err := e.loadPresence(); err != nil {
		return err
	}
	if err := e.loadBlocks(); err != nil {
		return fmt.Errorf("read what is blocked here: %w", err)
	}
	budget := e.chosen().DiskBudget
	if err := e.store.SetBudget(ctx, budget); err != nil {
		return fmt.Errorf("fit the disk budget: %w", err)
	}
	if err := e.openNetwork(ctx); err != nil {
		return err
	}
	e.openSites()
	e.handle()
	if err := e.openDoors(ctx); err != nil {
		return err
	}
	e.host.SetOnline(false) // until it is settled
	e.settle(func(*presence) {})
	e.countMonth()
	e.host.Start()
	return nil
}

// openNetwork binds the listeners and makes the host and the DHT.
func (e *Engine) openNetwork(ctx context.Context) (err error) {
	if n := len(e.cfg.NetworkSecret); n != 0 && n != 32 {
		return fmt.Errorf("the network secret has %d bytes instead of 32", n)
	}
	announce, err := announced(e.cfg.Announce)
	if err != nil {
		return err
	}
	for _, addr := range e.cfg.Bootstrap {
		if _, _, err := splitBootstrap(addr); err != nil {
			return err
		}
	}
	listeners, port, err := e.listen(ctx)
	if err != nil {
		return err
	}
	e.port = port
	e.host, err = peer.New(peer.Config{
		Self: wire.Self{Key: e.key}, NetworkID: e.network, NetworkSecret: e.cfg.NetworkSecret,
		Agent: "altnet/" + e.cfg.Version, Role: e.role(), Listen: listeners, ListenPort: port,
		Announce: announce, Public: e.cfg.Public, Dial: e.cfg.DialFunc, Log: e.log,
		Alarm: func() { signal(e.looking) },
	})
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return fmt.Errorf("start the peer host: %w", err)
	}
	s := e.chosen()
	e.host.SetRates(s.UpLimit, s.DownLimit)
	e.dht, err = dht.New(dht.Config{
		Network: e.host, Store: dht.Bucket{Store: e.store, Name: "dht"}, Validate: e.validate, Seeds: e.seeds,
		Remote: e.host.Remote, Server: func() bool { return port != 0 }, AllowPrivate: !e.cfg.Public, Log: e.log,
	})
	if err != nil {
		return fmt.Errorf("start the DHT: %w", err)
	}
	return nil
}

// openSites makes what reads, keeps and names sites.
func (e *Engine) openSites() {
	e.swarm = e.newSwarm()
	e.keeper = replica.New(replica.Config{
		Network: e.replicaNetwork(), Store: e.store, Lease: e.cfg.LeaseTime, CheckEvery: e.cfg.CheckEvery,
		PerPeerBudget: e.cfg.PerPeerBudget, Volunteer: func() bool { return e.chosen().Volunteer && e.isOnline() },
		Report: e.confirmed, Log: e.log,
	})
	e.names = e.newResolver()
	e.opened = newOpenSites(e)
	e.shared = newShared(e)
	e.visits = newVisits(e)
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spawn runs f in a goroutine that Close waits for, unless it has begun to.
func (e *Engine) spawn(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() != nil {
		return false
	}
	e.wg.Go(f)
	return true
}

// Run serves the doors for browsers until ctx ends or one of them fails.
func (e *Engine) Run(ctx context.Context) error {
	failed := make(chan error, 2)
	e.mu.Lock() // so that Close waits for what begins here
	if e.ctx.Err() == nil {
		e.doors.serve(failed)
	}
	e.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil
	case <-e.ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// Close leaves the network, waits for what is under way and closes the store.
func (e *Engine) Close() error {
	var err error
	e.close.Do(func() { err = e.shut() })
	return err
}

// shut takes the parts down in the order opposite to open.
func (e *Engine) shut() error {
	e.mu.Lock() // so that spawn starts nothing that nobody waits for
	e.cancel()
	e.mu.Unlock()
	e.events.close()
	var errs []error
	errs = append(errs, e.doors.close())
	if e.visits != nil {
		errs = append(errs, e.visits.close())
	}
	if e.opened != nil {
		e.opened.forget()
	}
	if e.names != nil {
		errs = append(errs, e.names.Close())
	}
	if e.keeper != nil {
		errs = append(errs, e.keeper.Close())
	}
	if e.swarm != nil {
		errs = append(errs, e.swarm.Close())
	}
	if e.dht != nil {
		errs = append(errs, e.dht.Close())
	}
	if e.host != nil {
		errs = append(errs, e.host.Close())
	}
	e.wg.Wait()
	if e.host != nil {
		errs = append(errs, e.closeMonth())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}

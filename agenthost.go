package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/store"
	"altnet/platform"
	"altnet/platform/instance"
	"altnet/platform/relocate"
	"altnet/platform/setup"
)

// host is the agent's node: the installed service, or an engine of its own. It
// never starts an engine where a service is installed, running or not: that
// would be a second node with an empty list of sites.
type host struct {
	opts    *options
	profile string
	program string
	log     *slog.Logger
	system  engine.System // the computer around the engine
	client  *control.Client
	busy    atomic.Int64 // calls that a restart of the agent must not interrupt
	opening atomic.Bool  // nobody has seen the engine fail or run yet
	tasks   sync.WaitGroup
	cancel  context.CancelFunc
	again   chan struct{} // do not wait before the next attempt
	look    time.Duration // how often it looks whether the service has come or gone
	told    func(error)   // is told why the engine does not run; nil: nobody

	mu     sync.Mutex // held while the engine starts, stops or moves
	data   string
	node   *hosted       // nil: none runs
	failed error         // why the last attempt to start it did not succeed
	tried  chan struct{} // closed with the next attempt
}

func newHost(o *options, data, profile, program string, log *slog.Logger) *host {
	h := &host{opts: o, data: data, profile: profile, program: program, log: log, system: machine{log}, again: make(chan struct{}, 1),
		look: lookForService, tried: make(chan struct{})}
	h.client = control.NewClient(o.dialer())
	return h
}

// service reports whether the node is an installed service.
func (h *host) service() bool { return h.opts.usesService() }

// starting reports whether the engine has had no time to answer yet.
func (h *host) starting() bool { return h.opening.Load() }

// start begins to keep an engine running, while there is no service.
func (h *host) start(ctx context.Context) {
	ctx, h.cancel = context.WithCancel(ctx)
	h.opening.Store(!h.service())
	h.tasks.Go(func() { h.supervise(ctx) })
}

// stop ends the engine in this process.
func (h *host) stop() {
	h.cancel()
	h.tasks.Wait()
	h.client.Close()
}

// retryEngine is the wait before another attempt at an engine that failed or
// whose folder another node has.
const retryEngine = 15 * time.Second

func (h *host) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		if h.service() {
			h.standBack(ctx)
			continue
		}
		err := h.runOnce(ctx)
		h.opening.Store(false)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.log.Error("the node does not run", "err", err)
			h.tell(err)
		}
		if h.service() {
			continue
		}
		wait := time.NewTimer(retryEngine)
		select {
		case <-wait.C:
		case <-h.again:
		case <-ctx.Done():
		}
		wait.Stop()
	}
}

// runOnce runs an engine until it ends.
func (h *host) runOnce(ctx context.Context) error {
	h.mu.Lock()
	node, err := h.open(ctx)
	h.node, h.failed = node, err
	close(h.tried)
	h.tried = make(chan struct{})
	h.mu.Unlock()
	if err != nil {
		return err
	}
	h.opening.Store(false)
	defer h.giveWay(ctx, node)()
	return node.wait()
}

// tell remembers why the engine does not run, and says it.
func (h *host) tell(err error) {
	h.mu.Lock()
	h.failed = err
	h.mu.Unlock()
	if h.told != nil {
		h.told(reasonOf(err))
	}
}

// why is the reason why no engine runs here; nil where one does, or the service
// is to.
func (h *host) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.service() {
		return nil
	}
	return reasonOf(h.failed)
}

func (h *host) open(ctx context.Context) (*hosted, error) {
	cfg, err := h.config()
	if err != nil {
		return nil, err
	}
	if !h.opts.fixedData() {
		if err := relocate.Present(pointerFile(h.profile)); err != nil {
			return nil, err
		}
	}
	if err := platform.Private(h.data); err != nil {
		return nil, err
	}
	return startNode(ctx, h.opts, cfg, func(c control.Control) control.Control { return &counted{c, &h.busy} })
}

// config is the configuration of a node that waits until the person agreed to
// be a peer.
func (h *host) config() (engine.Config, error) {
	cfg, err := h.opts.engineConfig(h.data)
	cfg.Log, cfg.Host, cfg.AskFirst, cfg.System = h.log, control.HostAgent, true, h.system
	return cfg, err
}

// restartWait bounds how long whoever restarts the node waits to hear of it.
const restartWait = 30 * time.Second

// restart starts the node anew: the service, or the engine in this process. It
// returns why that did not succeed.
func (h *host) restart(ctx context.Context) error {
	if h.service() {
		return startService(ctx, h.program, h.log)
	}
	h.mu.Lock()
	if h.node != nil {
		h.node.close()
	}
	tried := h.tried
	h.mu.Unlock()
	h.hurry()
	ctx, cancel := context.WithTimeout(ctx, restartWait)
	defer cancel()
	select {
	case <-tried:
	case <-ctx.Done():
		return fmt.Errorf("start the node: %w", ctx.Err())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return reasonOf(h.failed)
}

// hurry ends the wait before the next attempt, the coming one included.
func (h *host) hurry() {
	select {
	case h.again <- struct{}{}:
	default:
	}
}

// move moves the data below dest while the engine stands still.
func (h *host) move(ctx context.Context, dest string, report func(instance.Reply)) error {
	switch {
	case h.service():
		return &instance.RequestError{Code: "service", Text: "the data belongs to the service of this computer; an administrator moves it"}
	case h.opts.fixedData():
		return &instance.RequestError{Code: "fixed", Text: "the data folder was chosen on the command line, or by ALTNET_DATA: choose another there"}
	}
	to, err := filepath.Abs(filepath.Join(dest, "AltNet"))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.node != nil {
		h.node.close()
	}
	defer h.hurry()
	move := relocate.Move{Pointer: pointerFile(h.profile), From: h.data, To: to, Open: h.opens,
		Progress: throttled(func(done, total int64) { report(instance.Reply{Now: done, Total: total}) })}
	if err := move.Run(ctx); err != nil {
		return moveError(err)
	}
	h.data = to
	return nil
}

// opens tries the store of a folder, without a door or a peer.
func (h *host) opens(_ context.Context, dir string) error {
	s, err := store.Open(store.Config{Dir: dir, Log: h.log})
	if err != nil {
		return err
	}
	return s.Close()
}

// Codes of the reasons why an engine does not run, as requests to the agent
// answer them.
const (
	codeAway       = "away"       // the disk with the data is not connected
	codeTaken      = "taken"      // another process has the folder open
	codeFull       = "full"       // no room
	codeUnreadable = "unreadable" // the folder's rights
	codeRefused    = "refused"    // the person declined to be an administrator
	codeNoAdmin    = "no-admin"   // nobody can be asked for one here
)

// elevationOf is an error of starting a service as other processes understand it.
func elevationOf(err error) error {
	for is, code := range map[error]string{setup.ErrDeclined: codeRefused, setup.ErrNoAdministrator: codeNoAdmin} {
		if errors.Is(err, is) {
			return &instance.RequestError{Code: code, Text: err.Error()}
		}
	}
	return err
}

// reasonOf is an engine's error as other processes understand it; nil stays nil.
func reasonOf(err error) error {
	if err == nil {
		return nil
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{relocate.ErrAway, codeAway}, {store.ErrLocked, codeTaken}, {store.ErrDiskFull, codeFull}, {store.ErrFull, codeFull},
		{syscall.ENOSPC, codeFull}, {relocate.ErrNoRoom, codeFull}, {fs.ErrPermission, codeUnreadable},
	} {
		if errors.Is(err, c.err) {
			return &instance.RequestError{Code: c.code, Text: err.Error()}
		}
	}
	return &instance.RequestError{Text: err.Error()}
}

func moveError(err error) error {
	if errors.Is(err, relocate.ErrNoRoom) {
		return &instance.RequestError{Code: "full", Text: err.Error()}
	}
	return err
}

// throttled passes on every twentieth of a second at most, and the end.
func throttled(report func(done, total int64)) func(done, total int64) {
	var last time.Time
	return func(done, total int64) {
		if now := time.Now(); done == total || now.Sub(last) > 50*time.Millisecond {
			last = now
			report(done, total)
		}
	}
}

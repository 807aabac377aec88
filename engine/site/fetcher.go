package site

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"altnet/engine/wire"
)

// ErrClosed: the Fetcher was closed.
var ErrClosed = errors.New("fetcher is closed")

// ErrNoHolder: no peer that was found and could be reached holds the site.
var ErrNoHolder = errors.New("no peer holds this site now")

// ErrLiar is what FetcherConfig.Liar is told of a peer whose bytes do not have
// the hash that was asked for.
var ErrLiar = errors.New("peer sent other bytes than were asked for")

// FetcherConfig is what a Fetcher needs. Find, Open, Blocks and NewSink are
// required.
type FetcherConfig struct {
	// Find looks for holders of a site and calls found for each, full where it
	// says that it has every block. It stops when found returns true.
	Find func(ctx context.Context, root wire.Hash, found func(p wire.Peer, full bool) (done bool)) error
	// Open begins an exchange with a peer.
	Open func(ctx context.Context, p wire.Peer, request wire.Message) (Stream, error)
	// Blocks is what is here already, and what came through a flushed sink.
	Blocks Blocks
	// NewSink is called for each fetch and each Remote, with the content root
	// that the blocks belong to. One that is an io.Closer is closed at the end.
	NewSink func(root wire.Hash) Sink
	// Refuse holds for blocks that must not be fetched (the blocklist).
	Refuse func(wire.Hash) bool
	// Liar is told of a peer that lied. May be nil.
	Liar func(p wire.Peer, err error)

	Holders     int           // peers asked at once for one site; default 8
	Streams     int           // requests in flight per peer; default 4
	BatchBytes  int           // most bytes asked for in one request; default 2 MiB
	BatchBlocks int           // most blocks asked for in one request; default 512
	Slots       int           // requests in flight at all, each of BatchBytes; default 24
	HedgeAfter  time.Duration // silence after which a request is doubled; default 1 s
	StallAfter  time.Duration // silence after which it is given up; default 15 s
	FindAgain   time.Duration // between looks for further holders; default 30 s
	Log         *slog.Logger
}

func (c FetcherConfig) withDefaults() FetcherConfig {
	if c.Refuse == nil {
		c.Refuse = func(wire.Hash) bool { return false }
	}
	if c.Liar == nil {
		c.Liar = func(wire.Peer, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Holders = positive(c.Holders, 8)
	c.Streams = positive(c.Streams, 4)
	c.BatchBytes = max(positive(c.BatchBytes, 2<<20), wire.MaxBlock)
	c.BatchBlocks = min(positive(c.BatchBlocks, 512), wire.MaxBlockHashes)
	c.Slots = positive(c.Slots, 24)
	c.HedgeAfter = positive(c.HedgeAfter, time.Second)
	c.StallAfter = positive(c.StallAfter, 15*time.Second)
	c.FindAgain = positive(c.FindAgain, 30*time.Second)
	return c
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Fetcher brings sites here from the peers that hold them. The memory of all
// that is in flight is bounded by Slots × BatchBytes, whatever the size and
// number of the sites.
type Fetcher struct {
	cfg    FetcherConfig
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{} // of bulk fetches
	quick  chan struct{} // of Remotes, so that a page need not wait for a bulk fetch
	arenas sync.Pool     // of *arena

	mu     sync.Mutex
	closed bool
}

// arena is the memory of one request. Slots bound how many are in use.
type arena struct{ buf []byte }

// room returns the arena's memory, empty, with room for n bytes.
func (a *arena) room(n int) []byte {
	if cap(a.buf) < n {
		a.buf = make([]byte, 0, n)
	}
	return a.buf[:0]
}

// NewFetcher returns a Fetcher. It starts nothing until something is fetched.
func NewFetcher(cfg FetcherConfig) *Fetcher {
	f := &Fetcher{cfg: cfg.withDefaults()}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.slots, f.quick = make(chan struct{}, f.cfg.Slots), make(chan struct{}, f.cfg.Slots)
	f.arenas.New = func() any { return &arena{} }
	return f
}

// Close ends every fetch and waits for what they started.
func (f *Fetcher) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
	return nil
}

// start runs fn in a goroutine that Close waits for.
func (f *Fetcher) start(fn func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Go(fn)
	return true
}

package engine

import (
	"context"
	"errors"
	"time"

	"altnet/engine/dht"
	"altnet/engine/record"
	"altnet/engine/replica"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// newSwarm makes the Fetcher on this node's network and store.
func (e *Engine) newSwarm() *site.Fetcher {
	return site.NewFetcher(site.FetcherConfig{
		Find:    e.findHolders,
		Open:    e.openStream,
		Blocks:  e.store,
		NewSink: func(root wire.Hash) site.Sink { return newSink(e.store.For(root)) },
		Refuse:  e.refuses,
		Liar: func(p wire.Peer, err error) {
			e.log.Warn("a peer sent false blocks", "peer", p.ID.Short(), "err", err)
			e.dht.Failed(p.ID)
		},
		Log: e.book.private(),
	})
}

func (e *Engine) openStream(ctx context.Context, p wire.Peer, m wire.Message) (site.Stream, error) {
	s, err := e.host.Open(ctx, p, m)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// findHolders asks the DHT who holds a site.
func (e *Engine) findHolders(ctx context.Context, root wire.Hash, found func(wire.Peer, bool) bool) error {
	_, err := e.dht.Providers(ctx, root, found)
	if errors.Is(err, dht.ErrNoPeers) {
		return nil // nobody to ask is nobody found
	}
	return err
}

// sink writes blocks of one site to the store.
type sink struct {
	view  *store.View
	batch *store.Batch
}

func newSink(v *store.View) *sink { return &sink{view: v, batch: v.NewBatch()} }

// HasMany implements site.Sink.
func (s *sink) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return s.view.HasMany(hashes), nil
}

// PutBatch implements site.Sink.
func (s *sink) PutBatch(ctx context.Context, blocks []site.Block) error {
	for _, b := range blocks {
		if err := s.batch.PutContext(ctx, b.Hash, b.Data); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements site.Sink.
func (s *sink) Flush(ctx context.Context) error { return s.batch.Commit(ctx) }

// Close gives up what was not flushed.
func (s *sink) Close() error {
	s.batch.Discard()
	return s.view.Close()
}

// replicaNetwork is what the keeper asks of the rest of the node.
func (e *Engine) replicaNetwork() replica.Network {
	return replica.Network{
		Self: e.host.Self,
		Open: func(ctx context.Context, to wire.Peer, m wire.Message) (replica.Stream, error) {
			return e.openStream(ctx, to, m)
		},
		Request: e.host.Request,
		Closest: func(ctx context.Context, key wire.Hash, n int) ([]wire.Peer, error) {
			peers, _, err := e.dht.Closest(ctx, key, n)
			return peers, err
		},
		Providers: e.holders,
		Provide: func(ctx context.Context, root wire.Hash, full bool, ttl time.Duration) error {
			_, err := e.dht.Provide(ctx, root, full, ttl)
			return err
		},
		Vouch:    e.vouch,
		Latest:   e.latest,
		Announce: e.reannounce,
		Fetch:    e.fetchSpan,
	}
}

// holders collects everyone who says to hold a site.
func (e *Engine) holders(ctx context.Context, root wire.Hash) ([]wire.Peer, error) {
	var peers []wire.Peer
	err := e.findHolders(ctx, root, func(p wire.Peer, _ bool) bool {
		peers = append(peers, p)
		return false
	})
	return peers, err
}

// reannounce stores somebody's signed record in the DHT again, unchanged.
func (e *Engine) reannounce(ctx context.Context, raw []byte) error {
	r, err := record.Parse(raw)
	if err != nil {
		return err
	}
	_, err = e.announce(ctx, &r).wait()
	return err
}

// fetchSpan brings a range of a site here for the keeper.
func (e *Engine) fetchSpan(ctx context.Context, job replica.FetchJob) (replica.FetchResult, error) {
	out, err := e.swarm.Fetch(ctx, job.Root, site.FetchOptions{
		First: uint64(job.First), Count: uint64(job.Count), MaxBytes: uint64(job.MaxBytes), From: job.From,
		Listed:   func(f site.Fetched) error { return job.Listed(fetchResult(f)) },
		Progress: func(p site.FetchProgress) { job.Progress(int(p.Blocks), int64(p.Bytes)) },
	})
	if err != nil {
		return replica.FetchResult{}, err
	}
	return fetchResult(out), nil
}

func fetchResult(f site.Fetched) replica.FetchResult {
	return replica.FetchResult{
		Blocks: f.Blocks, First: int(f.First), Held: int(f.Count), Bytes: int64(f.RangeBytes), Size: int64(f.Bytes),
	}
}

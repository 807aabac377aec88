package main

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/wire"
)

// hosted is an engine with its control socket and metrics in this process.
type hosted struct {
	*engine.Engine
	ctx      context.Context // ends when the node is to stop, or fails
	stop     context.CancelCauseFunc
	services sync.WaitGroup
	closed   func()
}

// startNode opens an engine and serves it until close, or until it fails.
// guard, which may be nil, stands between the socket and the engine.
func startNode(ctx context.Context, o *options, cfg engine.Config, guard func(control.Control) control.Control) (*hosted, error) {
	node, err := engine.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	h := &hosted{Engine: node}
	h.ctx, h.stop = context.WithCancelCause(ctx)
	h.closed = sync.OnceFunc(func() {
		h.stop(nil)
		h.services.Wait()
		node.Close()
	})
	var served control.Control = node
	if guard != nil {
		served = guard(node)
	}
	if err := o.serve(h.ctx, h.stop, &h.services, served, cfg.Data, cfg.Log); err != nil {
		h.close()
		return nil, err
	}
	h.services.Go(func() { h.stop(node.Run(h.ctx)) })
	return h, nil
}

// close stops the node and waits for its end.
func (h *hosted) close() { h.closed() }

// wait returns when the node has stopped, with the reason where it failed.
func (h *hosted) wait() error {
	<-h.ctx.Done()
	h.close()
	return ended(h.ctx)
}

// counted counts the calls by which content comes in: a program that is
// replaced waits for their end.
type counted struct {
	control.Control
	calls *atomic.Int64
}

// PutBlocks implements control.Control.
func (c *counted) PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	c.calls.Add(1)
	defer c.calls.Add(-1)
	return c.Control.PutBlocks(ctx, blocks)
}

// Publish implements control.Control.
func (c *counted) Publish(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	c.calls.Add(1)
	defer c.calls.Add(-1)
	return c.Control.Publish(ctx, p)
}

// SetPinned implements control.Control.
func (c *counted) SetPinned(ctx context.Context, name string, pinned bool) error {
	c.calls.Add(1)
	defer c.calls.Add(-1)
	return c.Control.SetPinned(ctx, name, pinned)
}

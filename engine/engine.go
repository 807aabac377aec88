// Package engine is a node: it wires the packages below it together and holds
// the use cases that cross them. Behaviour lives in the package it is about.
package engine

import (
	"context"
	"errors"

	"altnet/engine/control"
)

// Engine is a running node. It implements control.Control.
type Engine struct {
	control.Control // replaced method by method as the parts land
	cfg             Config
}

// Open opens the store and the keys, binds every address and joins the
// network. It returns store.ErrLocked where another node has the folder.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	return nil, errors.New("the engine is being assembled")
}

// Run serves the doors for browsers until ctx ends or one of them fails.
func (e *Engine) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Close leaves the network, waits for what is under way and closes the store.
func (e *Engine) Close() error { return nil }

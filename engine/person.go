package engine

import (
	"context"
	"errors"

	"altnet/engine/control"
)

// errNotYet is what is still to be built here.
var errNotYet = errors.New("this node cannot do that yet")

// Activity implements control.Control.
func (e *Engine) Activity(ctx context.Context, name string) (control.Activity, error) {
	if _, _, err := e.mine(ctx, name); err != nil {
		return control.Activity{}, err
	}
	return control.Activity{}, errNotYet
}

// Visited implements control.Control.
func (e *Engine) Visited(context.Context) ([]control.Visited, error) { return nil, errNotYet }

// ClearVisited implements control.Control.
func (e *Engine) ClearVisited(context.Context) error { return errNotYet }

// SetBlocked implements control.Control.
func (e *Engine) SetBlocked(context.Context, string, bool) error { return errNotYet }

// Blocked implements control.Control.
func (e *Engine) Blocked(context.Context) ([]control.Blocked, error) { return nil, errNotYet }

// Preview implements control.Control.
func (e *Engine) Preview(ctx context.Context, name string, _ uint64) (string, error) {
	if _, _, err := e.mine(ctx, name); err != nil {
		return "", err
	}
	return "", errNotYet
}

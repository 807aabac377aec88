package control

import (
	"context"
	"time"
)

// Settings implements Control.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return call[Settings](ctx, c, "settings", nothing{})
}

// SetSettings implements Control.
func (c *Client) SetSettings(ctx context.Context, s Settings) error {
	return order(ctx, c, "set-settings", s)
}

// Pause implements Control.
func (c *Client) Pause(ctx context.Context, until time.Time) error {
	return order(ctx, c, "pause", untilIn{until})
}

// Forget implements Control.
func (c *Client) Forget(ctx context.Context) (int64, error) {
	return call[int64](ctx, c, "forget", nothing{})
}

// Logs implements Control.
func (c *Client) Logs(ctx context.Context) ([]LogLine, error) {
	return call[[]LogLine](ctx, c, "logs", nothing{})
}

// ProveGateway implements Control.
func (c *Client) ProveGateway(ctx context.Context) ([]string, error) {
	return call[[]string](ctx, c, "prove-gateway", nothing{})
}

// Activity implements Control.
func (c *Client) Activity(ctx context.Context, name string) (Activity, error) {
	return call[Activity](ctx, c, "activity", nameIn{name})
}

// Visited implements Control.
func (c *Client) Visited(ctx context.Context) ([]Visited, error) {
	return call[[]Visited](ctx, c, "visited", nothing{})
}

// ClearVisited implements Control.
func (c *Client) ClearVisited(ctx context.Context) error {
	return order(ctx, c, "clear-visited", nothing{})
}

// SetBlocked implements Control.
func (c *Client) SetBlocked(ctx context.Context, target string, blocked bool) error {
	return order(ctx, c, "block", blockIn{target, blocked})
}

// Blocked implements Control.
func (c *Client) Blocked(ctx context.Context) ([]Blocked, error) {
	return call[[]Blocked](ctx, c, "blocked", nothing{})
}

// Preview implements Control.
func (c *Client) Preview(ctx context.Context, name string, seq uint64) (string, error) {
	return call[string](ctx, c, "preview", versionIn{name, seq})
}

package main

import (
	"context"

	"altnet/platform/splitdns"
)

// resolverRestarts sends when the resolver was started anew.
func resolverRestarts(ctx context.Context) (<-chan struct{}, error) { return splitdns.Restarts(ctx) }

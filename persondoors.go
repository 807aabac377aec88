package main

import (
	"context"
	"log/slog"

	"altnet/platform/setup"
	"altnet/platform/splitdns"
)

// keepDoors leads the browsers of the person who runs this process to a node,
// where they agreed to that once, as long as ctx lasts: from the start, after a
// wake and when the network has changed. The doors stay open; the returned
// Setup takes them back, nil where there is none.
func keepDoors(ctx context.Context, of setupOf) *setup.Setup {
	su, err := newSetup(ctx, of)
	if err != nil {
		of.log.Warn("browsers are not led to AltNet", "err", err)
		return nil
	}
	su.Keep(ctx, networkChanges(ctx, of.log), reportDoors(of.log, splitdns.Name.Proxy))
	return su
}

// lendDoors is keepDoors for a node that runs by itself: its doors go when it
// ends.
func lendDoors(ctx context.Context, of setupOf) {
	su := keepDoors(ctx, of)
	if su == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	if err := su.Stop(ctx); err != nil {
		sayLeft(of.log, err)
	}
}

func sayLeft(log *slog.Logger, err error) {
	log.Warn("browsers are still led to AltNet, which has ended; altnet undo takes that back", "err", err)
}

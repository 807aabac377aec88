package main

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"altnet/platform/splitdns"
)

// keepDoors leads the browsers of the person who runs this process to a node,
// where they agreed to that once, as long as ctx lasts: from the start, after a
// wake and when the network has changed. The doors stay open.
func keepDoors(ctx context.Context, of setupOf) {
	su, err := newSetup(ctx, of)
	if err != nil {
		of.log.Warn("browsers are not led to AltNet", "err", err)
		return
	}
	if err := su.Follow(of.follows); err != nil {
		of.log.Warn("the doors lead to the node before this one", "err", err)
	}
	su.Keep(ctx, networkChanges(ctx, of.log), reportDoors(of.log, splitdns.Name.Proxy))
}

// lendDoors is keepDoors for a node that runs by itself: its doors go when it
// ends, and have a guard from the time on when there are any. dir is the node's
// folder, flags are what the guard finds the person's by.
func lendDoors(ctx context.Context, of setupOf, dir string, flags []string) {
	if err := takeBackDoors(ctx, dir, of.status.NodeID, nil, of.log); err != nil && ctx.Err() == nil {
		of.log.Warn("take back what a node left that was killed", "err", err)
	}
	su, err := newSetup(ctx, of)
	if err != nil {
		of.log.Warn("browsers are not led to AltNet", "err", err)
		return
	}
	var g *guard
	watch := sync.OnceFunc(func() { g = guardFor(flags, of.status.NodeID, dir, of.log) })
	if c, err := su.Choice(); err == nil && c.Browsing {
		watch() // before there is anything to guard
	}
	report := reportDoors(of.log, splitdns.Name.Proxy)
	su.Keep(ctx, networkChanges(ctx, of.log), func(state map[splitdns.Name]error) {
		if anyOpen(state) {
			watch() // set up meanwhile
		}
		report(state)
	})
	defer func() { g.dismiss() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackTime)
	defer cancel()
	if err := su.Stop(ctx); err != nil {
		sayLeft(of.log, err)
	}
}

// guardFor starts a guard, nil where that cannot be.
func guardFor(flags []string, node, dir string, log *slog.Logger) *guard {
	program, err := os.Executable()
	if err != nil {
		log.Warn("a kill leaves the doors to the next start", "err", err)
		return nil
	}
	g, err := startGuard(program, flags, node, dir, log)
	if err != nil {
		log.Warn("a kill leaves the doors to the next start", "err", err)
	}
	return g
}

// anyOpen reports whether a proxy script is set and leads to the node.
func anyOpen(state map[splitdns.Name]error) bool {
	for name, err := range state {
		if err == nil && name.Proxy() {
			return true
		}
	}
	return false
}

func sayLeft(log *slog.Logger, err error) {
	log.Warn("browsers are still led to AltNet, which has ended; altnet undo takes that back", "err", err)
}

package main

import (
	"context"
	"time"
)

// The node of a desktop is the service where one is installed, else the
// agent's own. That may change while the agent runs: then it hands over by
// itself, so that there are never two nodes, nor none.

const (
	// lookForService is how often a host looks whether the service was installed
	// or removed. It asks the file system or the service manager.
	lookForService = 5 * time.Second
	// serviceStarts is how long a service that was just installed may take to
	// answer while the agent's own engine goes on.
	serviceStarts = 30 * time.Second
	// uploadPatience is how long the engine goes on for the sake of what is being
	// published.
	uploadPatience = 2 * time.Minute
)

// standBack returns when the service was removed: one that merely stands still
// is nobody's to replace. It must be missing twice, since one that is brought up
// to date is removed for a moment.
func (h *host) standBack(ctx context.Context) {
	h.opening.Store(false)
	missing := 0
	h.looking(ctx, func() bool {
		if missing++; h.service() {
			missing = 0
		}
		return missing >= 2
	})
	if ctx.Err() == nil {
		h.log.Info("the service was removed; the agent runs the node")
		h.opening.Store(true)
	}
}

// giveWay closes the engine when a service was installed and answers. What it
// returns ends the watch for that.
func (h *host) giveWay(ctx context.Context, node *hosted) (stop func()) {
	if h.opts.fixedData() {
		return func() {} // the service is another node
	}
	ctx, cancel := context.WithCancel(ctx)
	h.tasks.Go(func() {
		var since time.Time
		if !h.looking(ctx, func() bool {
			if !h.service() {
				since = time.Time{}
				return false
			}
			if since.IsZero() {
				since = time.Now()
			}
			return h.serviceTakesOver(ctx, time.Since(since))
		}) {
			return
		}
		h.log.Info("a service was installed; the agent's node gives way to it")
		node.close()
	})
	return cancel
}

// serviceTakesOver reports whether the engine is to end for a service that has
// been installed for so long.
func (h *host) serviceTakesOver(ctx context.Context, installed time.Duration) bool {
	conn, err := h.opts.dialService(ctx)
	if err != nil {
		return installed > serviceStarts
	}
	conn.Close()
	return h.busy.Load() == 0 || installed > uploadPatience
}

// looking looks now and then until something is found, and reports whether it
// was before ctx ended.
func (h *host) looking(ctx context.Context, found func() bool) bool {
	ticker := time.NewTicker(h.look)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
		if found() {
			return true
		}
	}
}

package main

import (
	"context"
	"iter"
	"log/slog"

	"altnet/engine"
	"altnet/platform/power"
)

// machine is the engine's view of this computer.
type machine struct{ log *slog.Logger }

// Power implements engine.System.
func (m machine) Power(ctx context.Context) iter.Seq[engine.Power] {
	return func(yield func(engine.Power) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		var last *engine.Power
		for e := range power.Watch(ctx, m.log) {
			now := engine.Power{OnBattery: e.OnBattery, Metered: e.Metered}
			if last != nil && *last == now {
				continue
			}
			if last = &now; !yield(now) {
				return
			}
		}
	}
}

// Package power tells how a computer is fed and connected: on battery, on a
// network that is paid for by the byte, just woken, on another network.
//
// What a system cannot tell counts as false: macOS does not say whether a
// network is metered.
package power

import (
	"context"
	"log/slog"
	"time"
)

// State is how the computer is fed and connected.
type State struct {
	OnBattery bool
	Metered   bool
}

// Event is a state and what led to it.
type Event struct {
	State
	Woke           bool // the computer had slept, or its clock was set forward
	NetworkChanged bool // addresses or routes changed
}

const (
	// lookEvery bounds how long a change goes unnoticed of which the system
	// does not tell, and a sleep.
	lookEvery = 30 * time.Second
	// sleepSlack is by how much later than due a look must come before the
	// computer has slept instead of being busy.
	sleepSlack = 15 * time.Second
	// settle is how long a network is given that changes in many steps.
	settle = time.Second
)

// machine is what a system can tell.
type machine struct {
	state func(ctx context.Context) State
	// network sends when addresses or routes may have changed; it ends with
	// ctx. nil: the system does not tell.
	network func(ctx context.Context) (<-chan struct{}, error)
	close   func()
}

// Watch sends the present state, then an Event for every change, for every
// wake and for every change of network, until ctx ends; then it closes the
// channel. A reader who is slow gets the newest state with all that happened
// in between.
func Watch(ctx context.Context, log *slog.Logger) <-chan Event {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return watch(ctx, thisMachine(log), log)
}

func watch(ctx context.Context, m machine, log *slog.Logger) <-chan Event {
	events := make(chan Event)
	w := &watcher{machine: m, events: events}
	if m.network != nil {
		changes, err := m.network(ctx)
		if err != nil {
			log.Warn("changes of the network are noticed late", "err", err)
		}
		w.changes = changes
	}
	go func() {
		defer close(events)
		if m.close != nil {
			defer m.close()
		}
		w.run(ctx)
	}()
	return events
}

// watcher waits for three things: changes, the next look, and its reader.
type watcher struct {
	machine
	changes <-chan struct{}
	events  chan<- Event

	due     Event // what the reader has not got yet
	pending bool  // due is to be sent
	looked  time.Time
}

func (w *watcher) run(ctx context.Context) {
	w.look(ctx, Event{})
	w.pending = true // the first state is always sent
	tick := time.NewTimer(lookEvery)
	defer tick.Stop()
	settled := time.NewTimer(settle)
	settled.Stop()
	for {
		var out chan<- Event
		if w.pending {
			out = w.events
		}
		select {
		case <-ctx.Done():
			return
		case out <- w.due:
			w.due, w.pending = Event{State: w.due.State}, false
		case _, open := <-w.changes:
			if !open {
				w.changes = nil
				continue
			}
			settled.Reset(settle)
		case <-settled.C:
			w.look(ctx, Event{NetworkChanged: true})
		case <-tick.C:
			w.look(ctx, Event{Woke: slept(time.Now().Round(0).Sub(w.looked))})
			tick.Reset(lookEvery)
		}
	}
}

// slept reports whether a look came so late by the wall clock that the
// computer must have slept. The monotonic clock stands still meanwhile on
// some systems.
func slept(since time.Duration) bool { return since > lookEvery+sleepSlack }

// look reads the state and adds what happened to what the reader is to get.
func (w *watcher) look(ctx context.Context, happened Event) {
	state := w.state(ctx)
	w.pending = w.pending || state != w.due.State || happened.Woke || happened.NetworkChanged
	w.due = Event{state, w.due.Woke || happened.Woke, w.due.NetworkChanged || happened.NetworkChanged}
	if !happened.NetworkChanged {
		w.looked = time.Now().Round(0) // the wall clock alone
	}
}

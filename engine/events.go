package engine

import (
	"context"
	"iter"
	"reflect"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

const (
	// backlog is how many events a slow reader may lag behind.
	backlog = 64
	// statusEvery bounds how often a status is drawn up while things move, and
	// settleEvery how long a slow change may go unseen.
	statusEvery = 500 * time.Millisecond
	settleEvery = 30 * time.Second
)

// hub hands events to whoever listens. The zero hub is ready.
type hub struct {
	mu      sync.Mutex
	closed  bool
	readers map[*reader]bool
	waiting map[wire.Hash]map[chan struct{}]bool
	poked   chan struct{}
}

// reader is one caller of Events.
type reader struct {
	caller control.Caller
	events chan control.Event
	latest chan control.Event // the newest status; older ones are dropped
}

// poke says that something in the status may have changed.
func (h *hub) poke() {
	select {
	case h.pokes() <- struct{}{}:
	default:
	}
}

func (h *hub) pokes() chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.poked == nil {
		h.poked = make(chan struct{}, 1)
	}
	return h.poked
}

// join adds a reader; nil after close.
func (h *hub) join(c control.Caller) *reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	r := &reader{caller: c, events: make(chan control.Event, backlog), latest: make(chan control.Event, 1)}
	if h.readers == nil {
		h.readers = map[*reader]bool{}
	}
	h.readers[r] = true
	return r
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.readers, r)
}

// publish gives an event to the readers who may see what user does; a reader
// whose backlog is full misses it.
func (h *hub) publish(user string, ev control.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		if !r.caller.Owns(user) {
			continue
		}
		select {
		case r.events <- ev:
		default:
		}
	}
}

// notice gives an event to every reader; one whose backlog is full misses it.
func (h *hub) notice(ev control.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		select {
		case r.events <- ev:
		default:
		}
	}
}

// watched reports whether anybody reads: drawing up a status costs something.
func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers) > 0
}

// status gives every reader the newest status.
func (h *hub) status(ev control.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		select {
		case <-r.latest:
		default:
		}
		r.latest <- ev
	}
}

// receipts returns a channel that gets a token for every copy of root that a
// peer confirms.
func (h *hub) receipts(root wire.Hash) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[wire.Hash]map[chan struct{}]bool{}
	}
	if h.waiting[root] == nil {
		h.waiting[root] = map[chan struct{}]bool{}
	}
	h.waiting[root][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting[root], c)
		if len(h.waiting[root]) == 0 {
			delete(h.waiting, root)
		}
	}
}

func (h *hub) confirmed(root wire.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.waiting[root] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// close ends every reader.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for r := range h.readers {
		close(r.events)
	}
	h.readers = nil
}

// Events implements control.Control.
func (e *Engine) Events(ctx context.Context) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		r := e.events.join(control.CallerFrom(ctx))
		if r == nil {
			yield(control.Event{}, control.ErrClosed)
			return
		}
		defer e.events.leave(r)
		first, err := e.statusEvent(ctx)
		if err != nil {
			yield(control.Event{}, err)
			return
		}
		for ok := yield(first, nil); ok; {
			select {
			case ev := <-r.latest:
				ok = yield(ev, nil)
			case ev, open := <-r.events:
				if !open {
					yield(control.Event{}, control.ErrClosed)
					return
				}
				ok = yield(ev, nil)
			case <-ctx.Done():
				return
			}
		}
	}
}

func (e *Engine) statusEvent(ctx context.Context) (control.Event, error) {
	s, err := e.Status(ctx)
	return control.Event{Kind: control.EventStatus, Time: time.Now(), Status: &s}, err
}

// watchStatus tells readers when something changed that people see.
func (e *Engine) watchStatus() {
	var last control.Status
	settle := time.NewTicker(settleEvery)
	defer settle.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-settle.C:
		case <-e.events.pokes():
		}
		if !e.events.watched() {
			continue
		}
		ev, err := e.statusEvent(e.ctx)
		if err == nil && visiblyDifferent(last, *ev.Status) {
			last = *ev.Status
			e.events.status(ev)
		}
		if !e.pause(statusEvery) {
			return
		}
	}
}

// visiblyDifferent reports whether a person would see a change: traffic alone
// is none.
func visiblyDifferent(a, b control.Status) bool {
	a.Traffic, b.Traffic = control.Traffic{}, control.Traffic{}
	a.MonthUsed, b.MonthUsed = 0, 0
	return !reflect.DeepEqual(a, b)
}

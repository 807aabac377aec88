package splitdns

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// settle is how long Keep waits after a change before it looks: networks
	// change in bursts.
	settle = 2 * time.Second
	// firstRetry and lastRetry bound the wait after a door that could not be
	// opened; it doubles from one to the other.
	firstRetry = 30 * time.Second
	lastRetry  = 30 * time.Minute
)

// Keeping is what Keep needs.
type Keeping struct {
	// Decide is asked at every round: the machine may have become another.
	Decide func(context.Context) Decision
	// Open makes a door when it is first needed.
	Open func(Name) (Door, error)
	// Which are the doors to set; nil: all. The others are only looked at, so that
	// a fallback knows whether it is needed: the service keeps machine-wide doors,
	// each person's agent the rest.
	Which func(Name) bool
	// Changes sends after a wake, a change of the network, or a restart of the
	// resolver; see Merge.
	Changes <-chan struct{}
	// Report is told after every round which doors lead to us.
	Report func(map[Name]error) // nil errors are open doors; may be nil itself
	Log    *slog.Logger         // nil: nothing is logged
}

// keeper is Keep at work.
type keeper struct {
	Keeping
	doors  map[Name]Door
	worked map[Name]bool // doors that were open once
}

// Keep opens doors, verifies each, and again after every change, until ctx ends.
// A door that fails to verify is set anew, but for a proxy script that worked and
// that a person turned off since; one that is not decided on any more is undone,
// and so is one that leads to another program in our place.
// Doors stay open when Keep returns: undoing them is the caller's.
func Keep(ctx context.Context, k Keeping) {
	if k.Log == nil {
		k.Log = slog.New(slog.DiscardHandler)
	}
	(&keeper{Keeping: k, doors: map[Name]Door{}, worked: map[Name]bool{}}).run(ctx)
}

func (k *keeper) run(ctx context.Context) {
	retry := firstRetry
	for {
		state, again := k.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if k.Report != nil {
			k.Report(state)
		}
		wait := time.Duration(0)
		if again {
			wait, retry = retry, min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		if !k.wait(ctx, wait) {
			return
		}
	}
}

// round decides and goes through the doors once. again says that there is a door
// to try again: not one of others, nor one that a person turned off.
func (k *keeper) round(ctx context.Context) (state map[Name]error, again bool) {
	state = map[Name]error{}
	works := false
	decided := map[Name]bool{}
	for _, c := range k.Decide(ctx).Doors {
		decided[c.Door] = true
		door, err := k.door(c.Door)
		if err == nil && c.Fallback && works {
			k.shut(ctx, door)
			continue
		}
		if err == nil {
			err = k.open(ctx, door)
		}
		state[c.Door] = err
		again = again || err != nil && !errors.Is(err, ErrTurnedOff) && k.own(c.Door)
		works = works || err == nil && c.Door != Localhost
	}
	for name, door := range k.doors {
		if !decided[name] {
			k.shut(ctx, door)
			delete(k.doors, name)
		}
	}
	return state, again
}

// own reports whether a door is for this process to set.
func (k *keeper) own(name Name) bool { return k.Which == nil || k.Which(name) }

func (k *keeper) door(name Name) (Door, error) {
	if door := k.doors[name]; door != nil {
		return door, nil
	}
	door, err := k.Open(name)
	if err != nil {
		return nil, err
	}
	if !k.own(name) {
		door = lookedAt{door}
	}
	k.doors[name] = door
	return door, nil
}

// lookedAt is a door that somebody else sets and undoes.
type lookedAt struct{ Door }

func (lookedAt) Set(context.Context) error { return nil }

func (lookedAt) Undo(context.Context) error { return nil }

// open verifies a door, setting it where it does not work. One that leads to an
// impostor is taken back.
func (k *keeper) open(ctx context.Context, door Door) error {
	err := k.verify(ctx, door)
	if err == nil || errors.Is(err, ErrImpostor) {
		return err
	}
	if k.worked[door.Name()] && errors.Is(err, ErrTurnedOff) {
		return err
	}
	if err := door.Set(ctx); errors.Is(err, ErrTurnedOff) {
		return err
	} else if err != nil {
		k.Log.Warn("a door could not be set", "door", door.Name(), "error", err)
		return err
	}
	if err = k.verify(ctx, door); err != nil {
		k.Log.Warn("a door is set and does not work", "door", door.Name(), "error", err)
		return err
	}
	k.Log.Info("a door is open", "door", door.Name())
	return nil
}

func (k *keeper) verify(ctx context.Context, door Door) error {
	err := door.Verify(ctx)
	switch {
	case err == nil:
		k.worked[door.Name()] = true
	case errors.Is(err, ErrImpostor):
		k.shut(ctx, door)
		delete(k.worked, door.Name()) // nobody turned it off
	}
	return err
}

// shut takes a door back that is not needed any more.
func (k *keeper) shut(ctx context.Context, door Door) {
	if err := door.Undo(ctx); err != nil {
		k.Log.Warn("a door could not be undone", "door", door.Name(), "error", err)
	}
}

// wait returns after a change has settled, or after a while where it is not
// zero; false when ctx ended.
func (k *keeper) wait(ctx context.Context, while time.Duration) bool {
	var due <-chan time.Time
	if while > 0 {
		timer := time.NewTimer(while)
		defer timer.Stop()
		due = timer.C
	}
	changes := k.Changes
	for {
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return true
		case _, ok := <-changes:
			if ok {
				return k.settled(ctx)
			}
			changes = nil // nobody tells any more
		}
	}
}

// settled waits until no change came for a while.
func (k *keeper) settled(ctx context.Context) bool {
	timer := time.NewTimer(settle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case _, ok := <-k.Changes:
			if !ok {
				k.Changes = nil
			}
			timer.Reset(settle)
		}
	}
}

// Merge sends whenever one of several channels does, until ctx ends or all are
// closed. Channels that are nil never send.
func Merge(ctx context.Context, from ...<-chan struct{}) <-chan struct{} {
	out := make(chan struct{}, 1)
	var all sync.WaitGroup
	for _, c := range from {
		all.Go(func() { pass(ctx, c, out) })
	}
	go func() {
		all.Wait()
		close(out)
	}()
	return out
}

func pass(ctx context.Context, from <-chan struct{}, to chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-from:
			if !ok {
				return
			}
			select {
			case to <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

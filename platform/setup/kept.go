package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"altnet/platform/splitdns"
)

// checkEvery is how often Keep looks at the doors when nothing has happened.
const checkEvery = 15 * time.Minute

// Keep keeps the doors open that the person agreed to: it verifies them at
// once, after each change (a wake, another network) and from time to time, sets
// anew what does not work, and leaves alone what the person turned off. report,
// which may be nil, is told after each round. When ctx has ended the doors are
// still open: Stop takes them back.
func (s *Setup) Keep(ctx context.Context, changes <-chan struct{}, report func(map[splitdns.Name]error)) {
	var last splitdns.Decision
	splitdns.Keep(ctx, splitdns.Keeping{
		Decide: func(ctx context.Context) splitdns.Decision {
			d, err := s.agreed(ctx)
			if err != nil {
				s.cfg.Log.Warn("the doors stay as they are", "err", err)
				return last
			}
			last = d
			return d
		},
		Open: s.door,
		Which: func(name splitdns.Name) bool {
			who, ok := s.actor(string(name))
			return ok && who == s.cfg.Actor
		},
		Changes: splitdns.Merge(ctx, changes, every(ctx, checkEvery)), Report: report, Log: s.cfg.Log,
	})
	s.lookWhatIsOff(context.WithoutCancel(ctx))
}

// every sends again and again until ctx ends.
func every(ctx context.Context, while time.Duration) <-chan struct{} {
	out := make(chan struct{})
	go func() {
		defer close(out)
		ticker := time.NewTicker(while)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			select {
			case <-ctx.Done():
				return
			case out <- struct{}{}:
			}
		}
	}()
	return out
}

// agreed are the doors to be kept: none without consent, and none while they
// lead to another node. Without consent what was left is taken back.
func (s *Setup) agreed(ctx context.Context) (splitdns.Decision, error) {
	known, err := s.recall()
	switch {
	case err != nil:
		return splitdns.Decision{}, err
	case !s.leads(known):
		return splitdns.Decision{}, nil
	case !known.Browsing:
		return splitdns.Decision{}, s.Stop(ctx)
	}
	return s.cfg.Decide(ctx)
}

// leads reports whether the doors that the person agreed to are those of this
// process's node.
func (s *Setup) leads(known remembered) bool {
	return s.cfg.Node == "" || known.Node == "" || known.Node == s.cfg.Node
}

// Follow has what the person agreed to count for this Setup's node, where it
// counted for the one that this has taken the place of; "" is none.
func (s *Setup) Follow(former string) error {
	known, err := s.recall()
	if err != nil || former == "" || s.cfg.Node == "" || known.Node != former || known.Node == s.cfg.Node {
		return err
	}
	known.Node = s.cfg.Node
	return s.remember(known)
}

// personsDoor is a door that belongs to a person: it is not set before the
// gateway has proved itself, nor where the person turned it off, and it does
// not stay open to an impostor.
type personsDoor struct {
	splitdns.Door
	setup *Setup
}

// errNotSet is what a door shows that nobody turned off.
var errNotSet = fmt.Errorf("%w: it is not set", splitdns.ErrClosed)

// Verify fails with splitdns.ErrTurnedOff where the person turned the door off
// after it was set, and only then.
func (d personsDoor) Verify(ctx context.Context) error {
	err := d.Door.Verify(ctx)
	switch {
	case errors.Is(err, splitdns.ErrImpostor):
		return errors.Join(err, d.Undo(ctx))
	case !errors.Is(err, splitdns.ErrTurnedOff):
		return err
	}
	off, unread := d.setup.isOff(ctx, d.Name())
	if unread != nil || off {
		return errors.Join(err, unread)
	}
	return errNotSet
}

func (d personsDoor) Set(ctx context.Context) error {
	known, err := d.setup.recall()
	if err != nil {
		return err
	}
	if slices.Contains(known.Off, d.Name()) {
		return splitdns.ErrTurnedOff
	}
	if prove := d.setup.cfg.Prove; prove != nil {
		if err := prove(ctx); err != nil {
			return fmt.Errorf("%w: %w", splitdns.ErrClosed, err)
		}
	}
	return d.Door.Set(ctx)
}

// Undo leaves alone what has come to lead to another node.
func (d personsDoor) Undo(ctx context.Context) error {
	if known, err := d.setup.recall(); err == nil && !d.setup.leads(known) {
		return nil
	}
	return d.Door.Undo(ctx)
}

// isOff reports whether a person turned off a door that shows itself turned
// off, and notes it: it stays off until they set up again. One that the journal
// does not have was taken back by us.
func (s *Setup) isOff(ctx context.Context, name splitdns.Name) (bool, error) {
	known, err := s.recall()
	if err != nil || slices.Contains(known.Off, name) {
		return err == nil, err
	}
	set, err := s.noted(ctx, func(door string) bool { return door == string(name) })
	if err != nil || len(set) == 0 || !known.Browsing {
		return false, err
	}
	known.Off = append(known.Off, name)
	return true, s.remember(known)
}

// lookWhatIsOff notes what the person turned off, before the doors are taken
// back and nothing shows it any more.
func (s *Setup) lookWhatIsOff(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience/4)
	defer cancel()
	for name, door := range s.open {
		if err := door.Verify(ctx); errors.Is(err, splitdns.ErrTurnedOff) {
			s.cfg.Log.Info("the person turned it off", "door", name)
		}
	}
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// Step is how far Apply has come with one change.
type Step struct {
	Change Change
	Done   bool
	Err    error // why it was not made; others go on
}

// Result is what Apply brought about, looked at and not believed.
type Result struct {
	Browsing bool          `json:"browsing"` // .alt opens in programs that know nothing of us
	Trusted  bool          `json:"trusted"`  // every store that could be written trusts the root
	Door     splitdns.Name `json:"door"`
	Why      string        `json:"why,omitempty"` // with Browsing false
	Failed   []string      `json:"failed,omitempty"`
}

// Apply notes what the person agreed to and makes the changes of the plan for
// it. A change that fails is told to step and in the result, and the others go
// on; the error is for what kept everything from being tried.
func (s *Setup) Apply(ctx context.Context, c Choice, step func(Step)) (Result, error) {
	plan, err := s.Plan(ctx, c)
	if err != nil {
		return Result{}, err
	}
	if err := s.choose(c); err != nil {
		return Result{}, err
	}
	if step == nil {
		step = func(Step) {}
	}
	r := Result{Door: splitdns.Localhost}
	s.applyDoors(ctx, plan, false, &r, step)
	if c.Trust {
		s.applyStores(ctx, plan, &r, step)
	}
	if c.Browsing && !r.Browsing && r.Why == "" {
		r.Why = whyNot(plan)
	}
	return r, nil
}

func whyNot(p Plan) string {
	if len(p.InWay) > 0 {
		return p.InWay[0].String()
	}
	return say("setup.why.nodoor").String()
}

// applyDoors sets the doors in order. One that is a fallback is set only while
// none before it works. again says that nobody asks for it just now: what works
// is left as it is, and so is what the person turned off.
func (s *Setup) applyDoors(ctx context.Context, plan Plan, again bool, r *Result, step func(Step)) {
	for _, c := range plan.Changes {
		if c.Trust || c.door.Fallback && r.Browsing {
			continue
		}
		step(Step{Change: c})
		err := s.applyDoor(ctx, c, again)
		step(Step{Change: c, Done: err == nil, Err: err})
		switch {
		case err != nil:
			r.Why = err.Error()
			r.Failed = append(r.Failed, c.ID)
		case !r.Browsing:
			r.Browsing, r.Door, r.Why = true, c.door.Door, ""
		}
	}
}

// applyDoor sets a door, where that is for this process to do, and looks
// whether it leads to us. One that does not is taken back.
func (s *Setup) applyDoor(ctx context.Context, c Change, again bool) error {
	door, err := s.door(c.door.Door)
	if err != nil {
		return err
	}
	if c.Actor != s.cfg.Actor {
		return door.Verify(ctx) // the service's own business
	}
	if again {
		if err := door.Verify(ctx); err == nil || errors.Is(err, splitdns.ErrTurnedOff) {
			return err
		}
	}
	if err := door.Set(ctx); err != nil {
		return err
	}
	if err := door.Verify(ctx); err != nil {
		return errors.Join(err, door.Undo(context.WithoutCancel(ctx)))
	}
	return nil
}

// door returns a door, the same one as long as this Setup lives: some answer
// questions while they are open.
func (s *Setup) door(name splitdns.Name) (splitdns.Door, error) {
	if door, ok := s.open[name]; ok {
		return door, nil
	}
	j, err := s.journal()
	if err != nil {
		return nil, err
	}
	door, err := s.cfg.Open(name, j)
	if err != nil {
		return nil, err
	}
	if s.cfg.Actor == User && MaySet(string(name), User) {
		door = personsDoor{door, s}
	}
	s.open[name] = door
	return door, nil
}

func (s *Setup) applyStores(ctx context.Context, plan Plan, r *Result, step func(Step)) {
	changes := slices.DeleteFunc(slices.Clone(plan.Changes), func(c Change) bool { return !c.Trust })
	root, err := s.root()
	r.Trusted = err == nil && len(changes) > 0
	for _, c := range s.elevated(ctx, changes, root, err) {
		step(Step{Change: c})
		failed := err
		if failed == nil && c.Actor == s.cfg.Actor {
			failed = s.install(ctx, c.store, root)
		}
		if failed == nil {
			failed = s.trusts(ctx, c.store, root)
		}
		if failed != nil {
			r.Trusted, r.Failed = false, append(r.Failed, c.ID)
		}
		step(Step{Change: c, Done: failed == nil, Err: failed})
	}
}

func (s *Setup) root() (trust.Root, error) {
	text, err := s.cfg.Root()
	if err != nil {
		return trust.Root{}, fmt.Errorf("read the root certificate: %w", err)
	}
	return trust.ParseRoot(text, s.cfg.Trust.Suffix)
}

// elevated has the helper make its changes, all at once, so that a person is
// asked once. Whether it did is seen by looking at the stores.
func (s *Setup) elevated(ctx context.Context, changes []Change, root trust.Root, failed error) []Change {
	var ids []string
	for _, c := range changes {
		if c.Actor == Helper && s.cfg.Actor != Helper {
			ids = append(ids, c.store.ID)
		}
	}
	if len(ids) == 0 || failed != nil {
		return changes
	}
	if err := s.elevate(ctx, Request{Root: root.PEM(), Stores: ids}); err != nil {
		s.cfg.Log.Warn("an administrator's changes were not made", "err", err)
	}
	return changes
}

// elevate asks an administrator, and notes beforehand that the machine was
// changed.
func (s *Setup) elevate(ctx context.Context, r Request) error {
	if s.cfg.Elevate == nil {
		return ErrNoAdministrator
	}
	known, err := s.recall()
	if err == nil && !r.Undo && !known.Machine {
		known.Machine = true
		err = s.remember(known)
	}
	return errors.Join(err, s.cfg.Elevate(ctx, r))
}

func (s *Setup) install(ctx context.Context, store trust.Store, root trust.Root) error {
	if !MaySet(string(store.Kind), s.cfg.Actor) {
		return fmt.Errorf("trust the root in %s: %w", store.Name, ErrNotAllowed)
	}
	j, err := s.journal()
	if err != nil {
		return err
	}
	return trust.New(s.cfg.Trust, j).Install(ctx, store, root)
}

// errUntrusted is what a look at a store shows after a change that did not
// come about.
var errUntrusted = errors.New("the root is not trusted there")

func (s *Setup) trusts(ctx context.Context, store trust.Store, root trust.Root) error {
	state, err := trust.New(s.cfg.Trust, nil).Check(ctx, store, root.Fingerprint())
	if err == nil && state != trust.Trusted {
		err = fmt.Errorf("%s: %w", store.Name, errUntrusted)
	}
	return err
}

// Start sets the doors again that the person agreed to; without consent it takes
// back what an earlier process left. It is for the process whose gateway the
// doors lead to. Keep does so as long as that lives.
func (s *Setup) Start(ctx context.Context) (Result, error) {
	known, err := s.recall()
	if err != nil {
		return Result{}, err
	}
	if !s.leads(known) {
		return Result{Door: splitdns.Localhost}, nil
	}
	if !known.Browsing {
		return Result{Door: splitdns.Localhost}, s.Stop(ctx)
	}
	plan, err := s.Plan(ctx, Choice{Browsing: true})
	if err != nil {
		return Result{}, err
	}
	r := Result{Door: splitdns.Localhost}
	s.applyDoors(ctx, plan, true, &r, func(Step) {})
	if !r.Browsing && r.Why == "" {
		r.Why = whyNot(plan)
	}
	return r, nil
}

// Stop takes the doors back, because nothing is behind them from now on. What
// the person agreed to is kept for the next Start, and the root stays trusted.
// Doors that have come to lead to another node are left alone.
func (s *Setup) Stop(ctx context.Context) error {
	if known, err := s.recall(); err == nil && !s.leads(known) {
		return nil
	}
	var errs []error
	for name, door := range s.open {
		errs = append(errs, door.Undo(ctx))
		delete(s.open, name)
	}
	doors, err := s.noted(ctx, func(door string) bool { return !trust.IsDoor(door) })
	if err != nil || len(doors) == 0 {
		return errors.Join(append(errs, err)...)
	}
	j, err := s.journal()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	_, err = j.Undo(ctx, doors...)
	return errors.Join(append(errs, err)...)
}

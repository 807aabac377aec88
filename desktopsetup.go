//go:build !nogui

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"altnet/platform/setup"
	"altnet/ui"
)

// PlanSetup implements ui.Desktop.
func (d *userDesktop) PlanSetup(ctx context.Context, choice ui.SetupChoice) (ui.SetupPlan, error) {
	su, err := openSetup(ctx, d.session)
	if err != nil {
		return ui.SetupPlan{}, err
	}
	p, err := su.Plan(ctx, setup.Choice(choice))
	if err != nil {
		return ui.SetupPlan{}, err
	}
	plan := ui.SetupPlan{Prompts: p.Prompts, Door: string(p.Door), InWay: inWay(p.InWay)}
	for _, c := range p.Changes {
		plan.Changes = append(plan.Changes, changeOf(c))
	}
	return plan, nil
}

func changeOf(c setup.Change) ui.SetupChange {
	return ui.SetupChange{ID: c.ID, Text: ui.Text(c.Text), Elevated: c.Actor == setup.Helper, Trust: c.Trust}
}

func inWay(obstacles []setup.Obstacle) []ui.Text {
	var texts []ui.Text
	for _, o := range obstacles {
		texts = append(texts, ui.Text(o.Why))
		if o.Do.English != "" {
			texts = append(texts, ui.Text(o.Do))
		}
	}
	return texts
}

// Setup implements ui.Desktop.
func (d *userDesktop) Setup(ctx context.Context, choice ui.SetupChoice, step func(ui.SetupStep)) (ui.SetupResult, error) {
	su, err := openSetup(ctx, d.session)
	if err != nil {
		return ui.SetupResult{}, err
	}
	r, err := su.Apply(ctx, setup.Choice(choice), func(s setup.Step) {
		step(ui.SetupStep{Change: changeOf(s.Change), Done: s.Done, Err: s.Err})
	})
	if err == nil {
		err = useHTTPS(ctx, d.session, r.Trusted)
	}
	return ui.SetupResult{Browsing: r.Browsing, Trusted: r.Trusted, Door: string(r.Door), Why: r.Why}, err
}

// UndoSetup implements ui.Desktop.
func (d *userDesktop) UndoSetup(ctx context.Context) error {
	su, err := openSetup(ctx, d.session)
	if err != nil {
		return err
	}
	if err := useHTTPS(ctx, d.session, false); err != nil {
		d.log.Warn("names may go on leading to https", "err", err)
	}
	_, err = su.Undo(ctx)
	return err
}

// Doctor implements ui.Desktop.
func (d *userDesktop) Doctor(ctx context.Context) ([]ui.Check, error) {
	su, err := openSetup(ctx, d.session)
	if err != nil {
		return nil, err
	}
	var checks []ui.Check
	for _, c := range su.Doctor(ctx, d.session.facts()) {
		checks = append(checks, ui.Check{ID: c.ID, Title: ui.Text(c.Title), State: stateOf(c.State), Found: ui.Text(c.Found), Meaning: ui.Text(c.Means),
			Remedy: ui.Text(c.Remedy), Fixable: c.Fix != nil && c.State != setup.OK, Prompts: c.Prompt})
	}
	return checks, nil
}

func stateOf(s setup.State) ui.CheckState {
	switch s {
	case setup.OK:
		return ui.CheckOK
	case setup.Warn:
		return ui.CheckWarning
	case setup.Bad:
		return ui.CheckBroken
	}
	return ui.CheckUnknown
}

// errNoSuchCheck reports a check that the computer no longer has.
var errNoSuchCheck = errors.New("there is nothing of this kind to mend any more")

// Fix implements ui.Desktop. It looks again first: much may have changed since
// the person read what was wrong.
func (d *userDesktop) Fix(ctx context.Context, id string) error {
	su, err := openSetup(ctx, d.session)
	if err != nil {
		return err
	}
	checks := su.Doctor(ctx, d.session.facts())
	i := slices.IndexFunc(checks, func(c setup.Check) bool { return c.ID == id })
	if i < 0 || checks[i].Fix == nil {
		return fmt.Errorf("%s: %w", id, errNoSuchCheck)
	}
	if checks[i].State == setup.OK {
		return nil
	}
	if err := checks[i].Fix(ctx); err != nil {
		return err
	}
	return settleHTTPS(ctx, d.session, su, su.Doctor(ctx, d.session.facts()))
}

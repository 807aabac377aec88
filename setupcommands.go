package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"altnet/engine/control"
	"altnet/platform/setup"
)

// setUp runs "altnet setup": it says what it would change, asks, and does it.
func setUp(ctx context.Context, s *session, _ []string) error {
	if s.opts.trust && s.opts.noTrust {
		return usagef("-trust and -no-trust do not go together")
	}
	su, err := openSetup(ctx, s)
	if err != nil {
		return err
	}
	choice, plan, err := s.agree(ctx, su)
	if err != nil {
		return err
	}
	step := func(st setup.Step) {
		switch {
		case s.opts.json:
		case st.Err != nil:
			fmt.Fprintf(s.err, "  failed  %s: %v\n", st.Change.Text, st.Err)
		case st.Done:
			fmt.Fprintf(s.err, "  done    %s\n", st.Change.Text)
		}
	}
	r, err := su.Apply(ctx, choice, step)
	if err != nil {
		return err
	}
	if err := useHTTPS(ctx, s, r.Trusted); err != nil {
		fmt.Fprintln(s.err, "altnet: names do not lead to https by themselves:", err)
	}
	return errors.Join(s.result(setupReport{plan, r}, func(w io.Writer) { printSetup(w, r) }), setupFailure(r))
}

// setupReport is what -json prints.
type setupReport struct {
	Plan   setup.Plan   `json:"plan"`
	Result setup.Result `json:"result"`
}

func setupFailure(r setup.Result) error {
	if len(r.Failed) == 0 {
		return nil
	}
	return fmt.Errorf("not everything could be set up: %s", strings.Join(r.Failed, ", "))
}

// errNotAgreed ends a set-up that the person said no to.
var errNotAgreed = errors.New("nothing was changed")

// agree shows the plan, and asks where a person types and no flag answers.
func (s *session) agree(ctx context.Context, su *setup.Setup) (setup.Choice, setup.Plan, error) {
	choice := setup.Choice{Browsing: true, Trust: s.opts.trust}
	ask := !s.opts.yes && s.inTTY && !s.opts.json
	if !ask && !s.opts.yes {
		return choice, setup.Plan{}, usagef("nobody is there to ask: add -yes, and -trust or -no-trust for the certificate")
	}
	lines := bufio.NewReader(s.in)
	if ask && !s.opts.trust && !s.opts.noTrust {
		fmt.Fprintln(s.err, "https://NAME.alt/ opens without a warning where browsers trust this computer's own certificate.")
		fmt.Fprintln(s.err, "It can vouch for names under .alt and for nothing else; its key never leaves this computer.")
		yes, err := s.confirm(lines, "Trust it? Without it http://NAME.alt/ works")
		if err != nil {
			return choice, setup.Plan{}, err
		}
		choice.Trust = yes
	}
	plan, err := su.Plan(ctx, choice)
	if err != nil {
		return choice, plan, err
	}
	if !s.opts.json {
		printPlan(s.err, plan)
	}
	if ask && len(plan.Changes) > 0 {
		yes, err := s.confirm(lines, "Go ahead?")
		if err != nil || !yes {
			return choice, plan, errors.Join(errNotAgreed, err)
		}
	}
	return choice, plan, nil
}

// confirm asks a question that is answered with yes or no.
func (s *session) confirm(lines *bufio.Reader, question string) (bool, error) {
	fmt.Fprint(s.err, question, " [y/N] ")
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

func printPlan(w io.Writer, p setup.Plan) {
	if len(p.Changes) == 0 {
		fmt.Fprintln(w, "Nothing on this computer will be changed.")
	} else {
		fmt.Fprintln(w, "This will be changed, and altnet undo takes all of it back:")
	}
	for _, c := range p.Changes {
		who := ""
		if c.Actor == setup.Helper {
			who = " (needs an administrator)"
		}
		fmt.Fprintf(w, "  - %s%s\n", c.Text, who)
	}
	for _, o := range p.InWay {
		fmt.Fprintf(w, "  not: %s\n", o)
	}
	switch {
	case p.Prompts == 0:
		fmt.Fprintln(w, "The system will not ask you for anything.")
	case p.Admin:
		fmt.Fprintf(w, "The system will ask you %s, once for an administrator.\n", count(p.Prompts, "time"))
	default:
		fmt.Fprintf(w, "The system will ask you %s.\n", count(p.Prompts, "time"))
	}
}

func printSetup(w io.Writer, r setup.Result) {
	if r.Browsing {
		fmt.Fprintln(w, "http://NAME.alt/ opens in your browsers. Those that are open may have to be restarted.")
	} else {
		fmt.Fprintf(w, "Names under .alt do not open in browsers here: %s\nThe second door does: http://NAME-alt.localhost:PORT/, with the port that altnet status shows.\n", r.Why)
	}
	if r.Trusted {
		fmt.Fprintln(w, "https://NAME.alt/ opens without a warning.")
	}
}

// doctor runs "altnet doctor".
func doctor(ctx context.Context, s *session, _ []string) error {
	su, err := openSetup(ctx, s)
	if err != nil {
		return err
	}
	checks := su.Doctor(ctx, s.facts())
	if s.opts.fix {
		s.fixAll(ctx, checks)
		fixed := checks
		checks = su.Doctor(ctx, s.facts())
		for i, c := range checks {
			checks[i].Fixed = slices.ContainsFunc(fixed, func(f setup.Check) bool { return f.ID == c.ID && f.Fixed })
		}
		if err := settleHTTPS(ctx, s, su, checks); err != nil {
			fmt.Fprintln(s.err, "altnet: the node was not told whether browsers trust its certificate:", err)
		}
	}
	if err := s.result(checks, func(w io.Writer) { printChecks(w, checks) }); err != nil {
		return err
	}
	if setup.Worst(checks) == setup.Bad {
		return errors.New("something is wrong, see above")
	}
	return nil
}

// fixAll mends what can be mended. Each fix that fails is told.
func (s *session) fixAll(ctx context.Context, checks []setup.Check) {
	for i, c := range checks {
		if c.Fix == nil || c.State == setup.OK {
			continue
		}
		if err := c.Fix(ctx); err != nil {
			fmt.Fprintf(s.err, "altnet: %s: %v\n", c.Title, err)
			continue
		}
		checks[i].Fixed = true
	}
}

func printChecks(w io.Writer, checks []setup.Check) {
	for _, c := range checks {
		fmt.Fprintf(w, "%-8s%s: %s\n", c.State, c.Title, printable(c.Found.String()))
		if c.State == setup.OK {
			continue
		}
		for _, text := range []setup.Text{c.Means, c.Remedy} {
			if text.ID != "" {
				fmt.Fprintf(w, "        %s\n", printable(text.String()))
			}
		}
	}
}

// undo runs "altnet undo": every trace of set-up goes.
func undo(ctx context.Context, s *session, _ []string) error {
	su, err := openSetup(ctx, s)
	if err != nil {
		return err
	}
	left, err := su.Left(ctx)
	if err != nil {
		return err
	}
	if len(left) > 0 && s.inTTY && !s.opts.yes && !s.opts.json {
		if err := s.askUndo(left); err != nil {
			return err
		}
	}
	done, err := su.Undo(ctx)
	if https := useHTTPS(ctx, s, false); https != nil && err == nil {
		fmt.Fprintln(s.err, "altnet: the node may still lead names to https:", https)
	}
	return errors.Join(s.result(nonNil(done), func(w io.Writer) { printUndone(w, done, err == nil) }), err)
}

func (s *session) askUndo(left []setup.Left) error {
	fmt.Fprintln(s.err, "This will be taken back:")
	for _, l := range left {
		who := ""
		if l.Actor == setup.Helper {
			who = " (needs an administrator)"
		}
		fmt.Fprintf(s.err, "  - %s%s\n", printable(l.What), who)
	}
	yes, err := s.confirm(bufio.NewReader(s.in), "Go ahead?")
	if err != nil || !yes {
		return errors.Join(errNotAgreed, err)
	}
	return nil
}

func printUndone(w io.Writer, done []setup.Undone, whole bool) {
	for _, d := range done {
		fmt.Fprintf(w, "%-10s%s\n", d.Result, printable(d.What))
	}
	if whole {
		fmt.Fprintln(w, "Nothing of AltNet's set-up is left for you. The programs, your keys and your sites are untouched.")
	}
}

// useHTTPS tells the node whether browsers trust its root, so that http leads
// to https. Where no node runs there is nobody to tell; a service's settings are
// its operators', who decide for all of its users.
func useHTTPS(ctx context.Context, s *session, trusted bool) error {
	settings, err := s.control.Settings(ctx)
	if err == nil && settings.HTTPS != trusted {
		settings.HTTPS = trusted
		err = s.control.SetSettings(ctx, settings)
	}
	if errors.Is(err, control.ErrNotRunning) || errors.Is(err, control.ErrDenied) {
		return nil
	}
	return err
}

// settleHTTPS tells the node whether browsers trust its root after something
// was mended: where a person wanted that, and no store lacks it.
func settleHTTPS(ctx context.Context, s *session, su *setup.Setup, checks []setup.Check) error {
	choice, err := su.Choice()
	if err != nil || !choice.Trust {
		return err
	}
	return useHTTPS(ctx, s, trustedEverywhere(checks))
}

// trustedEverywhere reports whether every store trusts the root that can be
// written to.
func trustedEverywhere(checks []setup.Check) bool {
	some := false
	for _, c := range checks {
		if !strings.HasPrefix(c.ID, "trust:") {
			continue
		}
		if c.State == setup.Bad {
			return false
		}
		some = some || c.State == setup.OK
	}
	return some
}

// helper serves one request with an administrator's rights and ends.
func helper(ctx context.Context, s *session, args []string) error {
	if !setup.Administrator() {
		return errors.New("only an administrator's process may change the computer")
	}
	request, err := setup.ParseRequest(args[0])
	if err != nil {
		return err
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return err
	}
	return machineSetup(log).Serve(ctx, request)
}

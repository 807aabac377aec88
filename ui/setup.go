package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// setupPage tells what setting browsing up changes on this computer, and does
// it when the person says so.
type setupPage struct {
	app   *App
	trust *widget.Check
	plan  *fyne.Container
	state *fyne.Container
	begin *button
	asked int // plans so far
}

func newSetupPage(a *App) *setupPage { return &setupPage{app: a} }

func (p *setupPage) content() fyne.CanvasObject {
	a := p.app
	p.plan, p.state = container.NewVBox(), container.NewVBox()
	p.trust = widget.NewCheck(a.t("prepare.trust"), func(bool) { p.look() })
	p.begin = primaryButton(a.t("prepare.do"), theme.ConfirmIcon(), p.run)
	p.begin.Disable()
	return pageBody(a.titled(a.t("prepare.title")), prose(a.t("prepare.lead")),
		card(p.trust, note(a.t("prepare.trust.more"))),
		card(subheading(a.t("prepare.plan")), p.plan), actions(p.begin), p.state)
}

func (p *setupPage) enter()              { p.look() }
func (p *setupPage) leave()              {}
func (p *setupPage) apply(control.Event) {}

func (p *setupPage) choice() SetupChoice { return SetupChoice{Browsing: true, Trust: p.trust.Checked} }

// look asks what would be changed, without changing anything.
func (p *setupPage) look() {
	a, choice := p.app, p.choice()
	p.asked++
	asked := p.asked
	p.begin.Disable()
	p.show(widget.NewProgressBarInfinite())
	run(a, func(ctx context.Context) (SetupPlan, error) { return a.desk.PlanSetup(ctx, choice) }, func(plan SetupPlan, err error) {
		if asked != p.asked {
			return
		}
		if err != nil {
			p.show(a.problem(err, newButton(a.t("action.retry"), theme.ViewRefreshIcon(), p.look)))
			return
		}
		if !plan.hopeless() {
			p.begin.Enable()
		}
		p.show(a.planLines(plan)...)
	})
}

func (p *setupPage) show(objects ...fyne.CanvasObject) {
	p.plan.Objects = objects
	p.plan.Refresh()
}

// hopeless reports that nothing can be done here.
func (plan SetupPlan) hopeless() bool { return len(plan.Changes) == 0 && len(plan.InWay) > 0 }

// planLines say what setting up would change, and what keeps more from it.
func (a *App) planLines(plan SetupPlan) []fyne.CanvasObject {
	if plan.hopeless() {
		return []fyne.CanvasObject{prose(a.t("prepare.hopeless", "example", a.exampleDoor())), warn(a.t("prepare.inway"), a.sayAll(plan.InWay))}
	}
	var out []fyne.CanvasObject
	for _, c := range plan.Changes {
		text := a.say(c.Text)
		if c.Elevated {
			text += " " + a.t("prepare.elevated")
		}
		out = append(out, iconText(theme.NavigateNextIcon(), text))
	}
	if len(plan.Changes) == 0 {
		out = append(out, prose(a.t("prepare.nothing")))
	}
	prompts := a.t("prepare.prompts.none")
	if plan.Prompts > 0 {
		prompts = a.tn("prepare.prompts", plan.Prompts)
	}
	out = append(out, note(prompts))
	if len(plan.InWay) > 0 {
		out = append(out, plain(a.t("prepare.inway.better"), a.sayAll(plan.InWay)))
	}
	return out
}

// run makes the changes.
func (p *setupPage) run() {
	a, choice := p.app, p.choice()
	p.begin.Disable()
	p.trust.Disable()
	steps := container.NewVBox()
	p.state.Objects = []fyne.CanvasObject{widget.NewProgressBarInfinite(), steps}
	p.state.Refresh()
	run(a, func(ctx context.Context) (SetupResult, error) {
		return a.desk.Setup(ctx, choice, func(s SetupStep) { a.do(func() { steps.Add(prose(a.stepText(s))) }) })
	}, func(result SetupResult, err error) {
		p.trust.Enable()
		if err != nil {
			p.begin.Enable()
			p.state.Objects = []fyne.CanvasObject{a.problem(err)}
			p.state.Refresh()
			return
		}
		a.setPrefs(func(prefs *Prefs) { prefs.Browsing = result.Browsing })
		p.state.Objects = append(a.setupOutcome(choice, result), steps, actions(primaryButton(a.t("action.done"), nil, a.nav.back)))
		p.state.Refresh()
	})
}

// stepText says how far setting up has come.
func (a *App) stepText(s SetupStep) string {
	what := a.say(s.Change.Text)
	switch {
	case s.Err != nil:
		reason, _ := a.explain(s.Err)
		return a.t("prepare.step.failed", "what", what, "why", reason)
	case s.Done:
		return a.t("prepare.step.done", "what", what)
	}
	return a.t("prepare.step.begun", "what", what)
}

// noBrowsing tells why the short addresses do not open, and of the second door.
func (a *App) noBrowsing(why string, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	if why == "" {
		why = a.t("welcome.browse.unknown")
	}
	why = strings.TrimSuffix(capital(why), ".")
	return warn(a.t("welcome.browse.not"), a.t("welcome.browse.door", "why", why, "door", a.exampleDoor()), buttons...)
}

// setupOutcome says honestly what works now.
func (a *App) setupOutcome(choice SetupChoice, r SetupResult) []fyne.CanvasObject {
	var out []fyne.CanvasObject
	if r.Browsing {
		out = append(out, good(a.t("prepare.works"), a.t("prepare.works.more")))
	} else {
		out = append(out, a.noBrowsing(a.sayEnglish(r.Why)))
	}
	switch {
	case choice.Trust && r.Trusted:
		out = append(out, good(a.t("prepare.trusted"), a.t("prepare.trusted.more")))
	case choice.Trust:
		out = append(out, warn(a.t("prepare.untrusted"), a.t("prepare.untrusted.more")))
	}
	return out
}

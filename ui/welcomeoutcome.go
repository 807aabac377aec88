package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// welcomeOutcome is the second half of the first start: online or not, browsing
// or the second door, and the choice of the certificate.
type welcomeOutcome struct {
	welcome  *welcome
	app      *App
	state    *fyne.Container
	browsing *fyne.Container
	trust    *fyne.Container
	leave    *button // not before it is known what came of it: it stands where "Agree and start" stood
	last     string  // the state that was drawn last
}

func newWelcomeOutcome(w *welcome) *welcomeOutcome {
	return &welcomeOutcome{welcome: w, app: w.app, state: container.NewVBox(), browsing: container.NewVBox(), trust: container.NewVBox()}
}

func (o *welcomeOutcome) view() fyne.CanvasObject {
	a := o.app
	o.showState()
	o.showTrust("")
	o.leave = primaryButton(a.t("welcome.continue"), nil, o.welcome.finish)
	o.leave.Disable()
	o.welcome.setFoot(o.leave)
	return pageBody(heading(a.t("welcome.ready")), o.state, o.browsing, o.trust)
}

// showState says how the node is doing.
func (o *welcomeOutcome) showState() {
	line, hint, color := o.app.stateLine()
	if line+hint == o.last {
		return
	}
	o.last = line + hint
	panel := plain(line, hint)
	switch color {
	case theme.ColorNameSuccess:
		panel = good(line, hint)
	case theme.ColorNameError:
		panel = warn(line, hint)
	}
	o.state.Objects = []fyne.CanvasObject{panel}
	o.state.Refresh()
}

// setUp makes .alt work in the browsers, as far as that goes.
func (o *welcomeOutcome) setUp() {
	a := o.app
	bar := widget.NewProgressBarInfinite()
	o.browsing.Objects = []fyne.CanvasObject{card(subheading(a.t("setup.doing")), bar)}
	o.browsing.Refresh()
	run(a, func(ctx context.Context) (SetupResult, error) {
		return a.desk.Setup(ctx, SetupChoice{Browsing: true}, func(SetupStep) {})
	}, func(r SetupResult, err error) {
		bar.Stop()
		a.setPrefs(func(p *Prefs) { p.Browsing = err == nil && r.Browsing })
		o.showBrowsing(r, err)
		o.leave.Enable()
	})
}

// showBrowsing tells what came of it: the honest reason and the second door
// where it did not work.
func (o *welcomeOutcome) showBrowsing(r SetupResult, err error) {
	a := o.app
	switch {
	case err == nil && r.Browsing:
		o.browsing.Objects = []fyne.CanvasObject{good(a.t("welcome.browse.ok"), a.t("welcome.browse.ok.text"))}
	default:
		why := a.sayEnglish(r.Why)
		if err != nil {
			why, _ = a.explain(err)
		}
		again := newButton(a.t("action.retry"), theme.ViewRefreshIcon(), o.setUp)
		o.browsing.Objects = []fyne.CanvasObject{a.noBrowsing(why, again)}
	}
	o.browsing.Refresh()
}

// showTrust offers the certificate, as a choice of its own.
func (o *welcomeOutcome) showTrust(outcome string) {
	a := o.app
	objects := []fyne.CanvasObject{subheading(a.t("trust.title")), prose(a.t("trust.text"))}
	switch outcome {
	case "":
		objects = append(objects, actions(newButton(a.t("trust.yes"), theme.ConfirmIcon(), o.setTrust),
			quietButton(a.t("trust.no"), nil, func() { o.showTrust("trust.declined") })))
	default:
		objects = append(objects, iconText(theme.InfoIcon(), a.t(outcome)))
	}
	o.trust.Objects = []fyne.CanvasObject{card(objects...)}
	o.trust.Refresh()
}

func (o *welcomeOutcome) setTrust() {
	a := o.app
	run(a, func(ctx context.Context) (SetupResult, error) {
		r, err := a.desk.Setup(ctx, SetupChoice{Browsing: true, Trust: true}, func(SetupStep) {})
		if err != nil || !r.Trusted {
			return r, err
		}
		s, err := a.ctl.Settings(ctx)
		if err != nil {
			return r, err
		}
		s.HTTPS = true
		return r, a.ctl.SetSettings(ctx, s)
	}, func(r SetupResult, err error) {
		switch {
		case err != nil:
			a.fail("error.trust", err)
		case r.Trusted:
			o.showTrust("trust.done")
		default:
			o.showTrust("trust.failed")
		}
	})
}

package ui

import (
	"cmp"
	"context"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// doctorPage sets browsing up, takes that back, and says what keeps it from
// working.
type doctorPage struct {
	app    *App
	setup  *fyne.Container
	state  *fyne.Container
	list   *fyne.Container
	again  *button
	checks []Check
	asked  int // examinations so far
}

func newDoctorPage(a *App) *doctorPage { return &doctorPage{app: a} }

func (p *doctorPage) content() fyne.CanvasObject {
	a := p.app
	p.setup, p.state, p.list = container.NewVBox(), container.NewVBox(), container.NewVBox()
	p.again = newButton(a.t("doctor.again"), theme.ViewRefreshIcon(), p.examine)
	return pageBody(heading(a.t("nav.doctor")), p.setup, spacer(4),
		row(subheading(a.t("doctor.checks")), p.again), p.state, p.list)
}

func (p *doctorPage) enter() {
	p.drawSetup()
	p.examine()
}

func (p *doctorPage) leave()              {}
func (p *doctorPage) apply(control.Event) {}

// drawSetup says how names get into the browser now.
func (p *doctorPage) drawSetup() {
	a := p.app
	start := primaryButton(a.t("doctor.setup"), theme.SettingsIcon(), func() { a.nav.open(newSetupPage(a)) })
	undo := newButton(a.t("doctor.undo"), theme.ContentUndoIcon(), p.undo)
	text, head := a.t("doctor.off.more", "example", a.exampleDoor()), a.t("doctor.off")
	buttons := []fyne.CanvasObject{start}
	if a.prefs.Browsing {
		head, text = a.t("doctor.on"), a.t("doctor.on.more")
		start.Importance = widget.MediumImportance
		start.SetText(a.t("doctor.setup.again"))
	}
	p.setup.Objects = []fyne.CanvasObject{card(subheading(head), note(text), actions(append(buttons, undo)...))}
	p.setup.Refresh()
}

// examine asks the desktop what is wrong.
func (p *doctorPage) examine() {
	a := p.app
	p.asked++
	asked := p.asked
	p.again.Disable()
	p.state.Objects = []fyne.CanvasObject{note(a.t("doctor.looking")), widget.NewProgressBarInfinite()}
	p.state.Refresh()
	run(a, a.desk.Doctor, func(checks []Check, err error) {
		if asked != p.asked {
			return
		}
		p.again.Enable()
		p.show(checks, err)
	})
}

func (p *doctorPage) show(checks []Check, err error) {
	a := p.app
	p.list.RemoveAll()
	if err != nil {
		p.state.Objects = []fyne.CanvasObject{a.problem(err)}
		p.state.Refresh()
		return
	}
	p.checks = slices.SortedStableFunc(slices.Values(checks), func(x, y Check) int { return cmp.Compare(urgency(x.State), urgency(y.State)) })
	p.state.Objects = []fyne.CanvasObject{p.summary()}
	p.state.Refresh()
	for _, c := range p.checks {
		p.list.Add(p.checkRow(c))
	}
}

// urgency orders checks: what is broken comes first.
func urgency(s CheckState) int {
	return slices.Index([]CheckState{CheckBroken, CheckWarning, CheckUnknown, CheckOK}, s)
}

func (p *doctorPage) summary() fyne.CanvasObject {
	a, wrong := p.app, 0
	for _, c := range p.checks {
		if c.State == CheckBroken || c.State == CheckWarning {
			wrong++
		}
	}
	if wrong == 0 {
		return good(a.t("doctor.fine"), "")
	}
	return warn(a.tn("doctor.wrong", wrong), "")
}

// checkRow is one thing that was looked at: how it is, what that means, what
// to do.
func (p *doctorPage) checkRow(c Check) fyne.CanvasObject {
	a := p.app
	name := a.say(c.Title)
	head := prose(a.t("doctor.state."+string(c.State), "what", name))
	head.TextStyle.Bold = true
	box := container.New(tightLayout{}, head)
	said := []Text{c.Found, c.Meaning, c.Remedy}
	if c.State == CheckOK {
		said = said[:1]
	}
	for _, t := range said {
		if text := a.sentence(t); text != "" {
			box.Add(note(text))
		}
	}
	content := container.NewVBox(box)
	if c.Fixable && c.State != CheckOK {
		content.Add(actions(p.fixButton(c, name)))
	}
	return container.NewStack(newSurface(colorCard, colorOutline, cardRadius),
		inset(8, container.NewBorder(nil, nil, sign(checkIcon(c.State)), nil, content)))
}

func checkIcon(s CheckState) fyne.Resource {
	switch s {
	case CheckOK:
		return theme.NewSuccessThemedResource(theme.ConfirmIcon())
	case CheckWarning:
		return theme.NewWarningThemedResource(theme.WarningIcon())
	case CheckBroken:
		return theme.NewErrorThemedResource(theme.ErrorIcon())
	}
	return theme.QuestionIcon()
}

// fixButton mends one thing and looks again.
func (p *doctorPage) fixButton(c Check, name string) *button {
	a := p.app
	text := a.t("doctor.fix")
	if c.Prompts {
		text = a.t("doctor.fix.prompts")
	}
	b := newButton(text, nil, nil)
	b.label = a.t("doctor.fix.name", "what", name)
	b.OnTapped = func() {
		b.Disable()
		a.act(func(ctx context.Context) error { return a.desk.Fix(ctx, c.ID) }, func(err error) {
			a.fail("error.fix", err)
			p.examine()
		})
	}
	return b
}

// undo takes back all that setup changed, after asking.
func (p *doctorPage) undo() {
	a := p.app
	a.ask(a.t("doctor.undo.title"), a.t("doctor.undo.text"), a.t("doctor.undo.yes"), true, func() {
		a.act(a.desk.UndoSetup, func(err error) {
			if err != nil {
				a.fail("error.undo", err)
			} else {
				a.setPrefs(func(prefs *Prefs) { prefs.Browsing = false })
			}
			p.drawSetup()
			p.examine()
		})
	})
}

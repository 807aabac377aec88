package ui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// welcome is the first start: what this is, what taking part means, one
// button, and what came of it.
type welcome struct {
	app      *App
	settings control.Settings
	loaded   bool // the settings came
	plan     *disclosure
	planned  *SetupPlan // what setting up would change; nil while it is not known
	disk     *choice
	month    *choice
	begin    *button
	trouble  *fyne.Container
	taking   *fyne.Container // what taking part means
	member   bool            // somebody else decided that
	stage    *fyne.Container // the first half, then the second
	foot     *fyne.Container
	outcome  *welcomeOutcome // nil before the button was pressed
	loading  bool
}

func newWelcome(a *App) *welcome {
	return &welcome{app: a, stage: container.NewStack(), foot: container.NewStack(), trouble: container.NewVBox(), taking: container.NewVBox()}
}

// Choices of the first start, in bytes; a node's own value joins them.
func diskChoices() []int64  { return []int64{1e9, 2e9, 5e9, 10e9, 20e9, 50e9, 100e9} }
func monthChoices() []int64 { return []int64{0, 5e9, 10e9, 50e9, 100e9, 500e9} }

func (w *welcome) view() fyne.CanvasObject {
	a := w.app
	w.plan = newDisclosure(a)
	w.disk = newChoice(diskChoices(), a.bytes)
	w.month = newChoice(monthChoices(), func(n int64) string {
		if n == 0 {
			return a.t("welcome.nolimit")
		}
		return a.bytes(n)
	})
	w.begin = primaryButton(a.t("welcome.begin"), nil, w.start)
	w.begin.Disable()
	w.stage.Objects = []fyne.CanvasObject{w.intro()}
	w.setFoot(w.begin)
	w.load()
	bar := container.NewStack(newSurface(colorSidebar, "", 0), w.foot)
	return container.NewBorder(nil, bar, nil, nil, w.stage)
}

func (w *welcome) setFoot(b *button) {
	w.foot.Objects = []fyne.CanvasObject{container.New(columnLayout{measure}, inset(10, container.NewBorder(nil, nil, nil, b, nil)))}
	w.foot.Refresh()
}

// intro says what this is and what taking part means.
func (w *welcome) intro() fyne.CanvasObject {
	a := w.app
	w.showTaking()
	return pageBody(
		heading(a.t("welcome.title")),
		prose(a.t("welcome.what")),
		w.trouble,
		card(subheading(a.t("welcome.peer")), w.taking),
		card(subheading(a.t("welcome.know")), iconText(theme.InfoIcon(), a.t("welcome.know.ip")), iconText(theme.InfoIcon(), a.t("welcome.know.copies"))),
		card(subheading(a.t("welcome.browse")), prose(a.t("welcome.browse.text")), w.plan.root),
	)
}

// showTaking says what taking part means: with limits for whoever decides them.
func (w *welcome) showTaking() {
	a := w.app
	w.member = a.member()
	if w.member {
		w.taking.Objects = []fyne.CanvasObject{prose(a.t("welcome.member"))}
	} else {
		w.taking.Objects = []fyne.CanvasObject{
			prose(a.t("welcome.peer.text")),
			row(prose(a.t("welcome.disk")), container.NewCenter(w.disk.sel)),
			row(prose(a.t("welcome.month")), container.NewCenter(w.month.sel)),
			note(a.t("welcome.peer.revoke")),
		}
	}
	w.taking.Refresh()
}

// load asks for the node's limits and for what setting up would change.
func (w *welcome) load() {
	a := w.app
	w.loading = true
	run(a, func(ctx context.Context) (control.Settings, error) { return a.ctl.Settings(ctx) },
		func(s control.Settings, err error) {
			w.loading = false
			w.trouble.RemoveAll()
			if err != nil {
				w.trouble.Add(a.problem(err, newButton(a.t("action.retry"), theme.ViewRefreshIcon(), w.load)))
				return
			}
			w.settings, w.loaded = s, true
			w.disk.set(s.DiskBudget)
			w.month.set(s.MonthLimit)
			w.begin.Enable()
		})
	run(a, func(ctx context.Context) (SetupPlan, error) {
		return a.desk.PlanSetup(ctx, SetupChoice{Browsing: true})
	},
		func(plan SetupPlan, err error) {
			if err != nil {
				w.plan.root.Hide()
				return
			}
			w.planned = &plan
			w.showPlan()
		})
}

// showPlan says what setting up would change.
func (w *welcome) showPlan() {
	if w.planned != nil {
		w.plan.set(w.app.t("welcome.plan"), "", w.app.planLines(*w.planned))
	}
}

// update shows how the node is doing, and asks again once it answers.
func (w *welcome) update() {
	if w.outcome != nil {
		w.outcome.showState()
		return
	}
	if w.member != w.app.member() {
		w.showTaking()
	}
	w.showPlan() // the node tells the port of the second door
	if !w.loaded && !w.loading && w.app.down == nil && w.app.known && w.begin != nil {
		w.load()
	}
}

// start is the one button: it agrees, goes online and sets up browsing.
func (w *welcome) start() {
	a, s := w.app, w.settings
	s.Accepted, s.DiskBudget, s.MonthLimit = time.Now().UTC(), w.disk.value(), w.month.value()
	if w.member {
		w.join()
		return
	}
	w.begin.Disable()
	a.act(func(ctx context.Context) error {
		if err := a.ctl.SetSettings(ctx, s); err != nil {
			return err
		}
		return a.ctl.SetOnline(ctx, true)
	}, func(err error) {
		if err != nil {
			w.begin.Enable()
			w.trouble.Objects = []fyne.CanvasObject{a.problem(err)}
			w.trouble.Refresh()
			return
		}
		a.agreed = true
		w.succeed()
	})
}

// join begins on a computer where somebody else decides: once that was done.
func (w *welcome) join() {
	if a := w.app; !a.status.Accepted {
		w.trouble.Objects = []fyne.CanvasObject{warn(a.t("welcome.member.early"), a.t("welcome.member.early.do"))}
		w.trouble.Refresh()
		return
	}
	w.succeed()
}

// succeed goes on to the second half.
func (w *welcome) succeed() {
	w.outcome = newWelcomeOutcome(w)
	w.stage.Objects = []fyne.CanvasObject{w.outcome.view()}
	w.stage.Refresh()
	w.outcome.setUp()
}

// finish ends the first start.
func (w *welcome) finish() {
	a := w.app
	a.setPrefs(func(p *Prefs) { p.Welcomed = true })
	if !a.prefs.Welcomed {
		return // it could not be saved, and was said
	}
	a.arrange()
	if folders := a.waiting; len(folders) > 0 {
		a.waiting = nil
		a.publish(folders)
	}
}

// choice is a select of amounts.
type choice struct {
	values []int64
	name   func(int64) string
	sel    *widget.Select
}

func newChoice(values []int64, name func(int64) string) *choice {
	c := &choice{values: values, name: name, sel: widget.NewSelect(nil, nil)} // always something is chosen
	c.draw()
	return c
}

func (c *choice) draw() {
	options := make([]string, len(c.values))
	for i, v := range c.values {
		options[i] = c.name(v)
	}
	c.sel.SetOptions(options)
}

// set chooses a value; one that is not among the choices joins them.
func (c *choice) set(value int64) {
	at := -1
	for i, v := range c.values {
		if c.name(v) == c.name(value) {
			at = i
		}
	}
	if at < 0 {
		c.values = append([]int64{value}, c.values...)
		at = 0
		c.draw()
	}
	c.values[at] = value
	c.sel.SetSelectedIndex(at)
}

func (c *choice) value() int64 {
	if i := c.sel.SelectedIndex(); i >= 0 {
		return c.values[i]
	}
	return c.values[0]
}

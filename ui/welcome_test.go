package ui

import (
	"errors"
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

func firstStart(c *fakeControl, d *fakeDesktop) {
	d.prefs = Prefs{Language: "en"}
	c.settings.Accepted, c.settings.DiskBudget = time.Time{}, 7e9
	c.status.Online, c.status.Accepted = false, false
}

// selects lists the choices in view.
func (w *opened) selects() []*widget.Select {
	var all []*widget.Select
	w.visible(func(o fyne.CanvasObject) bool {
		if s, ok := o.(*widget.Select); ok {
			all = append(all, s)
		}
		return true
	})
	return all
}

func TestFirstStart(t *testing.T) {
	dir := folder(t, "early", "index.html", "x")
	inWindow(t, firstStart, func(w *opened) {
		w.want("welcome.title", "welcome.what", "welcome.peer.text", "welcome.peer.revoke", "welcome.know.ip", "welcome.know.copies")
		choices := w.selects()
		if len(choices) != 2 || choices[0].Selected != "7.0 GB" || choices[1].Selected != w.App.t("welcome.nolimit") {
			t.Fatalf("%v", choices)
		}
		w.tap("welcome.plan")
		w.want("prepare.prompts.none")
		w.OpenSite("garden.alt") // not before the first start is through
		w.drop(dir)              // nor this, but it is kept
		w.want("publish.welcome.do")
		w.tap("action.close")
		if n := len(w.ctl.calls("SetOnline")) + len(w.ctl.calls("SetSettings")); n != 0 {
			t.Error("something was agreed to before the button was pressed")
		}
		choices[0].SetSelected("20 GB")
		choices[1].SetSelected("50 GB")
		w.tap("welcome.begin")
		if s := w.ctl.settings; s.DiskBudget != 20e9 || s.MonthLimit != 50e9 || s.Accepted.IsZero() || !s.Volunteer {
			t.Errorf("%+v", s)
		}
		if !slices.Equal(w.ctl.calls("SetOnline"), []string{"SetOnline true"}) {
			t.Errorf("%v", w.ctl.calls("SetOnline"))
		}
		w.want("welcome.ready", "Connected to 14 peers", "welcome.browse.ok", "trust.text")
		if !w.prefs.Browsing || !slices.Equal(w.desk.choices, []SetupChoice{{Browsing: true}}) {
			t.Errorf("set up %v", w.desk.choices)
		}
		w.tap("trust.no")
		w.want("trust.declined")
		if w.ctl.settings.HTTPS || len(w.desk.choices) != 1 {
			t.Error("the certificate was trusted all the same")
		}
		w.tap("welcome.continue")
		w.want("publish.title.one", dir)
		if !w.desk.prefs.Welcomed {
			t.Error("the first start comes again")
		}
	})
}

// Whoever shares a computer's service agrees to nothing in the name of all.
func TestFirstStartOfAMember(t *testing.T) {
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		firstStart(c, d)
		c.status.Host, c.status.Operator = control.HostService, false
		c.fail["SetSettings"], c.fail["SetOnline"] = control.ErrDenied, control.ErrDenied
	}, func(w *opened) {
		w.want("welcome.what", "welcome.member", "welcome.know.ip")
		w.wantNot("welcome.peer.text", "welcome.disk")
		w.tap("welcome.begin")
		w.want("welcome.member.early", "welcome.member.early.do")
		s := w.status
		s.Accepted, s.Online = true, true
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.tap("welcome.begin")
		w.want("welcome.ready", "Connected to 14 peers")
		w.tap("welcome.continue")
		w.want("home.add")
		if n := len(w.ctl.calls("SetSettings")) + len(w.ctl.calls("SetOnline")); n > 0 {
			t.Errorf("%d settings of everybody's were touched", n)
		}
	})
}

func TestFirstStartTellsWhyBrowsingFails(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fakeDesktop)
		want    string
	}{
		"in the way": {func(d *fakeDesktop) { d.result = SetupResult{Why: "A proxy is set already."} }, "A proxy is set already. Until then"},
		"declined":   {func(d *fakeDesktop) { d.fail["Setup"] = ErrRefused }, "cause.refused"},
		"no reason":  {func(d *fakeDesktop) { d.result = SetupResult{} }, "welcome.browse.unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, func(f *fakeControl, d *fakeDesktop) { firstStart(f, d); c.prepare(d) }, func(w *opened) {
				w.tap("welcome.begin")
				w.want("welcome.browse.not", c.want, "http://garden-alt.localhost:8080/")
				w.desk.result, w.desk.fail["Setup"] = SetupResult{Browsing: true}, nil
				w.tap("action.retry")
				w.want("welcome.browse.ok")
			})
		})
	}
}

// TestFirstStartIsNotClickedThrough: the second click of a double click on "Agree
// and start" does not leave the page with the choice of the certificate.
func TestFirstStartIsNotClickedThrough(t *testing.T) {
	inWindow(t, func(f *fakeControl, d *fakeDesktop) { firstStart(f, d); d.hold = make(chan struct{}) }, func(w *opened) {
		w.tap("welcome.begin")
		w.want("welcome.ready", "trust.text")
		if !w.welcome.outcome.leave.Disabled() {
			t.Error("it can be left before anything came of it")
		}
		close(w.desk.hold)
		w.settle()
		w.tap("welcome.continue")
		w.want("home.add")
	})
}

func TestFirstStartTrusts(t *testing.T) {
	inWindow(t, firstStart, func(w *opened) {
		w.tap("welcome.begin")
		w.desk.fail["Setup"] = errors.New("certutil is missing")
		w.tap("trust.yes")
		w.want("error.trust")
		w.tap("action.close")
		delete(w.desk.fail, "Setup")
		w.tap("trust.yes")
		w.want("trust.done")
		if !w.ctl.settings.HTTPS {
			t.Error("the node does not know")
		}
	})
}

func TestFirstStartWithoutAnEngine(t *testing.T) {
	inWindow(t, func(f *fakeControl, d *fakeDesktop) {
		firstStart(f, d)
		for _, m := range []string{"Events", "Settings"} {
			f.fail[m] = control.ErrNotRunning
		}
		d.fail["PlanSetup"] = errors.New("no")
	}, func(w *opened) {
		w.want("cause.stopped", "trouble.stopped")
		w.mustNotPress("welcome.begin")
		w.ctl.set(func(f *fakeControl) { clear(f.fail) })
		time.Sleep(retryMost)
		w.settle()
		w.wantNot("cause.stopped", "trouble.stopped")
		w.ctl.set(func(f *fakeControl) { f.fail["SetOnline"] = control.ErrFull })
		w.tap("welcome.begin")
		w.want("cause.full", "cause.full.do")
		w.ctl.set(func(f *fakeControl) { clear(f.fail) })
		w.tap("welcome.begin")
		w.want("welcome.ready")
	})
}

func TestFirstStartThatCannotBeKept(t *testing.T) {
	inWindow(t, firstStart, func(w *opened) {
		w.tap("welcome.begin")
		w.desk.fail["ChangePrefs"] = errors.New("read-only")
		w.tap("welcome.continue")
		w.want("error.prefs")
		w.tap("action.close")
		w.want("home.add") // this run goes on all the same
	})
}

func TestPlanInWords(t *testing.T) {
	inWindow(t, func(f *fakeControl, d *fakeDesktop) {
		firstStart(f, d)
		d.plan = SetupPlan{Prompts: 2, InWay: []Text{said("dnsmasq")}, Changes: []SetupChange{{ID: "no-such", Text: said("something new")}}}
	}, func(w *opened) {
		w.tap("welcome.plan")
		w.want("something new", "prepare.inway.better", "dnsmasq", "The system will ask for your password 2 times.")
	})
	inWindow(t, func(f *fakeControl, d *fakeDesktop) {
		firstStart(f, d)
		d.plan = SetupPlan{}
	}, func(w *opened) {
		w.tap("welcome.plan")
		w.want("prepare.nothing", "prepare.prompts.none")
	})
}

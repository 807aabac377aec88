package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"altnet/engine/control"
)

func TestDoctorSaysWhatIsWrongFirst(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.checks = []Check{
			{ID: "node", Title: said("node"), State: CheckOK, Found: said("running"), Meaning: said("never shown")},
			{ID: "odd", Title: said("odd"), State: CheckUnknown, Found: said("no answer")},
			{ID: "clock", Title: said("clock"), State: CheckWarning, Found: said("two minutes slow"), Meaning: said("records look old"), Remedy: said("Set it.")},
			{ID: "trust", Title: said("trust"), State: CheckBroken, Found: said("not trusted"), Meaning: said("https warns"), Remedy: said("Add it."), Fixable: true, Prompts: true},
		}
	}, func(w *opened) {
		w.tap("nav.doctor")
		w.want("2 things need attention", "records look old", "Set it.", "https warns", "Add it.", "running", "no answer")
		w.wantNot("never shown")
		all := w.strings()
		at := func(part string) int {
			return slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, part) })
		}
		if at("does not work") > at("could be better") || at("could be better") > at("could not be checked") || at("could not be checked") > at(" – fine") {
			t.Errorf("in the wrong order: %q", all)
		}
		w.desk.checks = []Check{{ID: "trust", Title: said("trust"), State: CheckOK}}
		for _, s := range all {
			if strings.HasPrefix(s, "Fix: ") {
				w.tap(s)
			}
		}
		if !slices.Equal(w.desk.fixed, []string{"trust"}) {
			t.Errorf("fixed: %q", w.desk.fixed)
		}
		w.want("doctor.fine")
	})
}

func TestDoctorErrors(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.checks = []Check{{ID: "pac", Title: said("pac"), State: CheckBroken, Fixable: true}}
		d.fail["Fix"] = fmt.Errorf("pkexec: %w", ErrRefused)
		d.fail["UndoSetup"] = control.ErrDenied
	}, func(w *opened) {
		w.tap("nav.doctor")
		w.want("1 thing needs attention")
		for _, s := range w.strings() {
			if strings.HasPrefix(s, "Fix: ") {
				w.tap(s)
			}
		}
		w.want("error.fix", "cause.refused")
		w.tap("action.close")
		w.tap("doctor.undo")
		w.want("doctor.undo.text")
		w.tap("doctor.undo.yes")
		w.want("error.undo", "cause.denied")
		w.tap("action.close")
		w.desk.fail["Doctor"] = errors.New("odd")
		w.tap("doctor.again")
		w.want("cause.other")
	})
}

func TestBrowsingIsSetUpAndUndone(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) { d.plan.Prompts = 2 }, func(w *opened) {
		w.tap("nav.doctor")
		w.want("doctor.off", "http://garden-alt.localhost:8080/")
		w.tap("doctor.setup")
		w.want("prepare.lead", "2 times", "prepare.trust.more")
		w.wantNot("certificate" + "\x00")
		w.tap("prepare.do")
		w.want("prepare.works")
		w.wantNot("prepare.trusted")
		if !slices.Equal(w.desk.choices, []SetupChoice{{Browsing: true}}) {
			t.Errorf("choices: %+v", w.desk.choices)
		}
		w.tap("action.done")
		w.want("doctor.on", "doctor.setup.again")
		if !w.desk.prefs.Browsing {
			t.Error("the window does not remember that names work")
		}
		w.tap("doctor.undo")
		w.tap("doctor.undo.yes")
		w.want("doctor.off")
		if w.desk.prefs.Browsing || !w.desk.has("UndoSetup") {
			t.Error("undo did not reach the desktop")
		}
	})
}

func TestCertificateIsAChoiceOfItsOwn(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.plan.Changes = append(d.plan.Changes, SetupChange{ID: "of tomorrow", Text: said("something in English"), Elevated: true})
	}, func(w *opened) {
		w.nav.open(newSetupPage(w.App))
		w.settle()
		w.want("something in English", "prepare.elevated", "prepare.prompts.none")
		w.tap("prepare.trust")
		w.tap("prepare.do")
		w.want("prepare.trusted")
		if !slices.Equal(w.desk.choices, []SetupChoice{{Browsing: true, Trust: true}}) {
			t.Errorf("choices: %+v", w.desk.choices)
		}
	})
}

func TestSetupThatDoesNotWork(t *testing.T) {
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) {
		d.plan = SetupPlan{InWay: []Text{said("A proxy of your employer's is set.")}}
		d.result = SetupResult{Why: "the resolver refuses .alt"}
	}, func(w *opened) {
		w.nav.open(newSetupPage(w.App))
		w.settle()
		w.want("prepare.hopeless", "prepare.inway", "A proxy of your employer's is set.")
		w.mustNotPress("prepare.do")
		w.nav.back()
		w.desk.plan.Changes = []SetupChange{{ID: "pac", Text: said("something in English")}}
		w.nav.open(newSetupPage(w.App))
		w.settle()
		w.want("something in English", "prepare.inway.better", "A proxy of your employer's is set.")
		w.tap("prepare.do")
		w.want("welcome.browse.not", "The resolver refuses .alt.", "http://garden-alt.localhost:8080/")
		w.nav.back()
		w.desk.fail["PlanSetup"] = errors.New("odd")
		w.nav.open(newSetupPage(w.App))
		w.settle()
		w.want("cause.other")
		delete(w.desk.fail, "PlanSetup")
		w.tap("action.retry")
		w.desk.fail["Setup"] = ErrRefused
		w.tap("prepare.do")
		w.want("cause.refused")
	})
}

func TestStepsOfSetupAreTold(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		change := SetupChange{ID: "of tomorrow", Text: said("the thing")}
		for want, step := range map[string]SetupStep{
			"the thing…":      {Change: change},
			"the thing: done": {Change: change, Done: true},
			"did not work":    {Change: change, Err: ErrRefused},
		} {
			if got := w.stepText(step); !strings.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
	})
}

func TestUntrustedCertificateIsSaid(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.nav.open(&shown{w.setupOutcome(SetupChoice{Browsing: true, Trust: true}, SetupResult{Browsing: true})})
		w.settle()
		w.want("prepare.works", "prepare.untrusted")
	})
}

// shown is a page of what a test made.
type shown struct{ objects []fyne.CanvasObject }

func (p *shown) content() fyne.CanvasObject { return pageBody(p.objects...) }
func (p *shown) enter()                     {}
func (p *shown) leave()                     {}
func (p *shown) apply(control.Event)        {}

// said is a text that no catalogue has.
func said(english string) Text { return Text{English: english} }

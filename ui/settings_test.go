package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// choose picks an option of a radio group or a select in view.
func (w *opened) choose(keyOrText string) {
	w.t.Helper()
	text := w.t0(keyOrText)
	var pick func()
	w.visible(func(o fyne.CanvasObject) bool {
		switch o := o.(type) {
		case *widget.RadioGroup:
			for _, option := range o.Options {
				if option == text {
					pick = func() { o.SetSelected(text) }
				}
			}
		case *widget.Select:
			for _, option := range o.Options {
				if option == text && pick == nil {
					pick = func() { o.SetSelected(text) }
				}
			}
		}
		return true
	})
	if pick == nil {
		w.t.Fatalf("nothing offers %q", text)
	}
	pick()
	w.settle()
}

func inSettings(t *testing.T, prepare func(*fakeControl, *fakeDesktop), body func(w *opened)) {
	t.Helper()
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		c.status.Data = "/home/ada/altnet"
		c.settings = control.Settings{DiskBudget: 10_000_000_001, UpLimit: 2_500_000, Volunteer: true, Share: control.ShareNever}
		if prepare != nil {
			prepare(c, d)
		}
	}, func(w *opened) {
		w.tap("nav.settings")
		body(w)
	})
}

func TestLimitsAreSavedTogether(t *testing.T) {
	inSettings(t, nil, func(w *opened) {
		if up := w.entry(1).Text; up != "2.5" {
			t.Errorf("sending: %q", up)
		}
		w.write(1, "")
		w.write(3, "100,5")
		if w.ctl.settings.MonthLimit != 0 {
			t.Error("in force before it is saved")
		}
		w.tap("settings.save")
		want := control.Settings{DiskBudget: 10_000_000_001, MonthLimit: 100_500_000_000, Volunteer: true, Share: control.ShareNever}
		if w.ctl.settings != want {
			t.Errorf("%+v, want %+v", w.ctl.settings, want)
		}
		w.want("settings.saved")
	})
}

func TestLimitsThatCannotBe(t *testing.T) {
	inSettings(t, nil, func(w *opened) {
		for n, bad := range map[int]string{0: "", 1: "fast", 2: "0.000001", 3: "-4"} {
			before := w.entry(n).Text
			w.write(n, bad)
			w.want("a number is needed")
			w.entry(n).OnSubmitted(bad)
			w.settle()
			w.write(n, before)
			w.wantNot("a number is needed")
		}
		w.write(0, "1e300")
		w.want("a number is needed")
		if got := w.ctl.calls("SetSettings"); len(got) != 0 {
			t.Errorf("calls: %q", got)
		}
		w.write(0, "20")
		w.ctl.set(func(f *fakeControl) { f.fail["SetSettings"] = control.ErrFull })
		w.tap("settings.save")
		w.want("error.settings", "cause.full")
	})
}

func TestSwitchesAreInForceAtOnce(t *testing.T) {
	inSettings(t, nil, func(w *opened) {
		w.tap("settings.volunteer")
		w.tap("settings.battery")
		w.tap("settings.metered")
		w.choose("settings.share.visiting")
		want := control.Settings{DiskBudget: 10_000_000_001, UpLimit: 2_500_000, PauseOnBattery: true, PauseOnMetered: true, Share: control.ShareVisiting}
		if w.ctl.settings != want {
			t.Errorf("%+v, want %+v", w.ctl.settings, want)
		}
		w.ctl.set(func(f *fakeControl) { f.fail["SetSettings"] = control.ErrDenied })
		w.tap("settings.battery")
		w.want("error.settings", "cause.denied")
		w.tap("action.close")
		w.choose("settings.share.always")
		w.want("error.settings")
		w.tap("action.close")
		w.visible(func(o fyne.CanvasObject) bool {
			if box, ok := o.(*widget.Check); ok && box.Text == w.App.t("settings.battery") && !box.Checked {
				t.Error("the box shows what is not so")
			}
			if g, ok := o.(*widget.RadioGroup); ok && g.Selected != w.App.t("settings.share.visiting") {
				t.Errorf("the choice shows %q", g.Selected)
			}
			return true
		})
	})
}

func TestSettingsWithoutANode(t *testing.T) {
	inSettings(t, func(c *fakeControl, _ *fakeDesktop) { c.fail["Settings"] = control.ErrNotRunning }, func(w *opened) {
		w.want("cause.stopped", "settings.language") // the window's own go on
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "Settings") })
		w.tap("action.retry")
		w.want("settings.limits")
	})
}

func TestLanguageAndThemeChangeAtOnce(t *testing.T) {
	inSettings(t, nil, func(w *opened) {
		w.choose("settings.language.de")
		w.want("Einstellungen", "Deutsch")
		w.choose("Dunkel")
		if p := w.desk.prefs; p.Language != "de" || p.Theme != "dark" {
			t.Errorf("%+v", p)
		}
		w.want("Einstellungen")
		w.choose("English")
		w.want("Settings")
	})
}

func TestStartAtLogin(t *testing.T) {
	inSettings(t, func(_ *fakeControl, d *fakeDesktop) { d.auto = true }, func(w *opened) {
		w.tap("settings.autostart")
		if w.desk.auto {
			t.Error("still starts at login")
		}
		w.desk.fail["SetAutostart"] = errors.New("read-only")
		w.tap("settings.autostart")
		w.want("error.autostart")
	})
	inSettings(t, func(_ *fakeControl, d *fakeDesktop) { d.fail["Autostart"] = errors.New("no such thing") }, func(w *opened) {
		w.visible(func(o fyne.CanvasObject) bool {
			if box, ok := o.(*widget.Check); ok && box.Text == w.App.t("settings.autostart") && !box.Disabled() {
				t.Error("can be pressed though nothing is known")
			}
			return true
		})
	})
}

func TestDataIsMoved(t *testing.T) {
	inSettings(t, func(_ *fakeControl, d *fakeDesktop) { d.picked = "/mnt/big" }, func(w *opened) {
		w.want("/home/ada/altnet")
		w.tap("action.folder")
		if len(w.desk.shown) != 1 || w.desk.shown[0] != "/home/ada/altnet" {
			t.Errorf("shown: %q", w.desk.shown)
		}
		w.tap("settings.data.move")
		w.want("move.lead", "From: /home/ada/altnet\nTo: /mnt/big")
		w.desk.fail["MoveData /mnt/big"] = fmt.Errorf("copy: %w", control.ErrFull)
		w.tap("move.do")
		w.want("cause.full")
		delete(w.desk.fail, "MoveData /mnt/big")
		w.tap("move.do")
		w.want("move.done", "/mnt/big")
		w.tap("action.done")
		w.want("nav.settings")
	})
}

func TestAdvanced(t *testing.T) {
	inSettings(t, func(c *fakeControl, _ *fakeDesktop) {
		c.status.Doors.CA, c.status.Host = "/ca/ca.pem", control.HostService
	}, func(w *opened) {
		w.tap("settings.advanced")
		w.want("altnet", "127.0.0.1:8080", "http://127.0.0.1:8080/proxy.pac", "/ca/ca.pem", "advanced.host.service", "advanced.none", strings.Repeat("a", 64))
		w.tap("Copy: " + w.App.t("advanced.pac"))
		if got := w.fyne.Clipboard().Content(); got != "http://127.0.0.1:8080/proxy.pac" {
			t.Errorf("copied %q", got)
		}
		w.tap("advanced.join.do") // nothing typed
		w.write(0, " friend.example:9000 ")
		w.tap("advanced.join.do")
		w.want("advanced.join.done")
		if got := w.ctl.calls("Connect"); len(got) != 1 || got[0] != "Connect friend.example:9000" {
			t.Errorf("calls: %q", got)
		}
		w.ctl.set(func(f *fakeControl) { f.fail["Connect"] = fmt.Errorf("no port: %w", control.ErrInvalid) })
		w.entry(0).OnSubmitted("")
		w.settle()
		w.want("advanced.join.bad", "advanced.join.bad.do")
		w.ctl.set(func(f *fakeControl) { f.fail["Connect"] = control.ErrUnreachable })
		w.entry(0).OnSubmitted("")
		w.settle()
		w.want("cause.unreachable", "cause.unreachable.do")
		s := w.status
		s.Network, s.Host = "club", "of tomorrow"
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.want("club")
	})
}

func TestQuit(t *testing.T) {
	inSettings(t, nil, func(w *opened) {
		w.desk.fail["Quit"] = errors.New("nobody answers")
		w.tap("settings.quit")
		w.want("settings.quit.text")
		w.tap("action.cancel")
		if w.desk.has("Quit") {
			t.Error("ended without a yes")
		}
		w.tap("settings.quit")
		w.tap("settings.quit.do")
		w.want("error.quit")
	})
	inSettings(t, func(c *fakeControl, _ *fakeDesktop) { c.status.Host = control.HostService }, func(w *opened) {
		w.tap("settings.quit")
		w.want("settings.quit.service")
		w.tap("settings.quit.do")
		if !w.desk.has("Quit") {
			t.Error("did not end")
		}
	})
}

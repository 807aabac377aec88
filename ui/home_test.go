package ui

import (
	"errors"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"altnet/engine/control"
)

func TestStateInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*control.Status)
		want   []string
	}{
		"relay":       {func(*control.Status) {}, []string{"Connected to 14 peers, reachable through a relay"}},
		"direct":      {func(s *control.Status) { s.Peers, s.Reach = 1, control.ReachDirect }, []string{"Connected to 1 peer, reachable directly"}},
		"unreachable": {func(s *control.Status) { s.Reach = control.ReachNone }, []string{"Connected to 14 peers", "reach.none"}},
		"unknown":     {func(s *control.Status) { s.Reach = control.ReachUnknown }, []string{"Connected to 14 peers"}},
		"offline":     {func(s *control.Status) { s.Online = false }, []string{"state.offline", "state.offline.note"}},
		"alone":       {func(s *control.Status) { s.Peers = 0 }, []string{"state.searching", "state.searching.note"}},
		"battery":     {func(s *control.Status) { s.Paused = &control.Paused{Reason: control.PauseBattery} }, []string{"state.paused.battery"}},
		"metered":     {func(s *control.Status) { s.Paused = &control.Paused{Reason: control.PauseMetered} }, []string{"state.paused.metered"}},
		"month":       {func(s *control.Status) { s.Paused = &control.Paused{Reason: control.PauseMonth} }, []string{"state.paused.month"}},
		"paused":      {func(s *control.Status) { s.Paused = &control.Paused{Reason: control.PauseUser} }, []string{"state.paused", "home.resume"}},
		"until": {func(s *control.Status) {
			s.Paused = &control.Paused{Reason: control.PauseUser, Until: time.Date(2026, 1, 1, 15, 4, 0, 0, time.Local)}
		}, []string{"Paused until 15:04", "home.resume"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, func(f *fakeControl, _ *fakeDesktop) { c.change(&f.status) }, func(w *opened) { w.want(c.want...) })
		})
	}
}

// press presses the n-th switch in view.
func (w *opened) press(n int) *toggle {
	w.t.Helper()
	var all []*toggle
	w.visible(func(o fyne.CanvasObject) bool {
		if t, ok := o.(*toggle); ok {
			all = append(all, t)
		}
		return true
	})
	if n >= len(all) {
		w.t.Fatalf("%d switches are in view", len(all))
	}
	all[n].FocusGained()
	all[n].TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	all[n].TypedRune('x')
	all[n].TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape}) // the window's, on its first page nobody's
	all[n].FocusLost()
	w.settle()
	return all[n]
}

func TestOnlineSwitch(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		s := w.press(0)
		w.want("state.offline")
		if s.AccessibilityLabel() != "Online: off" || len(w.ctl.calls("SetOnline")) != 1 {
			t.Errorf("%s, %v", s.AccessibilityLabel(), w.ctl.calls("SetOnline"))
		}
		w.ctl.set(func(f *fakeControl) { f.fail["SetOnline"] = control.ErrNotRunning })
		w.press(0)
		w.want("error.online", "cause.stopped", "cause.stopped.do")
		w.tap("action.close")
		if s.on {
			t.Error("the switch says online, the node is not")
		}
	})
}

func TestSwitchRestsWithoutAnEngine(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.fail["Events"] = control.ErrNotRunning }, func(w *opened) {
		if s := w.press(0); !s.Disabled() || len(w.ctl.calls("SetOnline")) != 0 {
			t.Error("a switch without an engine does something")
		}
	})
}

// Whoever is alone is led to the page that joins through an address.
func TestJoin(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.status.Peers = 0 }, func(w *opened) {
		w.tap("home.join")
		w.want("advanced.join")
		w.nav.back()
		s := w.status
		s.Peers = 1
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.wantNot("home.join")
	})
}

func TestResume(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.status.Paused = &control.Paused{Reason: control.PauseUser} }, func(w *opened) {
		w.tap("home.resume")
		if calls := w.ctl.calls("Pause"); len(calls) != 1 || calls[0] != "Pause end" {
			t.Errorf("%v", calls)
		}
	})
}

func TestListOfSites(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) {
		f.sites = []control.Site{
			{Name: "garden.alt", Own: true, Copies: 4, Published: time.Now().Add(-49 * time.Hour)},
			{Name: "xn--bcher-kva.alt", Own: true, Copies: 1, Sleeps: true, Published: time.Now()},
			{Name: "gone.alt", Own: true, Withdrawn: true},
			{Name: "new.alt", Own: true, Sleeps: true},
			{Name: "read.alt", Pinned: true}, // somebody else's
		}
	}, func(w *opened) {
		w.want("garden.alt", "5 copies · published 2 days ago", "bücher.alt", "xn--bcher-kva.alt",
			"2 copies · goes offline when this computer sleeps", "site.withdrawn", "site.unconfirmed")
		w.wantNot("read.alt", "home.none")
		w.tap("garden.alt")
		w.want("action.copy")
		w.nav.back()
		w.settle()
		w.ctl.set(func(f *fakeControl) { f.sites = nil })
		w.tell(control.Event{Kind: control.EventSite, Site: &control.Site{Name: "garden.alt"}})
		w.want("home.none")
		w.ctl.set(func(f *fakeControl) { f.fail["Sites"] = control.ErrClosed })
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &control.Receipt{}})
		w.want("home.none") // what is known stays
	})
}

func TestWatchedFolderChanged(t *testing.T) {
	dir := folder(t, "site", "index.html", "one")
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.receipt = confirmed(2) }, func(w *opened) {
		s := w.published(dir)
		w.tap("action.done")
		name := s.Bare() + suffix
		w.ctl.set(func(f *fakeControl) { f.sites = []control.Site{{Name: name, Address: name, Own: true, Copies: 2}} })
		w.tell(control.Event{Kind: control.EventSite, Site: &control.Site{Name: name}})
		w.wantNot("home.changed")
		put(t, dir, "index.html", "other")
		w.desk.changed <- []string{dir}
		w.settle()
		w.tap("home.changed")
		w.want("publish.title.update", "1 changed (5 bytes)")
		w.tap("publish.go.update.one")
		w.want("result.published")
		w.tap("action.done")
		w.wantNot("home.changed")
	})
}

func TestAddFolder(t *testing.T) {
	dir := folder(t, "site", "index.html", "x")
	inWindow(t, func(_ *fakeControl, d *fakeDesktop) { d.picked = dir }, func(w *opened) {
		w.tap("home.add")
		w.want("publish.title.one", dir)
		w.nav.back()
		w.desk.fail["PickFolder"] = ErrRefused
		w.tap("home.add")
		w.want("home.drop")
		w.desk.fail["PickFolder"] = errors.New("the portal is gone")
		w.tap("home.add")
		w.want("error.pick", "cause.other")
		w.tap("action.close")
		w.desk.fail["PickFolder"] = ErrNoPicker
		w.tap("home.add")
		if n := len(w.win.Canvas().Overlays().List()); n != 1 {
			t.Errorf("%d dialogs, want the window's own picker", n)
		}
	})
}

func TestSecondDoor(t *testing.T) {
	inWindow(t, func(f *fakeControl, d *fakeDesktop) {
		d.prefs.Browsing = true
		f.sites = []control.Site{{Name: "garden.alt", Own: true, Copies: 4}}
	}, func(w *opened) {
		w.tap("action.open")
		w.ctl.set(func(f *fakeControl) { f.status.Doors = control.Doors{} })
		w.prefs.Browsing = false
		s, _ := w.ctl.Status(t.Context())
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.tap("action.open")
		for _, url := range w.desk.opened {
			if url != "http://garden.alt/" {
				t.Errorf("opened %s", url)
			}
		}
		if len(w.desk.opened) != 2 {
			t.Errorf("opened %v", w.desk.opened)
		}
		w.desk.fail["OpenURL"] = errors.New("no browser")
		w.tap("action.open")
		w.want("error.browser")
	})
}

func TestKeyboard(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) {
		f.sites = []control.Site{{Name: "garden.alt", Own: true, Copies: 4}}
	}, func(w *opened) {
		var row *tappable
		w.visible(func(o fyne.CanvasObject) bool {
			if t, ok := o.(*tappable); ok && t.label == "garden.alt" {
				row = t
			}
			return true
		})
		row.FocusGained()
		if !row.ring.Visible() {
			t.Error("the focus is not seen")
		}
		row.TypedRune('x')
		row.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
		row.FocusLost()
		w.settle()
		w.want("action.copy")
		w.win.Canvas().OnTypedKey()(&fyne.KeyEvent{Name: fyne.KeyEscape})
		w.settle()
		w.want("home.add")
	})
}

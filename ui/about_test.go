package ui

import (
	"strings"
	"testing"
	"time"

	"altnet/engine/control"
)

func TestAbout(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.status.Version = "0.9" }, func(w *opened) {
		w.tap("nav.about")
		w.want("about.what", "Version 1.0", "The node that is running has version 0.9", "about.licence.more")
		s := w.status
		s.Version = "1.0"
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.wantNot("The node that is running")
		w.tap("about.licence.show")
		if got := lineOf(w.listIn(), 0); !strings.Contains(got, "GNU GENERAL PUBLIC LICENSE") {
			t.Errorf("the licence begins %q", got)
		}
		w.nav.back()
		w.tap("about.libraries.show")
		w.want("about.libraries.more")
		l, found := w.listIn(), false
		for i := range l.Length() {
			if strings.Contains(lineOf(l, i), "fyne.io/fyne/v2 | BSD-3-Clause") {
				found = true
				l.Select(i)
			}
		}
		w.settle()
		if !found {
			t.Fatal("Fyne is not among the libraries")
		}
		w.want("fyne.io/fyne/v2")
		if got := lineOf(w.listIn(), 0); got == "" {
			t.Error("the library's licence is empty")
		}
	})
}

func TestLogIsShownAndCopied(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.person.logs = []control.LogLine{
			{Time: time.Unix(1e9, 0), Level: "INFO", Text: "joined peers=3"},
			{Time: time.Unix(1e9+60, 0), Level: "WARN", Text: "two\nlines"},
		}
	}, func(w *opened) {
		w.tap("nav.about")
		w.tap("about.logs.show")
		w.want("2 lines", "logs.lead")
		l := w.listIn()
		if got := lineOf(l, 1); !strings.Contains(got, "WARN | two lines") {
			t.Errorf("line: %q", got)
		}
		lineOf(l, 99)
		w.tap("logs.copy")
		want := "AltNet 1.0, node 1.0\n2001-09-09T01:46:40Z INFO joined peers=3\n2001-09-09T01:47:40Z WARN two\nlines\n"
		if got := w.fyne.Clipboard().Content(); got != want {
			t.Errorf("copied %q, want %q", got, want)
		}
		l.Select(0)
		w.settle()
		w.want("joined peers=3")
	})
}

func TestLogErrors(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.fail["Logs"] = control.ErrDenied }, func(w *opened) {
		w.nav.open(newLogsPage(w.App))
		w.settle()
		w.want("cause.denied")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "Logs") })
		w.tap("action.reload")
		w.want("logs.none")
	})
}

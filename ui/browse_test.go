package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"altnet/engine/control"
)

// browsing opens the Browse page on a node that knows some sites.
func browsing(t *testing.T, prepare func(*fakeControl, *fakeDesktop), body func(w *opened)) {
	t.Helper()
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		c.person.visited = []control.Visited{
			{Name: "garden.alt", Title: "Ada's garden", Address: "k1", Root: "r1", Last: time.Now().Add(-time.Hour)},
			{Name: "xn--bcher-kva.alt", Address: "k2", Root: "r2", Last: time.Now().Add(-50 * time.Hour)},
		}
		c.sites = []control.Site{{Name: "cookbook.alt", Address: "k3", Size: 84_000_000, Pinned: true}, {Name: "mine.alt", Own: true, Pinned: true}}
		c.resolve["garden"] = resolved{res: control.Resolution{Name: "garden.alt", Address: "k1", Owner: "0wner", Root: "r1", Seq: 7, Size: 12_000_000, Issued: time.Now()}}
		if prepare != nil {
			prepare(c, d)
		}
	}, func(w *opened) {
		w.tap("nav.browse")
		body(w)
	})
}

func TestPinnedSiteHasItsTitle(t *testing.T) {
	browsing(t, func(c *fakeControl, _ *fakeDesktop) {
		c.person.visited = append(c.person.visited[:0], control.Visited{Name: "cookbook.alt", Title: "What we eat"})
	}, func(w *opened) {
		n := 0
		for _, s := range w.strings() {
			if s == "What we eat" {
				n++
			}
		}
		if n != 2 { // kept alive, and visited
			t.Errorf("the title stands %d times: %q", n, w.strings())
		}
	})
}

func TestBrowseListsVisitedAndPinned(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.want("browse.pinned", "cookbook.alt · 84 MB kept here", "browse.visited", "Ada's garden", "bücher.alt", "xn--bcher-kva.alt")
		w.wantNot("mine.alt")
		w.tap("Open garden.alt")
		if len(w.desk.opened) != 1 || w.desk.opened[0] != "http://garden-alt.localhost:8080/" {
			t.Errorf("opened %q", w.desk.opened)
		}
	})
}

func TestBrowseOpensByNameWhereThatWorks(t *testing.T) {
	browsing(t, func(_ *fakeControl, d *fakeDesktop) { d.prefs.Browsing = true }, func(w *opened) {
		w.write(0, "HTTP://Garden.alt/flowers?page=2")
		w.entry(0).OnSubmitted(w.entry(0).Text)
		w.settle()
		w.want("garden.alt opens in your browser", "12 MB")
		if !slices.Contains(w.desk.opened, "http://garden.alt/flowers?page=2") {
			t.Errorf("opened %q", w.desk.opened)
		}
	})
}

func TestBrowserThatCannotBeOpened(t *testing.T) {
	browsing(t, func(_ *fakeControl, d *fakeDesktop) { d.fail["OpenURL"] = errors.New("no browser") }, func(w *opened) {
		w.write(0, "garden")
		w.tap("browse.open")
		w.want("error.browser")
	})
}

func TestTypedAddress(t *testing.T) {
	for typed, want := range map[string]string{
		"garden":                                "garden.alt ",
		" Garden.alt ":                          "garden.alt ",
		"http://garden.alt/a/b#c":               "garden.alt a/b#c",
		"https://www.garden.alt:443/?q":         "www.garden.alt ?q",
		"http://garden-alt.localhost:8080/x":    "garden.alt x",
		"alt://garden.alt.":                     "garden.alt ",
		"bücher":                                "xn--bcher-kva.alt ",
		"":                                      "!",
		"example.com":                           "!",
		"http://example.com/garden.alt":         "!",
		"two words":                             "!",
		"me@garden.alt":                         "!",
		"-garden":                               "!",
		strings.Repeat("long", 30) + ".alt":     "!",
		"http://garden.alt.evil.example/garden": "!",
		"javascript:alert(1)":                   "!",
		"http://127.0.0.1:8080/":                "!",
		"http://preview.localhost:8080/elsewhere": "!",
	} {
		d, rest, err := typedAddress(typed)
		got := d.host + " " + rest
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestWrongAddresses(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.write(0, "example.com")
		w.tap("browse.open")
		w.want("browse.notalt", "browse.notalt.do")
		w.write(0, "-garden")
		w.tap("browse.open")
		w.want("cause.badname")
		w.write(0, "nobody")
		w.tap("browse.open")
		w.want("cause.unknown", "action.retry")
		w.wantNot("browse.notalt")
		if len(w.desk.opened) != 0 {
			t.Errorf("opened %q", w.desk.opened)
		}
	})
}

func TestEveryAnswerToAnAddress(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{control.ErrWithdrawn, "cause.withdrawn"}, {control.ErrExpired, "cause.expired"}, {control.ErrBlocked, "cause.blocked"},
		{control.ErrOffline, "cause.nopeers"}, {control.ErrClock, "cause.clock"}, {control.ErrNotRunning, "cause.stopped"},
		{control.ErrUnreachable, "cause.unreachable"}, {errors.New("odd"), "cause.other"},
	} {
		browsing(t, nil, func(w *opened) {
			w.ctl.set(func(f *fakeControl) { f.resolve["garden"] = resolved{err: fmt.Errorf("resolve: %w", c.err)} })
			w.write(0, "garden")
			w.tap("browse.open")
			w.want(c.want, c.want+".do")
		})
	}
}

func TestOlderAnswerIsDropped(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		hold := make(chan struct{})
		w.ctl.set(func(f *fakeControl) { f.hold["Resolve"] = hold })
		w.write(0, "nobody")
		w.tap("browse.open")
		w.want("Looking for nobody.alt")
		w.write(0, "garden")
		w.tap("browse.open")
		close(hold)
		w.settle()
		w.want("garden.alt opens in your browser")
		w.wantNot("cause.unknown")
	})
}

func TestNameThatDeceives(t *testing.T) {
	for warning, key := range map[string]string{
		"mixes letters of different scripts":              "browse.deceives.mixed",
		"is written in letters that look like Latin ones": "browse.deceives.alike",
		"something new": "browse.deceives.other",
	} {
		browsing(t, func(c *fakeControl, _ *fakeDesktop) {
			c.resolve["xn--pypal-4ve"] = resolved{res: control.Resolution{Name: "xn--pypal-4ve.alt", Warning: warning}}
		}, func(w *opened) {
			w.write(0, "xn--pypal-4ve")
			w.tap("browse.open")
			w.want("browse.deceives", key, "xn--pypal-4ve.alt")
			if len(w.desk.opened) != 0 {
				t.Fatalf("opened %q without asking", w.desk.opened)
			}
			w.tap("browse.leave")
			w.wantNot("browse.deceives")
			w.tap("browse.open")
			w.tap("browse.anyway")
			if len(w.desk.opened) != 1 {
				t.Errorf("opened %q", w.desk.opened)
			}
		})
	}
}

func TestOwnerChanged(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.ctl.set(func(f *fakeControl) { f.resolve["garden"] = resolved{err: control.ErrOwnerChanged} })
		w.write(0, "garden")
		w.tap("browse.open")
		w.want("belongs to somebody else", "browse.owner.more")
		w.tap("browse.leave")
		w.tap("browse.open")
		w.ctl.set(func(f *fakeControl) { f.fail["Accept"] = control.ErrOffline })
		w.tap("browse.owner.trust")
		w.want("cause.nopeers")
		w.tap("browse.open")
		w.ctl.set(func(f *fakeControl) {
			delete(f.fail, "Accept")
			f.hold["Accept"] = make(chan struct{})
			close(f.hold["Accept"])
		})
		w.tap("browse.owner.trust")
		if got := w.ctl.calls("Accept"); len(got) != 2 || got[1] != "Accept garden.alt" {
			t.Errorf("calls: %q", got)
		}
	})
}

func TestConflictOffersEveryOwner(t *testing.T) {
	browsing(t, func(c *fakeControl, _ *fakeDesktop) {
		c.resolve["two"] = resolved{err: control.ErrConflict, res: control.Resolution{Rivals: []control.Rival{
			{Address: "first", FirstSeen: time.Unix(0, 0)}, {Address: "second", FirstSeen: time.Unix(1e9, 0)},
		}}}
	}, func(w *opened) {
		w.write(0, "two")
		w.tap("browse.open")
		w.want("browse.conflict.more", "first.alt", "second.alt")
		w.tap("second.alt, first seen " + w.date(time.Unix(1e9, 0)))
		if len(w.desk.opened) != 1 || !strings.Contains(w.desk.opened[0], "second") {
			t.Errorf("opened %q", w.desk.opened)
		}
	})
}

func TestStaleSiteIsSaidToBe(t *testing.T) {
	browsing(t, func(c *fakeControl, _ *fakeDesktop) {
		c.resolve["old"] = resolved{res: control.Resolution{Name: "old.alt", Stale: true, Issued: time.Unix(1e9, 0)}}
	}, func(w *opened) {
		w.write(0, "old")
		w.tap("browse.open")
		w.want("browse.opened.stale")
		w.tap("browse.more")
		w.want("visit.keep")
	})
}

func TestVisitedIsCleared(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("browse.clear")
		w.want("browse.clear.text")
		w.tap("browse.clear.yes")
		w.want("browse.visited.none")
		w.wantNot("Ada's garden")
	})
}

func TestVisitedIsLong(t *testing.T) {
	browsing(t, func(c *fakeControl, _ *fakeDesktop) {
		for i := range 30 {
			c.person.visited = append(c.person.visited, control.Visited{Name: fmt.Sprintf("site%d.alt", i), Last: time.Now()})
		}
	}, func(w *opened) {
		w.wantNot("site29.alt")
		w.tap("Show all 32")
		w.want("site29.alt")
	})
}

func TestBrowseWithoutANode(t *testing.T) {
	browsing(t, func(c *fakeControl, _ *fakeDesktop) { c.fail["Visited"] = control.ErrNotRunning }, func(w *opened) {
		w.want("cause.stopped")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "Visited") })
		w.tap("action.retry")
		w.want("Ada's garden")
	})
}

func TestTitlesOfForeignPagesAreHarmless(t *testing.T) {
	for title, want := range map[string]string{
		"Garden":                        "Garden",
		"a\nb\tc\x00d\u0085e":           "a b c d e",
		"pay\u202egnp.exe\u2066x\u200f": "pay gnp.exe x",
		strings.Repeat("ä", 500):        strings.Repeat("ä", 120) + "…",
		"中国 العربية 😀":                  "中国 العربية 😀",
	} {
		if got := plainText(title); got != want {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
}

func TestSiteIsKeptAlive(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		hold := make(chan struct{})
		w.ctl.set(func(f *fakeControl) { f.hold["SetPinned"] = hold })
		w.tap("More about garden.alt")
		w.want("visit.keep", "It takes 12 MB.", "k1.alt")
		w.tap("visit.keep")
		w.want("visit.keep.fetching", "action.cancel")
		w.tell(control.Event{Kind: control.EventProgress, Progress: &control.Progress{Task: "pin", Name: "k1", Done: 6_000_000, Total: 12_000_000}})
		w.want("6.0 MB of 12 MB")
		w.tell(control.Event{Kind: control.EventProgress, Progress: &control.Progress{Task: "pin", Name: "other.alt", Done: 1, Total: 12_000_000}})
		w.want("6.0 MB of 12 MB")
		close(hold)
		w.settle()
		w.want("visit.keep.is")
		w.tap("visit.keep")
		if got := w.ctl.calls("SetPinned"); !slices.Equal(got, []string{"SetPinned garden.alt true", "SetPinned garden.alt false"}) {
			t.Errorf("calls: %q", got)
		}
		w.wantNot("visit.keep.is")
	})
}

func TestKeepingIsCancelledOrFails(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.ctl.set(func(f *fakeControl) { f.hold["SetPinned"] = make(chan struct{}) })
		w.tap("More about garden.alt")
		w.tap("visit.keep")
		w.tap("action.cancel")
		w.wantNot("visit.keep.fetching", "visit.keep.is", "cause.other")
		w.ctl.set(func(f *fakeControl) {
			delete(f.hold, "SetPinned")
			f.fail["SetPinned"] = control.ErrFull
		})
		w.tap("visit.keep")
		w.want("cause.full", "cause.full.do")
	})
}

func TestSiteIsFollowed(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("More about garden.alt")
		w.tap("visit.follow")
		if !slices.Equal(w.desk.prefs.Followed, []string{"garden.alt"}) {
			t.Errorf("followed: %q", w.desk.prefs.Followed)
		}
		w.tap("visit.follow")
		if len(w.desk.prefs.Followed) != 0 {
			t.Errorf("followed: %q", w.desk.prefs.Followed)
		}
	})
}

func TestSiteThatNobodyKnowsAnyMore(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("More about bücher.alt")
		w.want("cause.unknown", "xn--bcher-kva.alt")
	})
}

func TestReportIsComposed(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("More about garden.alt")
		w.tap("visit.report")
		w.want("report.lead", "Name: garden.alt", "Owner's key: 0wner", "Content: r1", "Version: 7", "Network: altnet", "report.none")
		w.write(0, "The second page & more")
		w.want("The second page & more")
		w.tap("report.copy")
		if got := w.fyne.Clipboard().Content(); !strings.Contains(got, "The second page & more") || !strings.Contains(got, "k1") {
			t.Errorf("copied %q", got)
		}
		w.tap("report.mail")
		if len(w.desk.opened) != 1 || !strings.HasPrefix(w.desk.opened[0], "mailto:?subject=Report%20about%20garden.alt&body=") ||
			!strings.Contains(w.desk.opened[0], "second%20page%20%26%20more") {
			t.Errorf("opened %q", w.desk.opened)
		}
		w.tap("visit.block")
		w.want("block.lead")
	})
}

func TestSiteIsBlockedAndFreed(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("More about garden.alt")
		w.tap("visit.block")
		w.want("block.name", "block.owner", "block.content")
		w.ctl.set(func(f *fakeControl) { f.fail["SetBlocked"] = control.ErrDenied })
		w.tap("block.do")
		w.want("cause.denied")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "SetBlocked") })
		w.tap("block.do")
		w.want("garden.alt is blocked on this computer")
		w.tap("action.done")
		w.nav.back()
		w.settle()
		w.tap("Blocked on this computer (1)")
		w.want("garden.alt", "blocked.since")
		w.tap("Allow garden.alt again")
		w.want("blocked.none")
	})
}

func TestAnythingIsBlockedByHand(t *testing.T) {
	root := strings.Repeat("ab", 32)
	browsing(t, nil, func(w *opened) {
		w.tap("browse.blocked")
		w.want("blocked.none")
		w.tap("block.do") // nothing typed
		for _, target := range []string{" Bad ", root} {
			w.write(0, target)
			w.tap("block.do")
		}
		if got := w.ctl.calls("SetBlocked"); !slices.Equal(got, []string{"SetBlocked bad.alt true", "SetBlocked " + root + " true"}) {
			t.Errorf("calls: %q", got)
		}
		w.want("bad.alt", root)
		w.write(0, "not a name")
		w.tap("block.do")
		w.want("error.block", "cause.badname")
	})
}

func TestFieldsLeaveShortcutsToTheWindow(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		field, ok := w.win.Canvas().Focused().(*entry)
		if !ok {
			t.Fatalf("%T has the focus", w.win.Canvas().Focused())
		}
		field.TypedShortcut(&fyne.ShortcutSelectAll{}) // is the field's own
		w.tap("browse.blocked")
		w.win.Canvas().Focus(field)
		field.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
		w.settle()
		w.want("browse.lead")
		field.TypedShortcut(&desktop.CustomShortcut{KeyName: fyne.Key3, Modifier: fyne.KeyModifierShortcutDefault})
		w.settle()
		w.want("network.reach")
	})
}

func TestButtonsTakeReturnAndEscape(t *testing.T) {
	browsing(t, nil, func(w *opened) {
		w.tap("More about garden.alt")
		var report *button
		w.visible(func(o fyne.CanvasObject) bool {
			if b, ok := o.(*button); ok && b.Text == w.App.t("visit.report") {
				report = b
			}
			return true
		})
		w.win.Canvas().Focus(report)
		report.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
		w.settle()
		w.want("browse.lead")
		w.tap("More about garden.alt")
		report.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
		w.settle()
		w.want("report.lead")
	})
}

// Whoever shares a computer's service does not decide what is blocked on it,
// nor what it keeps for others.
func TestWhatAMemberIsNotOffered(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.status.Host, c.status.Operator = control.HostService, false
		c.fail["Blocked"] = control.ErrDenied
	}, func(w *opened) {
		w.nav.selectSection("browse")
		w.settle()
		w.want("browse.visited.service")
		w.wantNot("cause.denied", "browse.blocked")
		w.nav.selectSection("network")
		w.settle()
		w.want("network.store")
		w.wantNot("network.forget", "network.pause")
		w.nav.selectSection("settings")
		w.settle()
		w.want("settings.window")
		w.wantNot("settings.data")
	})
}

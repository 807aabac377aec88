package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// Every error that publishing may end in says what happened and what to do,
// and leaves a way on.
func TestPublishingThatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		method string
		err    error
		want   string
	}{
		{"the store is full", "PutBlocks", fmt.Errorf("put: %w", control.ErrFull), "cause.full"},
		{"the disk is full", "PutBlocks", fmt.Errorf("put: %w", syscall.ENOSPC), "cause.full"},
		{"the engine stopped", "PutBlocks", fmt.Errorf("put: %w", control.ErrNotRunning), "cause.stopped"},
		{"the engine is closing", "Publish", fmt.Errorf("publish: %w", control.ErrClosed), "cause.stopped"},
		{"offline", "Publish", fmt.Errorf("publish: %w", control.ErrOffline), "cause.nopeers"},
		{"the clock is wrong", "Publish", fmt.Errorf("publish: %w", control.ErrClock), "cause.clock"},
		{"somebody was faster", "Publish", fmt.Errorf("publish: %w", publisher.ErrTaken), "cause.taken"},
		{"another device is ahead", "Publish", fmt.Errorf("publish: %w", control.ErrStale), "cause.stale"},
		{"no operator", "Publish", fmt.Errorf("publish: %w", control.ErrDenied), "cause.denied"},
		{"blocked here", "Publish", fmt.Errorf("publish: %w", control.ErrBlocked), "cause.blocked"},
		{"something else", "Publish", errors.New("the moon is in the way"), "cause.other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, "site", "index.html", "x")
			inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.fail[c.method] = c.err }, func(w *opened) {
				w.drop(dir)
				w.tap("publish.nameless")
				w.tap("publish.go.one")
				w.want(c.want, c.want+".do")
				w.wantNot("result.published", "result.waiting")
				w.tap("error.details")
				w.want(c.err.Error())
				w.tap("error.details.hide")
				w.wantNot(c.err.Error())
				w.ctl.set(func(f *fakeControl) { delete(f.fail, c.method); f.receipt = confirmed(2) })
				w.tap("action.retry")
				w.wantNot(c.want)
				w.tap("publish.go.one")
				w.want("result.published")
			})
		})
	}
}

func TestFolderVanishes(t *testing.T) {
	dir := folder(t, "site", "index.html", strings.Repeat("x", 1000))
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.receipt = confirmed(2) }, func(w *opened) {
		w.drop(dir)
		w.tap("publish.nameless")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		w.tap("publish.go.one")
		w.want("cause.vanished", "cause.vanished.do")
		put(t, dir, "index.html", "back")
		w.tap("action.retry")
		w.tap("publish.go.one")
		w.want("result.published")
	})
}

func TestFileChangesWhileItIsRead(t *testing.T) {
	dir := folder(t, "site", "index.html", "x", "b.html", "y")
	inWindow(t, nil, func(w *opened) {
		w.drop(dir)
		w.tap("publish.nameless")
		d := w.nav.top().(*publishPage).drafts[0]
		d.finish(control.Receipt{}, fmt.Errorf("publish %s: b.html: %w", dir, publisher.ErrChanged))
		w.settle()
		w.want("cause.changed", "cause.changed.do")
	})
}

func TestUnreadableFileCanBeLeftOut(t *testing.T) {
	dir := folder(t, "site", "index.html", "x", "pri[v]ate.html", "y")
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.receipt = confirmed(2) }, func(w *opened) {
		w.drop(dir)
		w.tap("publish.nameless")
		// Tests may run as somebody who can read everything.
		d := w.nav.top().(*publishPage).drafts[0]
		d.finish(control.Receipt{}, fmt.Errorf("publish: pri[v]ate.html: %w",
			&fs.PathError{Op: "open", Path: "pri[v]ate.html", Err: fs.ErrPermission}))
		w.settle()
		w.want("cause.unreadable", "cause.unreadable.do")
		w.tap("Leave pri[v]ate.html out")
		w.want("1 file", "1 thing is left out: pri[v]ate.html")
		w.tap("publish.go.one")
		w.want("result.published")
	})
}

func TestUnreadableFolderItself(t *testing.T) {
	for _, path := range []string{".", filepath.Join(t.TempDir(), "abs")} {
		d := &draft{err: &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}}
		if got := d.unreadable(); got != "" {
			t.Errorf("%s: %q could be left out", path, got)
		}
	}
}

func TestProblemsCanBeLeftOut(t *testing.T) {
	files := []string{"index.html", "x"}
	for _, n := range []string{"con.txt", "aux.txt", "nul.txt", "lpt1.txt", "com1.txt", "prn.txt"} {
		files = append(files, n, "y")
	}
	dir := folder(t, "site", files...)
	inWindow(t, nil, func(w *opened) {
		w.drop(dir)
		w.want("6 things cannot be published", "con.txt", "and 1 more")
		w.mustNotPress("publish.go.one")
		w.tap("publish.drop.other")
		w.want("1 file")
		w.mustPress("publish.go.one")
	})
}

func TestEmptyFolderAndNoFolder(t *testing.T) {
	empty, file := folder(t, "empty"), filepath.Join(folder(t, "x", "a.txt", "x"), "a.txt")
	noIndex := folder(t, "noindex", "page.html", "x")
	inWindow(t, nil, func(w *opened) {
		w.drop(file)
		w.want("publish.nofolder", "publish.nofolder.do")
		w.tap("action.close")
		w.drop()
		w.want("home.add")
		w.drop(empty)
		w.want("cause.empty", "cause.empty.do")
		w.nav.back()
		w.drop(noIndex)
		w.want("publish.noindex")
	})
}

// What needs the network says which of the two is missing: the switch, or
// anybody to talk to.
func TestOfflineOrAlone(t *testing.T) {
	for name, c := range map[string]struct {
		status control.Status
		want   string
	}{
		"switched off": {control.Status{}, "cause.offline"},
		"paused":       {control.Status{Online: true, Paused: &control.Paused{}}, "cause.offline"},
		"nobody there": {control.Status{Online: true}, "cause.nopeers"},
	} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, nil, func(w *opened) {
				w.status = c.status
				if what, do := w.explain(control.ErrOffline); what != w.t0(c.want) || do != w.t0(c.want+".do") {
					t.Errorf("%q, %q", what, do)
				}
			})
		})
	}
}

func TestHomeFolderIsWarnedOf(t *testing.T) {
	dir := folder(t, "home", "index.html", "x", "site/index.html", "x")
	t.Setenv("HOME", dir)
	inWindow(t, nil, func(w *opened) {
		w.drop(filepath.Dir(dir))
		w.want("publish.home", "publish.home.do")
		w.nav.back()
		w.drop(dir)
		w.want("publish.home")
		w.nav.back()
		w.drop(filepath.Join(dir, "site"))
		w.wantNot("publish.home")
	})
}

func TestEngineIsGoneAndComesBack(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		w.ctl.set(func(c *fakeControl) { c.fail["Events"] = control.ErrNotRunning })
		w.ctl.gone <- control.ErrClosed
		w.settle()
		w.want("trouble.stopped", "state.down")
		w.desk.fail["Restart"] = errors.New("no such file")
		w.tap("trouble.stopped.fix")
		w.want("error.restart", "cause.other.do")
		w.tap("action.close")
		delete(w.desk.fail, "Restart")
		w.ctl.set(func(c *fakeControl) { delete(c.fail, "Events") })
		w.tap("trouble.stopped.fix")
		time.Sleep(retryMost)
		w.settle()
		w.wantNot("trouble.stopped", "state.down", "trouble.starting")
		w.want("Connected to 14 peers, reachable through a relay")
	})
}

func TestEngineThatCannotBeUsedAsItIs(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fakeControl)
		want    []string
		button  string
	}{
		"service of another version": {func(f *fakeControl) { f.status.Version = "0.9" }, []string{"AltNet runs here in version 0.9, this window is version 1.0"}, "trouble.version.fix"},
		"of another user":            {func(f *fakeControl) { f.status.NodeID = "" }, []string{"trouble.denied"}, ""},
		"not permitted":              {func(f *fakeControl) { f.fail["Events"] = control.ErrDenied }, []string{"trouble.denied"}, ""},
		"not there at the start":     {func(f *fakeControl) { f.fail["Events"] = control.ErrNotRunning }, []string{"trouble.stopped"}, "trouble.stopped.fix"},
	} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, func(f *fakeControl, _ *fakeDesktop) { c.prepare(f) }, func(w *opened) {
				w.want(c.want...)
				if c.button == "" {
					w.mustNotPress("trouble.stopped.fix")
					return
				}
				w.tap(c.button)
				if !w.desk.has("Restart") {
					t.Error("nothing was restarted")
				}
			})
		})
	}
}

func TestServiceThatNeverAnswered(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.fail["Events"] = control.ErrNotRunning }, func(w *opened) {
		w.want("trouble.stopped")
		w.service = func() bool { return true }
		w.banner.update()
		w.want("trouble.service", "trouble.service.fix")
		w.wantNot("trouble.stopped")
	})
}

func TestServiceIsDown(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.status.Host = control.HostService }, func(w *opened) {
		w.ctl.set(func(c *fakeControl) { c.fail["Events"] = control.ErrNotRunning })
		w.ctl.gone <- control.ErrClosed
		w.settle()
		w.want("trouble.service", "trouble.service.fix")
	})
}

// Every cause has both texts in every language.
func TestCausesAreExplained(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		for _, c := range causes() {
			if got := causeOf(fmt.Errorf("doing: %w", c.err)); got == "cause.other" {
				t.Errorf("%v has no cause", c.err)
			}
			for _, key := range []string{c.key, c.key + ".do"} {
				if !w.texts.Has(key) {
					t.Errorf("%s has no text", key)
				}
			}
		}
		long := verbatim(errors.New(strings.Repeat("ä", 1000)))
		if len(long) > 610 || !strings.HasSuffix(long, "…") {
			t.Errorf("%d bytes of an error", len(long))
		}
		w.fail("error.update", nil) // nothing went wrong: nothing to show
		if n := len(w.win.Canvas().Overlays().List()); n != 0 {
			t.Errorf("%d dialogs", n)
		}
	})
}

// The window says why AltNet cannot start, as far as the agent knows.
func TestWhyNothingRuns(t *testing.T) {
	for name, c := range map[string]struct {
		why  error
		want string
	}{
		"the disk is away":      {fmt.Errorf("agent: %w", ErrDataAway), "AltNet cannot start. The disk with AltNet’s data is not connected. Connect it; AltNet starts by itself within a quarter of a minute."},
		"somebody has the data": {fmt.Errorf("agent: %w", ErrDataTaken), "AltNet cannot start. Another AltNet uses this data. End that one; AltNet starts by itself within a quarter of a minute."},
		"no rights":             {fmt.Errorf("agent: %w", ErrDataClosed), "AltNet cannot start. AltNet may not use the folder with its data."},
		"something else":        {errors.New("the moon is in the way"), "AltNet cannot start: the moon is in the way"},
	} {
		t.Run(name, func(t *testing.T) {
			inWindow(t, func(f *fakeControl, d *fakeDesktop) {
				f.fail["Events"], d.fail["WhyStopped"] = control.ErrNotRunning, c.why
			}, func(w *opened) {
				if !strings.HasPrefix(w.banner.text.Text, c.want) {
					t.Errorf("it says %q", w.banner.text.Text)
				}
				w.want("trouble.stopped.fix")
				w.ctl.set(func(c *fakeControl) { delete(c.fail, "Events") })
				time.Sleep(retryMost)
				w.settle()
				w.wantNot("trouble.stopped.fix", c.want)
				w.ctl.set(func(c *fakeControl) { c.fail["Events"] = control.ErrNotRunning })
				w.desk.mu.Lock()
				delete(w.desk.fail, "WhyStopped")
				w.desk.mu.Unlock()
				w.ctl.gone <- control.ErrClosed
				w.settle()
				w.want("trouble.stopped") // the old reason is forgotten
			})
		})
	}
}

// A service that takes the agent's place, and one that is gone, are told until
// the person has read it.
func TestNodeMoves(t *testing.T) {
	inWindow(t, func(f *fakeControl, _ *fakeDesktop) { f.status.Host = control.HostAgent }, func(w *opened) {
		for _, host := range []control.Host{control.HostService, control.HostAgent} {
			w.ctl.set(func(c *fakeControl) { c.status.Host, c.status.NodeID = host, "node of the "+string(host) })
			w.ctl.gone <- control.ErrClosed
			time.Sleep(retryMost)
			w.settle()
			w.want("trouble.moved." + string(host))
			w.tap("trouble.moved." + string(host) + ".fix")
			w.wantNot("trouble.moved." + string(host))
			if w.desk.has("Restart") {
				t.Fatal("it was restarted")
			}
		}
	})
}

// A node that nobody agreed to be a peer with asks again, though the person has
// been through the first start: another node may have taken its place. Somebody
// may agree elsewhere.
func TestNodeThatNobodyAgreedTo(t *testing.T) {
	early := func(c *fakeControl, _ *fakeDesktop) {
		c.settings.Accepted, c.status.Online, c.status.Accepted = time.Time{}, false, false
	}
	inWindow(t, early, func(w *opened) {
		w.want("welcome.begin")
		w.tap("welcome.begin")
		if w.ctl.settings.Accepted.IsZero() {
			t.Error("it was not agreed to")
		}
	})
	inWindow(t, early, func(w *opened) {
		w.want("welcome.begin")
		w.ctl.set(func(c *fakeControl) { c.status.Online, c.status.Accepted = true, true })
		w.ctl.gone <- control.ErrClosed
		time.Sleep(retryMost)
		w.settle()
		w.wantNot("welcome.begin")
		w.want("home.drop")
	})
}

// What to do about it is another thing for who shares a computer's service.
func TestWhatAMemberCanDo(t *testing.T) {
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		c.status.Host, c.status.Operator = control.HostService, false
		d.fail["Restart"] = fmt.Errorf("%w: pkexec is not installed", ErrNoAuthentication)
	}, func(w *opened) {
		if _, do := w.explain(control.ErrFull); do != w.t0("cause.full.member") {
			t.Errorf("of a full disk: %q", do)
		}
		if _, do := w.explain(ErrNoAuthentication); do != w.t0("cause.noauth.do") {
			t.Errorf("while the service runs: %q", do)
		}
		w.ctl.set(func(c *fakeControl) { c.fail["Events"] = control.ErrNotRunning })
		w.ctl.gone <- control.ErrClosed
		w.settle()
		w.tap("trouble.service.fix")
		w.want("error.restart", "cause.noauth", "cause.noauth.service")
	})
}

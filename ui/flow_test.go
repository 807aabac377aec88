package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// folder makes a folder with files: name, content, name, content …
func folder(t *testing.T, name string, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, files...)
	return dir
}

func put(t *testing.T, dir string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// drop drops paths on the window, as a file manager does.
func (w *opened) drop(paths ...string) {
	var uris []fyne.URI
	for _, p := range paths {
		uris = append(uris, storage.NewFileURI(p))
	}
	w.dropped(fyne.NewPos(5, 5), uris)
	w.settle()
	w.rest()
}

// rest lets the typing rest until the network was asked.
func (w *opened) rest() {
	time.Sleep(2 * askAfter)
	w.settle()
}

// published drops a folder and publishes it without a name, which needs no
// work.
func (w *opened) published(dir string) publisher.Site {
	w.t.Helper()
	w.drop(dir)
	w.tap("publish.nameless")
	w.tap("publish.go.one")
	sites, err := w.profile.Sites()
	if err != nil || len(sites) == 0 {
		w.t.Fatalf("no site was made: %v", err)
	}
	return sites[len(sites)-1]
}

// confirmed is a receipt with copies on other peers.
func confirmed(copies int) control.Receipt {
	return control.Receipt{Name: "kfake.alt", Address: "kfake.alt", Copies: copies, Sleeps: copies < 2}
}

func TestDropToReceipt(t *testing.T) {
	dir := folder(t, "Mein Gärtchen", "index.html", "hello", ".env", "secret", ".git/config", "x", "a/b.txt", "12345")
	inWindow(t, nil, func(w *opened) {
		w.drop(dir)
		w.want("publish.title.one", "Mein Gärtchen", dir, "mein-gaertchen.alt is free", "2 files", "2 things are left out: .env, .git")
		if got := w.entry(0).Text; got != "mein-gaertchen" {
			t.Errorf("proposed: %q", got)
		}
		w.tap("2 things are left out: .env, .git")
		w.tap(".env (hidden)")
		w.want("3 files", "1 thing is left out: .git", ".env is published")
		w.tap(".env is published")
		w.want("2 files", "2 things")

		w.tap("publish.nameless")
		w.want("publish.nameless.note")
		hold := make(chan struct{})
		w.ctl.set(func(c *fakeControl) { c.hold["Publish"] = hold; c.receipt = confirmed(0) })
		w.tap("publish.go.one")
		w.want("publish.confirming", "action.cancel")
		w.wantNot("result.published")
		offer := control.Progress{Task: control.TaskOffer, Root: "another site's", Done: 3 << 20, Total: 4 << 20}
		w.tell(control.Event{Kind: control.EventProgress, Progress: &offer})
		w.want("publish.confirming")
		offer.Root = w.nav.top().(*publishPage).drafts[0].meter.now().signed
		w.tell(control.Event{Kind: control.EventProgress, Progress: &offer})
		w.want("the first other computer has 3.1 MB of 4.2 MB")
		w.wantNot("publish.confirming", "result.published")
		close(hold)
		w.settle()

		// Ready is not published: that word waits for another peer.
		w.want("result.waiting", "result.waiting.do", "kfake.alt", "kfake-alt.localhost:8080")
		w.wantNot("result.published")
		one := confirmed(1)
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &one})
		w.want("result.published", "2 copies, confirmed by 1 other peer.", "result.sleeps")
		two := confirmed(2)
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &two})
		w.want("3 copies, confirmed by 2 other peers.")
		w.wantNot("result.sleeps", "result.waiting")
		other := control.Receipt{Name: "other.alt", Address: "kother.alt", Copies: 9}
		w.tell(control.Event{Kind: control.EventReceipt, Receipt: &other})
		w.want("3 copies, confirmed by 2 other peers.")

		w.tap("action.open")
		if want := "http://kfake-alt.localhost:8080/"; len(w.desk.opened) != 1 || w.desk.opened[0] != want {
			t.Errorf("opened %q, want the second door %s", w.desk.opened, want)
		}
		w.tap("action.copy")
		if got := w.fyne.Clipboard().Content(); got != "http://kfake.alt/" {
			t.Errorf("copied %q", got)
		}
		w.want("action.copied")
		time.Sleep(3 * time.Second)
		w.settle()
		w.wantNot("action.copied")
		w.tap("watch.check")
		if len(w.desk.prefs.Watched) != 1 || w.desk.prefs.Watched[0] != dir {
			t.Errorf("watched: %q", w.desk.prefs.Watched)
		}
		w.tap("action.done")
		w.want("home.add")
	})
}

func TestNameIsCheckedWhileTyping(t *testing.T) {
	dir := folder(t, "shop", "index.html", "x")
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.resolve["taken"] = resolved{res: control.Resolution{Owner: "ff", Address: "kxyz.alt"}}
		c.resolve["late"] = resolved{err: control.ErrOffline}
	}, func(w *opened) {
		w.drop(dir)
		asked := len(w.ctl.calls("Resolve"))
		for _, typed := range []string{"t", "ta", "tak", "take", "taken"} {
			w.write(0, typed)
		}
		w.want("verdict.asking")
		w.rest()
		w.want("taken.alt belongs to somebody else")
		if n := len(w.ctl.calls("Resolve")) - asked; n != 1 {
			t.Errorf("the network was asked %d times for one name", n)
		}
		w.mustNotPress("publish.go.one")
		for typed, verdict := range map[string]string{
			"":                         "verdict.empty",
			"two words":                "verdict.spaces",
			"www.shop":                 "verdict.dots",
			"a_b":                      "verdict.letters",
			"-shop":                    "verdict.hyphens",
			strings.Repeat("long", 20): "verdict.long",
		} {
			w.write(0, typed)
			w.rest()
			w.want(verdict)
			w.mustNotPress("publish.go.one")
		}
		w.write(0, "bücher")
		w.rest()
		w.want("bücher.alt is free", "Browsers may show it as xn--bcher-kva.alt")
		w.write(0, "pаypal") // with a Cyrillic letter
		w.rest()
		w.want("verdict.lookalike")
		w.write(0, "late")
		w.rest()
		w.want("verdict.unsure")
		w.mustPress("publish.go.one")
	})
}

// mustPress fails unless something enabled is called so.
func (w *opened) mustPress(keyOrText string) {
	w.t.Helper()
	if !w.pressable(keyOrText) {
		w.t.Errorf("%q cannot be pressed", keyOrText)
	}
}

func (w *opened) mustNotPress(keyOrText string) {
	w.t.Helper()
	if w.pressable(keyOrText) {
		w.t.Errorf("%q can be pressed", keyOrText)
	}
}

func (w *opened) pressable(keyOrText string) bool {
	text, found := w.t0(keyOrText), false
	w.visible(func(o fyne.CanvasObject) bool {
		found = found || pressing(o, text) != nil
		return true
	})
	return found
}

func TestNamedSiteIsPublishedAndUpdated(t *testing.T) {
	dir := folder(t, "shop", "index.html", "one", "old.txt", "12", "same.txt", "same")
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.receipt = control.Receipt{Name: "shop.alt", Copies: 2} }, func(w *opened) {
		w.drop(dir)
		w.tap("publish.go.one")
		w.want("result.published", "shop.alt")
		w.tap("action.done")

		// The same folder again: it is the site's, and nothing changed.
		w.drop(dir)
		w.want("publish.title.update", "This folder becomes the new version of shop.alt", "publish.nochange")
		w.mustNotPress("publish.go.update.one")

		w.nav.back()
		put(t, dir, "index.html", "other", "new.txt", "1234")
		if err := os.Remove(filepath.Join(dir, "old.txt")); err != nil {
			t.Fatal(err)
		}
		w.drop(dir)
		w.want("1 new file (4 bytes), 1 changed (5 bytes), 1 removed (2 bytes)")
		w.tap("1 new file (4 bytes), 1 changed (5 bytes), 1 removed (2 bytes)")
		w.want("new: new.txt", "changed: index.html", "removed: old.txt")
		w.tap("publish.go.update.one")
		w.want("result.published")
		if n := len(w.ctl.published); n != 2 {
			t.Errorf("%d records were published, want 2", n)
		}
		w.tap("action.done")

		// Another folder under the name that is typed: an update too.
		w.drop(folder(t, "other", "index.html", "third"))
		w.write(0, "shop")
		w.rest()
		w.want("shop.alt is yours", "removed")
		w.tap("publish.go.update.one")
		w.want("result.published")

		// Dropped on what came of it: that was read.
		w.drop(dir)
		w.want("publish.title.one")
		w.nav.back()
		w.want("home.add")
	})
}

func TestSeveralFolders(t *testing.T) {
	one, two := folder(t, "one", "index.html", "1"), folder(t, "two", "index.html", "2")
	file := filepath.Join(one, "index.html")
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.receipt = confirmed(2) }, func(w *opened) {
		w.drop(one, two, file, one)
		w.want("Publish 2 folders", "one.alt is free", "two.alt is free")
		w.write(1, "one")
		w.rest()
		w.want("verdict.twice")
		w.tap("Take two out")
		w.want("publish.title.one")
		w.drop(two) // joins the page that waits
		w.want("Publish 2 folders", "two.alt is free")
		w.drop(two)
		w.want("Publish 2 folders")

		hold := make(chan struct{})
		w.ctl.set(func(c *fakeControl) { c.hold["PutBlocks"] = hold })
		w.each(func(c *widget.Check) {
			if c.Text == w.App.t("publish.nameless") {
				c.SetChecked(true)
			}
		})
		w.tap("Publish 2 folders")
		w.want("publish.queued")
		w.nav.show(0) // publishing goes on while the person looks elsewhere
		w.settle()
		w.want("2 folders are being published")
		w.tap("home.publishing.show")
		w.want("publish.queued")
		w.closing()
		w.settle()
		w.want("closing.title")
		w.tap("action.cancel")
		close(hold)
		w.settle()
		w.want("result.published")
		if n := len(w.ctl.published); n != 2 {
			t.Errorf("%d sites were published", n)
		}
		w.tap("action.done")
		w.wantNot("2 folders are being published")
	})
}

// each visits every check in view.
func (w *opened) each(visit func(*widget.Check)) {
	w.visible(func(o fyne.CanvasObject) bool {
		if c, ok := o.(*widget.Check); ok {
			visit(c)
		}
		return true
	})
	w.settle()
}

func TestPublishingIsCancelled(t *testing.T) {
	dir := folder(t, "site", "index.html", strings.Repeat("x", 1<<20))
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.hold["PutBlocks"] = make(chan struct{}) }, func(w *opened) {
		w.drop(dir)
		w.tap("publish.nameless")
		w.tap("publish.go.one")
		w.want("0 bytes of 1.0 MB")
		w.tap("action.cancel")
		w.want("publish.nameless.note")
		w.mustPress("publish.go.one")
		if len(w.ctl.published) != 0 || w.publishing != nil {
			t.Error("it was published all the same, or still is")
		}
	})
}

func TestProgressInWords(t *testing.T) {
	inWindow(t, nil, func(w *opened) {
		for _, c := range []struct {
			m     measured
			spent time.Duration
			want  string
		}{
			{measured{done: 0, total: 5e6}, 3 * time.Second, "0 bytes of 5.0 MB"},
			{measured{done: 1e6, total: 5e6}, 500 * time.Millisecond, "1.0 MB of 5.0 MB"},
			{measured{done: 10e6, total: 50e6}, 2 * time.Second, "10 MB of 50 MB · 5.0 MB per second · about 8 seconds left"},
			{measured{done: 10e6, total: 1e9}, 10 * time.Second, "10 MB of 1.0 GB · 1.0 MB per second · about 17 minutes left"},
		} {
			if got := w.paceLine(c.m, c.spent); got != c.want {
				t.Errorf("%+v: %q, want %q", c.m, got, c.want)
			}
		}
	})
}

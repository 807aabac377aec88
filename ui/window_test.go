package ui

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// opened is a window in a test: what draws runs only in settle, so that a
// test sees one state after another, in virtual time.
type opened struct {
	*App
	t    *testing.T
	ctl  *fakeControl
	desk *fakeDesktop

	profileDir string

	mu    sync.Mutex
	queue []func()
}

// inWindow runs body on a window that has drawn its first picture. prepare may
// be nil.
func inWindow(t *testing.T, prepare func(*fakeControl, *fakeDesktop), body func(w *opened)) {
	t.Helper()
	fyneApp := test.NewTempApp(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &opened{t: t, profileDir: dir, ctl: newFakeControl(), desk: newFakeDesktop()}
		if prepare != nil {
			prepare(w.ctl, w.desk)
		}
		profile, err := publisher.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		w.App, err = newApp(Config{App: fyneApp, Control: w.ctl, Profile: profile, Desktop: w.desk, Version: "1.0"}, w.enqueue)
		if err != nil {
			t.Fatal(err)
		}
		w.Start()
		w.settle()
		defer func() { // also when the body gives up
			w.Close()
			w.win.Close()
		}()
		body(w)
	})
}

func (w *opened) enqueue(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, f)
}

// settle draws until nothing is left to do but wait.
func (w *opened) settle() {
	for {
		synctest.Wait()
		w.mu.Lock()
		queue := w.queue
		w.queue = nil
		w.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

// tell sends an event of the node and draws it.
func (w *opened) tell(e control.Event) {
	w.ctl.events <- e
	w.settle()
}

// visible walks everything in view, dialogs last.
func (w *opened) visible(visit func(fyne.CanvasObject) (deeper bool)) {
	c := w.win.Canvas()
	walk(c.Content(), visit)
	for _, o := range c.Overlays().List() {
		walk(o, visit)
	}
}

func walk(o fyne.CanvasObject, visit func(fyne.CanvasObject) bool) {
	if o == nil || !o.Visible() || !visit(o) {
		return
	}
	for _, child := range childrenOf(o) {
		walk(child, visit)
	}
}

// childrenOf lists what an object draws with.
func childrenOf(o fyne.CanvasObject) []fyne.CanvasObject {
	switch o := o.(type) {
	case *fyne.Container:
		return o.Objects
	case fyne.Widget:
		return test.WidgetRenderer(o).Objects()
	}
	return nil
}

// strings lists every text in view.
func (w *opened) strings() []string {
	var out []string
	w.visible(func(o fyne.CanvasObject) bool {
		texts, whole := textsOf(o)
		for _, s := range texts {
			if strings.TrimSpace(s) != "" {
				out = append(out, s)
			}
		}
		return !whole
	})
	return out
}

// textsOf returns what an object says; whole means that nothing below it says
// more.
func textsOf(o fyne.CanvasObject) (texts []string, whole bool) {
	switch o := o.(type) {
	case *widget.Label:
		return []string{o.Text}, true
	case *widget.Hyperlink:
		return []string{o.Text}, true
	case *button:
		return []string{o.AccessibilityLabel()}, true
	case *widget.Button:
		return []string{o.Text}, true
	case *widget.Check:
		return []string{o.Text}, true
	case *widget.Entry:
		return []string{o.Text, o.PlaceHolder}, true
	case *entry:
		return []string{o.Text, o.PlaceHolder}, true
	case *widget.Select:
		if o.Selected != "" {
			return []string{o.Selected}, true
		}
		return []string{o.PlaceHolder}, true
	case *widget.RadioGroup:
		return o.Options, true
	case *widget.RichText:
		return []string{o.String()}, true
	case *canvas.Text:
		return []string{o.Text}, true
	}
	return nil, false
}

// sees reports whether some text in view contains part.
func (w *opened) sees(part string) bool {
	for _, s := range w.strings() {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// want fails unless the texts of all keys, or literal strings, are in view.
func (w *opened) want(parts ...string) {
	w.t.Helper()
	for _, p := range parts {
		if text := w.t0(p); !w.sees(text) {
			w.t.Errorf("%q is not in view; there is:\n\t%s", text, strings.Join(w.strings(), "\n\t"))
		}
	}
}

// wantNot fails if one of the texts is in view.
func (w *opened) wantNot(parts ...string) {
	w.t.Helper()
	for _, p := range parts {
		if text := w.t0(p); w.sees(text) {
			w.t.Errorf("%q is in view", text)
		}
	}
}

// t0 is the text of a key up to its first placeholder, or a literal string.
func (w *opened) t0(keyOrText string) string {
	text, _, _ := strings.Cut(w.App.t(keyOrText), "{")
	return text
}

// tap presses the topmost enabled thing that is called so.
func (w *opened) tap(keyOrText string) {
	w.t.Helper()
	text := w.t0(keyOrText)
	var found func()
	w.visible(func(o fyne.CanvasObject) bool {
		if press := pressing(o, text); press != nil {
			found = press
		}
		return true
	})
	if found == nil {
		w.t.Fatalf("nothing to press is called %q; there is:\n\t%s", text, strings.Join(w.strings(), "\n\t"))
	}
	found()
	w.settle()
}

func pressing(o fyne.CanvasObject, text string) func() {
	if d, ok := o.(fyne.Disableable); ok && d.Disabled() {
		return nil
	}
	switch o := o.(type) {
	case *button:
		if o.AccessibilityLabel() == text {
			return func() { test.Tap(o) }
		}
	case *widget.Button:
		if o.Text == text {
			return func() { test.Tap(o) }
		}
	case *navEntry:
		return pressing(o.tappable, text)
	case *tappable:
		if o.label == text || strings.HasPrefix(o.label, text+",") {
			return func() { test.Tap(o) }
		}
	case *widget.Check:
		if o.Text == text {
			return func() { o.SetChecked(!o.Checked) }
		}
	case *widget.Hyperlink:
		if o.Text == text && o.OnTapped != nil {
			return o.OnTapped
		}
	}
	return nil
}

// entry finds the n-th field in view.
func (w *opened) entry(n int) *widget.Entry {
	w.t.Helper()
	var all []*widget.Entry
	w.visible(func(o fyne.CanvasObject) bool {
		switch e := o.(type) {
		case *widget.Entry:
			all = append(all, e)
		case *entry:
			all = append(all, &e.Entry)
			return false
		}
		return true
	})
	if n >= len(all) {
		w.t.Fatalf("%d fields are in view, not %d", len(all), n+1)
	}
	return all[n]
}

// write replaces what stands in a field.
func (w *opened) write(n int, text string) {
	w.t.Helper()
	e := w.entry(n)
	e.SetText(text)
	w.settle()
}

func TestWindowOpensOnItsSites(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.sites = []control.Site{{Name: "garden.alt", Own: true}}
	}, func(w *opened) {
		w.want("nav.home", "garden.alt")
	})
}

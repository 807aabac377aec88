package ui

import (
	"fmt"
	"testing"

	"altnet/engine/control"
)

// What a page said of a node that was gone does not stay when it is back.
func TestTheNodeComesBack(t *testing.T) {
	stopped := fmt.Errorf("ask: %w", control.ErrNotRunning)
	lose := func(w *opened) {
		w.do(func() { w.lost(stopped) })
		w.settle()
	}
	returns := func(w *opened) {
		s := w.status
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.settle()
		w.wantNot("cause.stopped")
	}
	dir := folder(t, "site", "index.html", "x")
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.fail["PutBlocks"], c.receipt = stopped, confirmed(2) }, func(w *opened) {
		w.drop(dir)
		w.tap("publish.nameless")
		w.tap("publish.go.one")
		lose(w)
		w.want("cause.stopped")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "PutBlocks") })
		returns(w)
		w.tap("publish.go.one")
		w.want("result.published")
	})
	inSettings(t, func(c *fakeControl, _ *fakeDesktop) { c.fail["Settings"] = stopped }, func(w *opened) {
		lose(w)
		w.want("cause.stopped")
		w.ctl.set(func(f *fakeControl) { delete(f.fail, "Settings") })
		returns(w)
		w.want("settings.limits")
	})
}

package ui

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

func TestNetworkPage(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.status.Store = control.Store{Used: 3e9, Budget: 10e9, Own: 1e9, Pinned: 5e8, Leased: 1.2e9, Cache: 3e8}
		c.status.Traffic = control.Traffic{Up: 4e6, Down: 9e6}
		c.status.MonthUsed = 31e9
		c.settings.MonthLimit = 100e9
		c.person.freed = 1.5e9
	}, func(w *opened) {
		w.tap("nav.network")
		w.want("network.reach.relay", "14 peers…", "1.0 GB", "500 MB", "1.2 GB", "300 MB", "3.0 GB of 10 GB", "4.0 MB sent, 9.0 MB received", "31 GB of 100 GB")
		w.tap("network.pause")
		if got := w.ctl.calls("Pause"); len(got) != 1 || got[0] != "Pause 1h0m0s" {
			t.Errorf("calls: %q", got)
		}
		s := w.status
		s.Paused = &control.Paused{Until: time.Now().Add(time.Hour), Reason: control.PauseUser}
		w.tell(control.Event{Kind: control.EventStatus, Status: &s})
		w.tap("network.resume")
		if got := w.ctl.calls("Pause"); len(got) != 2 || got[1] != "Pause end" {
			t.Errorf("calls: %q", got)
		}
		w.tap("network.forget")
		w.want("network.forget.text")
		w.tap("network.forget.yes")
		w.want("1.5 GB are free again.")
	})
}

func TestNetworkErrors(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
		c.fail["Forget"], c.fail["Pause"], c.fail["Settings"] = control.ErrDenied, control.ErrClosed, control.ErrNotRunning
	}, func(w *opened) {
		w.tap("nav.network")
		w.want("no limit set")
		w.tap("network.pause")
		w.want("error.pausing", "cause.stopped")
		w.tap("action.close")
		w.tap("network.forget")
		w.tap("network.forget.yes")
		w.want("error.forget", "cause.denied")
	})
}

func TestReachInWords(t *testing.T) {
	for _, r := range []control.Reach{control.ReachUnknown, control.ReachDirect, control.ReachRelay, control.ReachNone, "of tomorrow"} {
		inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.status.Reach = r }, func(w *opened) {
			w.tap("nav.network")
			if r == "of tomorrow" {
				r = control.ReachUnknown
			}
			w.want("network.reach." + string(r))
		})
	}
}

func TestStorageBarIsInProportion(t *testing.T) {
	bar := newStorageBar()
	bar.set([]share{{"a", 500, "primary"}, {"b", 1, "error"}, {"c", 0, "error"}, {"d", 9000, "error"}}, 1000, "half")
	r, ok := bar.CreateRenderer().(*storageBarRenderer)
	if !ok {
		t.Fatal("another renderer")
	}
	bar.Resize(fyne.NewSize(180, 18))
	r.Layout(fyne.NewSize(180, 18))
	if r.parts[0].Size().Width != 10 || r.parts[1].Size().Width != 3 || r.parts[2].Size().Width != 0 {
		t.Errorf("widths %v, %v, %v", r.parts[0].Size(), r.parts[1].Size(), r.parts[2].Size())
	}
	if end := r.parts[3].Position().X + r.parts[3].Size().Width; end > 180 {
		t.Errorf("ends at %v of 180", end)
	}
	if bar.AccessibilityLabel() != "half" || bar.AccessibilityRole() != fyne.AccessibleRoleText {
		t.Error("the bar is not labelled")
	}
}

func somePeers() []control.Peer {
	return []control.Peer{
		{ID: strings.Repeat("3", 64), Addresses: []string{"192.0.2.3:9000"}, Agent: "altnet/2\u202e"},
		{ID: strings.Repeat("2", 64), Addresses: []string{"192.0.2.2:9000"}, Connected: true, RTT: 80 * time.Millisecond, Inbound: true, Up: 1e6, Down: 2e6, Since: time.Unix(1e9, 0)},
		{ID: strings.Repeat("1", 64), Addresses: []string{"192.0.2.1:9000"}, Connected: true, RTT: 12 * time.Millisecond, Volunteer: true},
	}
}

// listIn finds the list in view.
func (w *opened) listIn() *widget.List {
	w.t.Helper()
	var found *widget.List
	w.visible(func(o fyne.CanvasObject) bool {
		if l, ok := o.(*widget.List); ok {
			found = l
		}
		return true
	})
	if found == nil {
		w.t.Fatal("no list is in view")
	}
	return found
}

// lineOf draws one line of a list, as it does when it scrolls there.
func lineOf(l *widget.List, i int) string {
	o := l.CreateItem()
	l.UpdateItem(i, o)
	var texts []string
	for _, label := range labelsIn(o) {
		texts = append(texts, label.Text)
	}
	return strings.Join(texts, " | ")
}

func TestPeersAreListedNearestFirst(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.person.peers = somePeers() }, func(w *opened) {
		w.tap("nav.network")
		w.tap("14 peers…")
		l := w.listIn()
		for i, want := range []string{
			"11111111 | connected · 192.0.2.1:9000 · 12 ms away · keeps copies | 0 bytes sent, 0 bytes received",
			"22222222 | connected, it called · 192.0.2.2:9000 · 80 ms away | 1.0 MB sent, 2.0 MB received",
			"altnet/2  33333333 | not connected · 192.0.2.3:9000 | 0 bytes sent, 0 bytes received",
		} {
			if got := lineOf(l, i); got != want {
				t.Errorf("line %d: %q, want %q", i, got, want)
			}
		}
		l.Select(1)
		w.settle()
		w.want(strings.Repeat("2", 64), "peers.detail")
		lineOf(l, 99) // the list shrank meanwhile
	})
}

func TestPeersAreAskedForAgainWhileInView(t *testing.T) {
	inWindow(t, func(c *fakeControl, _ *fakeDesktop) { c.person.peers = somePeers() }, func(w *opened) {
		w.nav.open(newPeersPage(w.App))
		w.settle()
		w.ctl.set(func(f *fakeControl) { f.person.peers = nil })
		time.Sleep(peersEvery + time.Second) // virtual
		w.settle()
		w.want("peers.none")
		w.ctl.set(func(f *fakeControl) { f.fail["Peers"] = control.ErrDenied })
		w.tap("action.reload")
		w.want("cause.denied")
		w.nav.back()
		before := len(w.ctl.calls("Peers"))
		time.Sleep(time.Minute)
		w.settle()
		if after := len(w.ctl.calls("Peers")); after != before {
			t.Errorf("%d requests while nobody looks", after-before)
		}
	})
}

// What is stored once and counted twice is said.
func TestStoreWithBlocksInCommon(t *testing.T) {
	for used, key := range map[int64]string{1_500_000: "network.store.shared", 2_000_000: "network.store.total"} {
		inWindow(t, func(c *fakeControl, _ *fakeDesktop) {
			c.status.Store = control.Store{Used: used, Budget: 1e9, Own: 2_000_000}
		}, func(w *opened) {
			w.tap("nav.network")
			w.want(w.App.t(key, "used", w.bytes(used), "budget", w.bytes(1e9)))
		})
	}
}

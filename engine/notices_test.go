package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/resolver"
	"altnet/engine/wire"
)

func TestCopiesAreNews(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	one, two := wire.Hash{1}, wire.Hash{2}
	var state told
	for i, step := range []struct {
		root   wire.Hash
		after  time.Duration
		copies int
		news   bool
	}{
		{one, 0, 0, false}, // growing
		{one, time.Hour, 1, false},
		{one, 2 * time.Hour, 2, false},
		{one, 3 * time.Hour, 1, false}, // a peer restarts …
		{one, 3*time.Hour + lowGrace - 1, 1, false},
		{one, 4 * time.Hour, 2, false}, // … and is back
		{one, 5 * time.Hour, 1, false},
		{one, 6 * time.Hour, 0, true}, // gone
		{one, 7 * time.Hour, 0, false},
		{one, 8 * time.Hour, 1, false},
		{one, 9 * time.Hour, 4, false},
		{one, 10 * time.Hour, 1, false},
		{one, 11 * time.Hour, 1, true}, // another event
		{two, 12 * time.Hour, 0, false},
		{two, 20 * time.Hour, 1, false}, // a new version that never had enough
		{two, 21 * time.Hour, 3, false},
		{two, 22 * time.Hour, 1, false},
		{two, 10 * time.Hour, 1, false}, // the clock is set back
		{two, 10*time.Hour + lowGrace, 1, true},
	} {
		if news := state.copies(step.root, step.copies, start.Add(step.after)); news != step.news {
			t.Errorf("step %d %+v: news %v", i, step, news)
		}
	}
}

func TestExpiryIsNews(t *testing.T) {
	issued := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	var state told
	for i, step := range []struct {
		life, after time.Duration
		news        bool
	}{
		{90 * day, 60 * day, false},
		{90 * day, 82 * day, false},
		{90 * day, 83 * day, true},
		{90 * day, 84 * day, false},
		{90 * day, 95 * day, false},
		{120 * day, 96 * day, false}, // renewed
		{120 * day, 121 * day, true}, // the node was off meanwhile
		{4 * time.Hour, 2 * time.Hour, false},
		{4 * time.Hour, 3 * time.Hour, true},
	} {
		if news := state.expiring(issued, issued.Add(step.life), issued.Add(step.after)); news != step.news {
			t.Errorf("step %d %+v: news %v", i, step, news)
		}
	}
}

// notices returns what a caller is told while f runs and time passes.
func notices(v *virtual, e *Engine, f func()) (out []control.Notice) {
	for _, ev := range usersEvents(v.t, e, v.t.Context(), f) {
		if ev.Notice != nil {
			out = append(out, *ev.Notice)
		}
	}
	return out
}

func wantNotices(t *testing.T, what string, got []control.Notice, want ...control.NoticeKind) {
	t.Helper()
	var kinds []control.NoticeKind
	for _, n := range got {
		kinds = append(kinds, n.Kind)
		if n.Text == "" {
			t.Errorf("%s: a notice without a text: %+v", what, n)
		}
	}
	if len(kinds) != len(want) {
		t.Fatalf("%s: told %v, want %v", what, got, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Errorf("%s: told %v, want %v", what, got, want)
		}
	}
}

// A publisher hears that a site is out, once, and that its copies are gone.
func TestNoticesOfOwnSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		aloof := func(c *Config) { c.NoVolunteer = true }
		e := v.node(aloof, nodes[0])
		v.settle()
		r := record.Record{}
		told := notices(v, e, func() {
			r = publishAs(t, e, 3, "", "own", nil)
			v.pass(30 * time.Minute)
		})
		wantNotices(t, "published", told, control.NoticePublished)
		if !strings.Contains(told[0].Text, told[0].Name) || told[0].Name != host(r) {
			t.Errorf("published: %+v", told[0])
		}
		v.node(aloof, e)
		told = notices(v, e, func() {
			for _, n := range nodes {
				v.kill(n)
			}
			v.pass(24 * time.Hour)
		})
		wantNotices(t, "the holders are gone", told, control.NoticeCopiesLow)
		e = v.again(e, nil)
		wantNotices(t, "started again", notices(v, e, func() { v.pass(24 * time.Hour) }))
	})
}

// Who pinned a site hears of its updates, and that its author is gone.
func TestNoticesOfPinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		one := publishAs(t, nodes[1], 3, "", "one", nil)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		if err := e.SetPinned(t.Context(), host(one), true); err != nil {
			t.Fatal(err)
		}
		told := notices(v, e, func() {
			publishAs(t, nodes[1], 3, "", "two", func(r *record.Record) { r.Expires = r.Issued + uint64(20*time.Hour/time.Millisecond) })
			v.pass(2 * time.Hour)
		})
		wantNotices(t, "updated", told, control.NoticeSiteUpdated)
		told = notices(v, e, func() { v.pass(22 * time.Hour) })
		wantNotices(t, "not renewed", told, control.NoticeExpiring)
		if told[0].Name != host(one) {
			t.Errorf("ends soon: %+v", told[0])
		}
	})
}

// An author hears that another device of theirs published the same site.
func TestNoticeOfTwoDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		one := publishAs(t, e, 3, "", "from the desk", nil)
		v.pass(time.Hour)
		told := notices(v, e, func() {
			publishAs(t, nodes[2], 3, "", "from the laptop", nil)
			v.pass(5 * time.Hour)
		})
		wantNotices(t, "two devices", told, control.NoticeTwoDevices)
		if told[0].Name != host(one) {
			t.Errorf("two devices: %+v", told[0])
		}
		told = notices(v, e, func() {
			publishAs(t, e, 3, "", "from the desk again", nil)
			v.pass(5 * time.Hour)
		})
		wantNotices(t, "published over it", told, control.NoticePublished)
	})
}

func TestNoticeOfAnotherOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		first := publishAs(t, nodes[1], 1, pair, "first", func(r *record.Record) { r.Expires = r.Issued + uint64(time.Hour/time.Millisecond) })
		reader := v.node(func(c *Config) { c.Listen = nil }, nodes[0])
		v.settle()
		resolves(t, reader, "pair.alt", first, 0)
		for _, e := range nodes {
			v.kill(e)
		}
		v.pass(2 * time.Hour)
		others := v.nodes(3)
		publishAs(t, others[1], 2, pair, "second", nil)
		if _, err := reader.Connect(t.Context(), others[0].cfg.Listen[0]); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		told := notices(v, reader, func() {
			for range 3 {
				if _, err := reader.Resolve(t.Context(), "pair.alt"); !errors.Is(err, control.ErrOwnerChanged) {
					t.Errorf("resolve: %v", err)
				}
				ask(t, reader, "http://pair.alt/")
				v.pass(time.Hour)
			}
		})
		wantNotices(t, "another owner", told, control.NoticeOwnerChanged)
	})
}

// On a computer of several users what one of them opens in a browser is told
// to nobody but administrators.
func TestNoticesTellNothingOfOthers(t *testing.T) {
	e, err := Open(t.Context(), Config{Data: t.TempDir(), NoSync: true, Host: control.HostService})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r := e.events.join(control.Caller{User: "1000", Local: true})
	defer e.events.leave(r)
	name, err := record.ParseName("opened.alt", "alt")
	if err != nil {
		t.Fatal(err)
	}
	out := resolver.Resolution{Name: name}
	e.tellOwnerChanged(t.Context(), out)
	select {
	case ev := <-r.events:
		t.Errorf("another user is told %+v", ev.Notice)
	default:
	}
	e.tellOwnerChanged(control.WithCaller(t.Context(), control.Caller{User: "1000", Local: true}), out)
	select {
	case <-r.events:
	default:
		t.Error("who asked is not told")
	}
}

func TestDiskFullIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		told := notices(v, e, func() {
			for range 20 {
				signal(e.full)
				v.pass(time.Hour)
			}
		})
		wantNotices(t, "a disk that stays full", told, control.NoticeDiskFull)
		v.pass(fullQuiet)
		told = notices(v, e, func() { signal(e.full) })
		wantNotices(t, "full again", told, control.NoticeDiskFull)
	})
}

// Own sites that fill the budget are news once, and again after there was room.
func TestCrowdedIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil)
		publishFolder(t, e, 3, folder(t, 10, 100_000))
		s := e.chosen()
		for _, step := range []struct {
			budget int64
			want   []control.NoticeKind
		}{
			{2 << 20, nil}, {control.MinDiskBudget, []control.NoticeKind{control.NoticeDiskFull}}, {control.MinDiskBudget, nil},
			{2 << 20, nil}, {control.MinDiskBudget, []control.NoticeKind{control.NoticeDiskFull}},
		} {
			told := notices(v, e, func() {
				s.DiskBudget = step.budget
				if err := e.SetSettings(t.Context(), s); err != nil {
					t.Error(err)
				}
				v.pass(30 * time.Minute)
			})
			wantNotices(t, "crowded", told, step.want...)
		}
	})
}

// Forget erases what is others', and the network looks for it elsewhere.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(2)
		e := v.node(nil, nodes[0])
		v.settle()
		others := publishFolder(t, nodes[1], 3, folder(t, 10, 50_000))
		pinned := publishAs(t, nodes[1], 4, "", "pinned", nil)
		own := publishAs(t, e, 5, "", "own", nil)
		if err := e.SetPinned(t.Context(), host(pinned), true); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Hour)
		if s := standing(t, e); s.Keeping == 0 || s.Store.Leased < 400_000 {
			t.Fatalf("nothing is kept for others: %+v", s.Store)
		}
		s := e.chosen()
		s.Volunteer = false
		if err := e.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		freed, err := e.Forget(t.Context())
		if err != nil || freed < 400_000 {
			t.Errorf("freed %d, %v", freed, err)
		}
		v.pass(24 * time.Hour)
		st := standing(t, e)
		if st.Keeping != 0 || st.Store.Leased != 0 || st.Store.Cache > 50_000 || e.keepsFor(others.Content) {
			t.Errorf("a day later: %d kept, %+v", st.Keeping, st.Store)
		}
		if !e.keepsFor(pinned.Content) || !e.keepsFor(own.Content) {
			t.Error("own or pinned sites are gone")
		}
		holders, err := nodes[0].holders(t.Context(), others.Content)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range holders {
			if p.ID == e.key.ID() {
				t.Error("the network still looks for the site here")
			}
		}
	})
}

// Visited sites are handed on only where that was chosen, and as long.
func TestShareVisited(t *testing.T) {
	for _, c := range []struct {
		share        control.Share
		soon, later  bool // handed on within the visit, two hours later
		afterRestart bool
	}{
		{control.ShareNever, false, false, false},
		{control.ShareVisiting, true, false, false},
		{control.ShareAlways, true, true, true},
	} {
		t.Run(string(c.share), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVirtual(t)
				nodes := v.nodes(3)
				e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
				v.settle()
				before := publishAs(t, nodes[1], 3, "", "read before the choice", nil)
				opens(t, e, host(before), "before")
				s := e.chosen()
				s.Share = c.share
				if err := e.SetSettings(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				dir := folder(t, 5, 50_000)
				if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("front page"), 0o600); err != nil {
					t.Fatal(err)
				}
				r := publishFolder(t, nodes[1], 4, dir)
				opens(t, e, host(r), "front page")
				v.pass(10 * time.Minute)
				check := func(when string, want bool) {
					t.Helper()
					if got := v.handsOn(e, nodes[0], r); got != want {
						t.Errorf("%s: handed on %v", when, got)
					}
					if v.handsOn(e, nodes[0], before) {
						t.Errorf("%s: what was read before the choice is handed on", when)
					}
				}
				check("at once", c.soon)
				v.pass(2 * time.Hour)
				check("later", c.later)
				e = v.again(e, nil)
				v.pass(time.Hour)
				check("after a restart", c.afterRestart)
				s.Share = control.ShareNever
				if err := e.SetSettings(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				v.pass(time.Minute)
				check("taken back", false)
			})
		})
	}
}

// handsOn reports whether the network knows a node as a holder of a site, and
// it answers as one; one without the other is a failure.
func (v *virtual) handsOn(e, asking *Engine, r record.Record) bool {
	v.t.Helper()
	holders, err := asking.holders(v.t.Context(), r.Content)
	if err != nil {
		v.t.Fatal(err)
	}
	known := false
	for _, p := range holders {
		known = known || p.ID == e.key.ID()
	}
	m, err := asking.host.Request(v.t.Context(), e.host.Self(), wire.GetHave{Root: r.Content})
	have, ok := m.(wire.Have)
	if err != nil || !ok {
		v.t.Fatalf("asked for what it has: %T, %v", m, err)
	}
	if have.Full != known {
		v.t.Errorf("known as a holder %v, answers as one %v", known, have.Full)
	}
	return known
}

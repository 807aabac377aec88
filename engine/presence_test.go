package engine

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

func TestPresenceDecides(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	later := now.Add(time.Hour)
	set := func(f func(*control.Settings)) control.Settings {
		s := control.Settings{Accepted: now}
		f(&s)
		return s
	}
	both := set(func(s *control.Settings) { s.PauseOnBattery, s.PauseOnMetered = true, true })
	for name, c := range map[string]struct {
		p      presence
		active bool
		why    control.PauseReason
	}{
		"offline":                      {presence{}, false, ""},
		"offline and paused":           {presence{until: later, monthOver: true}, false, ""},
		"online":                       {presence{online: true}, true, ""},
		"asked, not accepted":          {presence{online: true, asks: true}, false, ""},
		"asked and accepted":           {presence{online: true, asks: true, settings: both}, true, ""},
		"paused":                       {presence{online: true, until: later}, false, control.PauseUser},
		"the pause is over":            {presence{online: true, until: now}, true, ""},
		"month":                        {presence{online: true, monthOver: true}, false, control.PauseMonth},
		"paused, and the month is out": {presence{online: true, until: later, monthOver: true}, false, control.PauseUser},
		"battery":                      {presence{online: true, settings: both, power: Power{OnBattery: true}}, false, control.PauseBattery},
		"metered":                      {presence{online: true, settings: both, power: Power{Metered: true}}, false, control.PauseMetered},
		"metered on battery":           {presence{online: true, settings: both, power: Power{true, true}}, false, control.PauseMetered},
		"battery does not matter":      {presence{online: true, power: Power{true, true}}, true, ""},
	} {
		active, why := c.p.decide(now)
		reason := control.PauseReason("")
		if why != nil {
			reason = why.Reason
		}
		if active != c.active || reason != c.why {
			t.Errorf("%s: active %v, %q", name, active, reason)
		}
		if reason == control.PauseUser && !why.Until.Equal(later) {
			t.Errorf("%s: until %v", name, why.Until)
		}
	}
}

// standing is how a node's network stands.
func standing(t *testing.T, e *Engine) control.Status {
	t.Helper()
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// silent checks that nothing crosses the network for an hour.
func (v *virtual) silent(e *Engine, what string) {
	v.t.Helper()
	up, down := e.host.Traffic()
	v.pass(time.Hour)
	if u, d := e.host.Traffic(); u != up || d != down || standing(v.t, e).Peers != 0 {
		v.t.Errorf("%s: %d bytes up and %d down in an hour", what, u-up, d-down)
	}
}

// A pause is silent, outlives a restart and ends by itself.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		seen := publishAs(t, nodes[1], 3, "", "seen", nil)
		e := nodes[2]
		opens(t, e, host(seen), "seen")
		until := time.Now().Add(5 * time.Hour)
		if err := e.Pause(t.Context(), until); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Second)
		v.silent(e, "paused")
		opens(t, e, host(seen), "seen")
		e = v.again(e, nil)
		s := standing(t, e)
		if !s.Online || s.Paused == nil || s.Paused.Reason != control.PauseUser || !s.Paused.Until.Equal(until) {
			t.Errorf("after a restart: %+v, %+v", s, s.Paused)
		}
		v.silent(e, "paused and started again")
		v.pass(time.Until(until) + 10*time.Second)
		if s := standing(t, e); s.Paused != nil || !s.Connected {
			t.Errorf("ten seconds after the pause: %+v, %+v", s, s.Paused)
		}
		for _, end := range []time.Time{{}, time.Now().Add(-time.Hour)} {
			if err := e.Pause(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			v.pass(time.Minute)
			if err := e.Pause(t.Context(), end); err != nil {
				t.Fatal(err)
			}
			v.pass(10 * time.Second)
			if s := standing(t, e); s.Paused != nil || !s.Connected {
				t.Errorf("resumed with %v: %+v, %+v", end, s, s.Paused)
			}
		}
	})
}

// A node that asks first waits for the answer, which can be taken back.
func TestConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		e := v.node(func(c *Config) { c.AskFirst = true }, nodes[0])
		v.silent(e, "nobody was asked yet")
		if s := standing(t, e); s.Accepted || s.Online || s.Paused != nil {
			t.Errorf("not asked: %+v", s)
		}
		s, err := e.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Accepted = time.Now()
		if err := e.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		v.settle()
		if s := standing(t, e); !s.Accepted || !s.Online || !s.Connected {
			t.Errorf("accepted: %+v", s)
		}
		e = v.again(e, nil)
		v.settle()
		if s := standing(t, e); !s.Accepted || !s.Connected {
			t.Errorf("accepted, after a restart: %+v", s)
		}
		s.Accepted = time.Time{}
		if err := e.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		v.silent(e, "consent taken back")
		// A node that never asked heeds it as well.
		d := nodes[1]
		s = d.chosen()
		s.Accepted = time.Now()
		if err := d.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		s.Accepted = time.Time{}
		if err := d.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		v.silent(d, "consent taken back from a node by hand")
	})
}

// machine is a System whose power a test changes.
type machine chan Power

func (m machine) Power(ctx context.Context) iter.Seq[Power] {
	return func(yield func(Power) bool) {
		for {
			select {
			case p := <-m:
				if !yield(p) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

func TestBatteryAndMetered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		first := v.node(nil)
		m := make(machine)
		e := v.node(func(c *Config) { c.System = m }, first)
		s := e.chosen()
		s.PauseOnBattery = true
		if err := e.SetSettings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			power Power
			why   control.PauseReason
		}{
			{Power{}, ""}, {Power{OnBattery: true}, control.PauseBattery}, {Power{Metered: true}, ""}, {Power{true, true}, control.PauseBattery}, {Power{}, ""},
		} {
			m <- step.power
			v.settle()
			s := standing(t, e)
			if paused := s.Paused != nil; paused != (step.why != "") || paused && s.Paused.Reason != step.why || s.Connected == paused {
				t.Errorf("%+v: %+v, connected %v", step.power, s.Paused, s.Connected)
			}
		}
	})
}

// What was set outlives a restart; of a setting and a flag the later counts.
func TestSettingsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil, v.node(nil))
		want := control.Settings{
			Accepted: time.Now().UTC().Round(0), DiskBudget: 2 << 30, UpLimit: 1 << 20, DownLimit: 2 << 20, MonthLimit: 1 << 40,
			PauseOnBattery: true, PauseOnMetered: true, Share: control.ShareVisiting, HTTPS: true,
		}
		if err := e.SetSettings(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if role := e.host.Self().Role; role&wire.RoleVolunteer != 0 {
			t.Error("the node's record still volunteers")
		}
		bad := want
		bad.DiskBudget = 5
		if err := e.SetSettings(t.Context(), bad); control.Code(err) != "invalid" {
			t.Errorf("a budget of 5 bytes: %v", err)
		}
		e = v.again(e, nil)
		got, err := e.Settings(t.Context())
		if err != nil || got != want {
			t.Errorf("after a restart %+v, want %+v, %v", got, want, err)
		}
		if b := standing(t, e).Store.Budget; b != 2<<30 {
			t.Errorf("a budget of %d is in force", b)
		}
		e = v.again(e, func(c *Config) { c.StoreBudget = 3 << 30 })
		if got := e.chosen(); got.DiskBudget != 3<<30 || got.Volunteer || got.UpLimit != want.UpLimit {
			t.Errorf("with another flag: %+v", got)
		}
	})
}

// publishFolder publishes a folder in the name of one of the test's owners.
func publishFolder(t *testing.T, e *Engine, owner byte, dir string) record.Record {
	t.Helper()
	root, size := put(t, e, dir)
	r := sign(t, e, owner, "", func(r *record.Record) { r.Content, r.Size = root, size })
	if _, err := e.Publish(t.Context(), control.PublishRequest{Record: r.Raw}); err != nil {
		t.Fatal(err)
	}
	return r
}

// The month's limit pauses the node, is told once, and ends with the month.
func TestMonthLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		e := v.node(func(c *Config) { c.NoVolunteer = true }, nodes[0])
		v.settle()
		s := e.chosen()
		s.MonthLimit = control.MinMonth
		big := publishFolder(t, nodes[1], 4, folder(t, 30, 100_000))
		seen := usersEvents(t, e, t.Context(), func() {
			if err := e.SetSettings(t.Context(), s); err != nil {
				t.Error(err)
			}
			if _, err := e.swarm.Fetch(t.Context(), big.Content, site.FetchOptions{}); err == nil {
				t.Error("three megabytes fit a limit of one")
			}
		})
		st := standing(t, e)
		if st.Paused == nil || st.Paused.Reason != control.PauseMonth || st.Connected || !st.Paused.Until.Equal(monthEnd(time.Now())) {
			t.Fatalf("over the limit: %+v, %+v", st, st.Paused)
		}
		if st.MonthUsed < s.MonthLimit || st.MonthUsed > 2*s.MonthLimit {
			t.Errorf("%d bytes of %d were used", st.MonthUsed, s.MonthLimit)
		}
		if n := toldOf(seen, control.NoticeMonthLimit); n != 1 {
			t.Errorf("told %d times", n)
		}
		e = v.again(e, nil)
		seen = usersEvents(t, e, t.Context(), func() { v.silent(e, "over the limit") })
		if n := toldOf(seen, control.NoticeMonthLimit); n != 0 || standing(t, e).MonthUsed < s.MonthLimit {
			t.Errorf("after a restart: told %d times, %d bytes used", n, standing(t, e).MonthUsed)
		}
		for _, e := range nodes { // a month of theirs takes half a minute
			v.kill(e)
		}
		v.pass(time.Until(monthEnd(time.Now())) + 2*time.Minute)
		v.node(nil, e)
		v.settle()
		if st := standing(t, e); st.Paused != nil || !st.Connected || st.MonthUsed > s.MonthLimit/2 {
			t.Errorf("in the next month: %+v, %+v", st, st.Paused)
		}
	})
}

func toldOf(seen []control.Event, kind control.NoticeKind) (n int) {
	for _, ev := range seen {
		if ev.Notice != nil && ev.Notice.Kind == kind {
			n++
		}
	}
	return n
}

// The count belongs to the month that the clock shows, through restarts and
// clocks that are set wrong and right again.
func TestMonthCounts(t *testing.T) {
	at := func(s string) time.Time {
		out, err := time.Parse("2006-01-02", s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	m := &month{}
	traffic := uint64(0)
	for _, step := range []struct {
		day     string
		more    uint64
		restart bool
		used    int64
	}{
		{"2026-11-02", 100, false, 100},
		{"2026-11-30", 50, false, 150},
		{"2026-12-01", 0, false, 0},
		{"2026-12-01", 7, false, 7},
		{"2026-12-02", 3, true, 10},
		{"2031-05-05", 1000, false, 1000}, // the clock jumps ahead …
		{"2026-12-03", 5, true, 15},       // … and back: nothing was lost
		{"1970-01-01", 9, false, 9},       // or to its beginning
		{"2026-12-04", 1, true, 16},
		{"2026-11-30", 1, false, 151},
	} {
		if step.restart {
			m, traffic = &month{book: m.book}, 0
		}
		traffic += step.more
		now := at(step.day)
		m.count(now, traffic)
		if got := m.used(now); got != step.used {
			t.Errorf("%+v: %d used", step, got)
		}
	}
	for i := range 40 { // a clock gone mad
		m.count(at("2027-01-01").AddDate(0, i, 0), traffic+uint64(i)+1)
	}
	if len(m.book.Used) > monthsKept {
		t.Errorf("%d months are kept", len(m.book.Used))
	}
	if now := at("2031-03-01"); monthEnd(now) != at("2031-04-01") || monthEnd(at("2026-12-31")) != at("2027-01-01") {
		t.Error("months end at other times")
	}
}

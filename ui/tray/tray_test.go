package tray

import (
	"slices"
	"strings"
	"testing"
	"time"

	"altnet/assets"
	"altnet/engine/control"
)

func texts(t *testing.T, lang string) assets.Texts {
	t.Helper()
	c, err := assets.OpenAgent()
	if err != nil {
		t.Fatal(err)
	}
	return c.For(lang)
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// up is a node that is online with peers, and two sites.
func up(change ...func(*State)) State {
	s := State{
		Link:   Up,
		Status: control.Status{Online: true, Connected: true, Accepted: true, Peers: 14},
		Sites:  []control.Site{{Name: "a.alt", Address: "k1.alt", Own: true}, {Name: "b.alt", Address: "k2.alt", Own: true, Sleeps: true}},
		Open:   func(name string) string { return "http://" + name + "/" },
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func paused(reason control.PauseReason, until time.Time) func(*State) {
	return func(s *State) { s.Status.Paused = &control.Paused{Reason: reason, Until: until} }
}

func actions(menu []Item) (all []Action) {
	for _, item := range flatten(menu) {
		if item.Action != Nothing && !item.Disabled {
			all = append(all, item.Action)
		}
	}
	return all
}

func TestViews(t *testing.T) {
	en := texts(t, "en")
	full := []Action{OpenWindow, Publish, OpenSite, OpenSite}
	for name, c := range map[string]struct {
		state   State
		icon    Icon
		line    string
		actions []Action
	}{
		"starting": {State{}, Offline, "Starting…", []Action{OpenWindow, Quit}},
		"online":   {up(), Online, "Connected to 14 peers", append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"one peer": {up(func(s *State) { s.Status.Peers = 1 }), Online, "Connected to 1 peer", append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"relay": {up(func(s *State) { s.Status.Reach = control.ReachRelay }), Online, "Connected to 14 peers, reachable through a relay",
			append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"alone": {up(func(s *State) { s.Status.Connected = false }), Working, "Online, looking for peers…", append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"working": {up(func(s *State) { s.Tasks = map[string]time.Time{"offer": noon} }), Working, "Connected to 14 peers",
			append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"a task nobody spoke of for long": {up(func(s *State) { s.Tasks = map[string]time.Time{"offer": noon.Add(-time.Hour)} }), Online,
			"Connected to 14 peers", append(slices.Clone(full), GoOffline, PauseHour, Quit)},
		"offline": {up(func(s *State) { s.Status.Online = false }), Offline, "Offline", append(slices.Clone(full), GoOnline, Quit)},
		"pausing": {up(paused(control.PauseUser, noon.Add(time.Hour))), Offline, "Paused until " + noon.Add(time.Hour).Local().Format("15:04"),
			append(slices.Clone(full), GoOffline, Resume, Quit)},
		"on battery":   {up(paused(control.PauseBattery, time.Time{})), Offline, "Paused while on battery", append(slices.Clone(full), GoOffline, Resume, Quit)},
		"asking":       {up(func(s *State) { s.Status = control.Status{} }), Offline, "Waiting for you to get started", []Action{OpenWindow, Quit}},
		"down":         {State{Link: Down}, Attention, "AltNet's node does not run", []Action{OpenWindow, Quit}},
		"service down": {State{Link: ServiceDown, Service: true}, Attention, "The AltNet service is stopped", []Action{OpenWindow, StartService, Quit}},
		"alert": {up().WithAlert("x", "b.alt has few copies"), Attention, "Connected to 14 peers",
			append(append([]Action{OpenWindow}, full...), GoOffline, PauseHour, Quit)},
	} {
		v := ViewOf(c.state, en, noon)
		if v.Icon != c.icon || v.Menu[0].Label != c.line || !v.Menu[0].Disabled || v.Tooltip != "AltNet: "+c.line {
			t.Errorf("%s: %s, %q, %q", name, v.Icon, v.Menu[0].Label, v.Tooltip)
		}
		if got := actions(v.Menu); !slices.Equal(got, c.actions) {
			t.Errorf("%s: %v, want %v", name, got, c.actions)
		}
	}
}

// Every language has a text for all that a menu may show.
func TestTexts(t *testing.T) {
	states := []State{{}, up(), {Link: Down}, {Link: ServiceDown, Service: true}, up(func(s *State) { s.Sites = nil })}
	for _, r := range []control.PauseReason{control.PauseUser, control.PauseBattery, control.PauseMetered, control.PauseMonth} {
		states = append(states, up(paused(r, noon.Add(time.Minute))))
	}
	for _, lang := range []string{"en", "de"} {
		texts := texts(t, lang)
		if texts.Lang != lang {
			t.Fatalf("there is no %s", lang)
		}
		for _, s := range states {
			for _, item := range flatten(ViewOf(s, texts, noon).Menu) {
				for _, prefix := range []string{"menu.", "state.", "site."} {
					if strings.HasPrefix(item.Label, prefix) {
						t.Errorf("%s: %s has no text", lang, item.Label)
					}
				}
			}
		}
	}
}

func TestSites(t *testing.T) {
	s := up()
	for range 40 {
		s.Sites = append(s.Sites, control.Site{Name: strings.Repeat("k", 60) + ".alt", Own: true})
	}
	s.Sites = append(s.Sites, control.Site{Name: "gone.alt", Withdrawn: true})
	items := sites(s, texts(t, "en")).Items
	if len(items) != mostSites+1 || items[mostSites].Action != OpenWindow {
		t.Errorf("%d sites are listed", len(items))
	}
	if items[0].Arg != "http://a.alt/" || items[1].Label != "b.alt (sleeps with this computer)" {
		t.Errorf("the first two: %+v", items[:2])
	}
	if n := len([]rune(items[2].Label)); n > 40 {
		t.Errorf("a label of %d characters", n)
	}
}

func TestEvents(t *testing.T) {
	s := up().WithAlert(Subject(control.NoticeCopiesLow, "b.alt"), "few").With(control.Event{
		Kind: control.EventReceipt, Receipt: &control.Receipt{Name: "b.alt", Address: "k2.alt", Copies: 3}})
	if s.Sites[1].Copies != 3 || s.Sites[1].Sleeps || len(s.Alerts) != 0 {
		t.Errorf("after a better receipt: %+v, %v", s.Sites[1], s.Alerts)
	}
	before := s
	s = s.With(control.Event{Kind: control.EventSite, Site: &control.Site{Name: "a.alt", Address: "k1.alt", Own: true, Withdrawn: true}})
	if len(s.Sites) != 1 || len(before.Sites) != 2 || before.Sites[0].Name != "a.alt" {
		t.Errorf("after a withdrawal: %+v, before: %+v", s.Sites, before.Sites)
	}
	progress := func(done int64) control.Event {
		return control.Event{Kind: control.EventProgress, Time: noon, Progress: &control.Progress{Task: "pin", Name: "b.alt", Done: done, Total: 9}}
	}
	if s = s.With(progress(3)); !s.working(noon) {
		t.Error("a task is not seen")
	}
	if s = s.With(progress(9)); s.working(noon) {
		t.Error("the end of a task is not seen")
	}
	s = State{}.With(control.Event{Kind: control.EventStatus, Status: &control.Status{Online: true, Accepted: true}})
	if s.Link != Up || !s.Status.Online {
		t.Errorf("after a status: %+v", s)
	}
}

// fakeBar notes what a drawer does.
type fakeBar struct {
	did   []string
	lines []*fakeLine
}

type fakeLine struct {
	bar   *fakeBar
	label string
	click chan struct{}
}

func (b *fakeBar) note(s string)       { b.did = append(b.did, s) }
func (b *fakeBar) icon(data []byte)    { b.note("icon " + string(data)) }
func (b *fakeBar) tooltip(text string) { b.note("tooltip") }
func (b *fakeBar) rule()               {}
func (b *fakeBar) reset() {
	for _, l := range b.lines {
		close(l.click)
	}
	b.lines = nil
	b.note("reset")
}

func (b *fakeBar) add(_ line, label string) line {
	l := &fakeLine{b, label, make(chan struct{})}
	b.lines = append(b.lines, l)
	return l
}

func (l *fakeLine) clicks() <-chan struct{} { return l.click }
func (l *fakeLine) title(s string)          { l.label = s; l.bar.note("title " + s) }
func (l *fakeLine) enable(on bool)          {}

func TestDrawChangesLittle(t *testing.T) {
	b := &fakeBar{}
	clicked := make(chan string, 1)
	d := drawer{bar: b, config: Config{Icons: map[Icon][]byte{Online: []byte("on"), Working: []byte("work")},
		Clicked: func(a Action, arg string) { clicked <- string(a) + " " + arg }}}
	defer b.reset()
	en := texts(t, "en")
	d.draw(ViewOf(up(), en, noon))
	b.did = nil
	d.draw(ViewOf(up(), en, noon))
	if len(b.did) != 0 {
		t.Errorf("the same again: %v", b.did)
	}
	d.draw(ViewOf(up(func(s *State) { s.Status.Peers = 15 }), en, noon))
	if !slices.Equal(b.did, []string{"tooltip", "title Connected to 15 peers"}) {
		t.Errorf("another number: %v", b.did)
	}
	b.did = nil
	d.draw(ViewOf(up(func(s *State) { s.Sites = s.Sites[:1] }), en, noon))
	if !slices.Contains(b.did, "reset") {
		t.Errorf("a site less: %v", b.did)
	}
	i := slices.IndexFunc(b.lines, func(l *fakeLine) bool { return l.label == "a.alt" })
	b.lines[i].click <- struct{}{}
	if got := <-clicked; got != "site http://a.alt/" {
		t.Errorf("a click asks for %q", got)
	}
}

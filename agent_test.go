package main

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/platform/instance"
	"altnet/platform/relocate"
	"altnet/ui/tray"
)

func TestChooseRole(t *testing.T) {
	desk := surroundings{window: true, display: true, folder: func(p string) bool { return strings.HasPrefix(p, "/") }}
	for _, c := range []struct {
		args   []string
		change func(*surroundings)
		want   role
	}{
		{nil, nil, asDesktop},
		{[]string{"-data", "/d", "-profile", "/p"}, nil, asDesktop},
		{nil, func(s *surroundings) { s.display = false }, asNode},
		{nil, func(s *surroundings) { s.window = false }, asNode},
		{[]string{"-headless"}, nil, asNode},
		{[]string{"-listen", "127.0.0.1:1"}, nil, asNode},
		{[]string{"/home/x/my site"}, nil, asDesktop},
		{[]string{"/a", "/b"}, nil, asDesktop},
		{[]string{"/a", "b"}, nil, asCommand},
		{[]string{"/a"}, func(s *surroundings) { s.display = false }, asCommand},
		{[]string{"status"}, nil, asCommand},
		{[]string{"publish", "/a"}, nil, asCommand},
		{[]string{"agent"}, nil, asCommand},
		{[]string{"nonsense"}, nil, asCommand},
		{[]string{"window"}, nil, asWindow},
	} {
		o, words, err := parse(c.args)
		if err != nil {
			t.Fatal(err)
		}
		s := desk
		if c.change != nil {
			c.change(&s)
		}
		if got := choose(o, words, s); got != c.want {
			t.Errorf("%v: %d, want %d", c.args, got, c.want)
		}
	}
}

func TestAgentArgs(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{nil, []string{"agent"}},
		{[]string{"/home/x/site"}, []string{"agent"}},
		{[]string{"-data", "/d", "agent"}, []string{"-data", "/d", "agent"}},
		{[]string{"agent", "-profile", "/p"}, []string{"-profile", "/p", "agent"}},
		{[]string{"-data=/d", "/a", "/b"}, []string{"-data=/d", "agent"}},
	} {
		if got := agentArgs(c.args); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.args, got, c.want)
		}
	}
}

func TestRequestOf(t *testing.T) {
	for _, c := range []struct {
		r    instance.Request
		want string
	}{
		{show{window: true}.request(), "raise"},
		{show{window: true, folders: []string{"/a"}}.request(), "publish"},
		{show{window: true, site: "a.alt"}.request(), "site"},
		{instance.Request{Env: map[string]string{"publish": "ask"}}, "pick"},
	} {
		if got := requestOf(c.r); got.Do != c.want {
			t.Errorf("%+v: %s, want %s", c.r, got.Do, c.want)
		}
	}
}

func TestWindowEnv(t *testing.T) {
	env := windowEnv([]string{"DISPLAY=:0", "HOME=/h"}, map[string]string{"DISPLAY": ":7", "site": "a.alt"}, true)
	want := []string{"DISPLAY=:0", "HOME=/h", pipeVariable + "=1", "DISPLAY=:7", "LIBGL_ALWAYS_SOFTWARE=1"}
	if !slices.Equal(env, want) { // the last of one name counts
		t.Errorf("%v", env)
	}
}

func TestHopelessWindowsAreGivenUp(t *testing.T) {
	gaveUp := 0
	w := &lastWords{keep: 64, hopeless: noOpenGL, giveUp: func() { gaveUp++ }}
	for _, said := range []string{"starting\n", "Fyne error:  window creation error\n", "Cause: GLX: no\n", strings.Repeat("x", 100)} {
		w.Write([]byte(said))
	}
	if gaveUp != 1 || len(w.String()) != 64 {
		t.Errorf("given up %d times, kept %q", gaveUp, w.String())
	}
	e := &windowError{errors.New("exit status 1"), w.String(), time.Second}
	if got := e.Error(); got != "exit status 1: starting" {
		t.Errorf("said %q", got)
	}
	for said, want := range map[string]bool{"panic: nil": false, "Cause: APIUnavailable: GLX: GLX extension not found": true, "": false} {
		if noOpenGL(said) != want {
			t.Errorf("%q: %v", said, !want)
		}
	}
}

func TestNotes(t *testing.T) {
	kinds := []control.NoticeKind{control.NoticePublished, control.NoticeCopiesLow, control.NoticeExpiring, control.NoticeOwnerChanged,
		control.NoticeSiteUpdated, control.NoticeTwoDevices, control.NoticeDiskFull, control.NoticeMonthLimit, control.NoticeOther, "of a later version"}
	for _, lang := range []string{"en", "de"} {
		texts, err := agentTexts(preferences{Language: lang})
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			n := noteOf(control.Notice{Kind: kind, Name: "a.alt", Text: "plain"}, texts)
			if n.Title == "" || n.Body == "" || strings.Contains(n.Title+n.Body, "note.") || strings.Contains(n.Title+n.Body, "{") {
				t.Errorf("%s %s: %+v", lang, kind, n)
			}
			if n.Subject != tray.Subject(kind, "a.alt") || n.Urgent != alerting(kind) {
				t.Errorf("%s: %+v", kind, n)
			}
		}
	}
}

func TestPreferencesArePassedOn(t *testing.T) {
	p := prefsFile{filepath.Join(t.TempDir(), "profile")}
	if got, err := p.load(); err != nil || got.Welcomed {
		t.Fatalf("before the first: %+v, %v", got, err)
	}
	for _, folder := range []string{"/a", "/b"} {
		if _, err := p.change(func(p *preferences) { p.Watched = append(p.Watched, folder) }); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := p.load(); err != nil || !slices.Equal(got.Watched, []string{"/a", "/b"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := os.WriteFile(p.path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.load(); err == nil {
		t.Error("a damaged file was read")
	}
	if got, err := p.change(func(p *preferences) { p.Theme = "dark" }); err != nil || got.Theme != "dark" {
		t.Errorf("over a damaged file: %+v, %v", got, err)
	}
}

// A process that stopped with the preferences in its hands does not stop others.
func TestPreferencesThatSomebodyHolds(t *testing.T) {
	p := prefsFile{t.TempDir()}
	held := flock.New(p.path() + ".lock")
	must(t, held.Lock())
	if _, err := p.change(func(*preferences) { t.Error("changed") }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	must(t, held.Close())
	if _, err := p.change(func(p *preferences) { p.Theme = "dark" }); err != nil {
		t.Error(err)
	}
}

func TestReplaced(t *testing.T) {
	program := filepath.Join(t.TempDir(), "altnet")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(program, "old")
	was, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if replaced(program, was) {
		t.Error("replaced by itself")
	}
	if os.Remove(program); replaced(program, was) {
		t.Error("a removed program counts as replaced")
	}
	if write(program, ""); replaced(program, was) {
		t.Error("an empty file counts as a program")
	}
	write(program+".new", "new")
	if err := os.Rename(program+".new", program); err != nil || !replaced(program, was) {
		t.Errorf("a new program is not seen: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// agentHost is a host with an engine of its own, in a world without a service.
func agentHost(t *testing.T, change ...func(*host)) (*host, string) {
	t.Helper()
	base := t.TempDir()
	t.Setenv("HOME", base)
	t.Setenv("XDG_DATA_HOME", filepath.Join(base, "data"))
	t.Setenv("ALTNET_DATA", "")
	t.Setenv("ALTNET_PROFILE", filepath.Join(base, "profile"))
	o, _, err := parse([]string{"-listen", "127.0.0.1:0", "-gateway", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	data, profile, err := o.folders()
	if err != nil {
		t.Fatal(err)
	}
	log, err := o.logger(t.Output())
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(o, data, profile, "altnet", log)
	if h.service() {
		t.Skip("this computer has the service installed")
	}
	for _, f := range change {
		f(h)
	}
	h.start(t.Context())
	t.Cleanup(h.stop)
	return h, base
}

// unplugged is a computer whose cord is out once it is closed.
type unplugged chan struct{}

// Power implements engine.System.
func (u unplugged) Power(ctx context.Context) iter.Seq[engine.Power] {
	return func(yield func(engine.Power) bool) {
		if !yield(engine.Power{}) {
			return
		}
		select {
		case <-u:
			yield(engine.Power{OnBattery: true})
		case <-ctx.Done():
		}
	}
}

func TestTheAgentsNodePausesOnBattery(t *testing.T) {
	cord := make(unplugged)
	h, _ := agentHost(t, func(h *host) {
		if _, ok := h.system.(machine); !ok {
			t.Errorf("the agent's node does not look at this computer but at %T", h.system)
		}
		h.system = cord
	})
	answers(t, h)
	s, err := h.client.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Accepted, s.PauseOnBattery = time.Now(), true
	if err := h.client.SetSettings(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if st := answers(t, h); st.Paused != nil {
		t.Fatalf("paused with the cord in: %+v", st.Paused)
	}
	close(cord)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for e, err := range h.client.Events(ctx) {
		if err != nil {
			t.Fatalf("not paused on battery: %v", err)
		}
		if e.Status != nil && e.Status.Paused != nil {
			if e.Status.Paused.Reason != control.PauseBattery {
				t.Errorf("paused for %q", e.Status.Paused.Reason)
			}
			return
		}
	}
	t.Error("not paused on battery")
}

// answers waits for the host's node to answer.
func answers(t *testing.T, h *host) control.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		for e, err := range h.client.Events(ctx) {
			if err == nil && e.Status != nil {
				return *e.Status
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the node does not answer")
		}
	}
}

func TestTheAgentsNodeAsksFirst(t *testing.T) {
	h, _ := agentHost(t)
	st := answers(t, h)
	if st.Accepted || st.Connected || st.Host != control.HostAgent {
		t.Errorf("before the person agreed: %+v", st)
	}
}

func TestMovingTheData(t *testing.T) {
	h, base := agentHost(t)
	before := answers(t, h)
	disk := filepath.Join(base, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	var last instance.Reply
	if err := h.move(t.Context(), disk, func(r instance.Reply) { last = r }); err != nil {
		t.Fatal(err)
	}
	after := answers(t, h)
	if after.NodeID != before.NodeID || after.Data != filepath.Join(disk, "AltNet") || last.Now != last.Total || last.Total == 0 {
		t.Errorf("after the move: %s on %s, progress %+v", after.NodeID, after.Data, last)
	}
	if _, err := os.Stat(filepath.Join(before.Data, "packs")); err == nil {
		t.Error("the old data is still there")
	}
	if err := h.move(t.Context(), filepath.Join(disk, "no", "such"), func(instance.Reply) {}); err == nil {
		t.Error("moved to a disk that is not there")
	}
	if st := answers(t, h); st.Data != after.Data {
		t.Errorf("after a failed move: %s", st.Data)
	}
}

// A node whose disk is not connected does not begin anew where that would be.
func TestNoNodeWithoutItsDisk(t *testing.T) {
	h, base := agentHost(t)
	answers(t, h)
	disk := filepath.Join(base, "disk")
	if err := os.MkdirAll(h.profile, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pointerFile(h.profile), []byte(`{"data":"`+disk+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.node.close()
	h.data = disk
	if node, err := h.open(t.Context()); !errors.Is(err, relocate.ErrAway) {
		t.Errorf("%v, %v", node, err)
	}
	if _, err := os.Stat(disk); err == nil {
		t.Error("the folder was made anew")
	}
}

func TestAFixedFolderIsNotMoved(t *testing.T) {
	h, base := agentHost(t)
	t.Setenv("ALTNET_DATA", base)
	err := h.move(t.Context(), base, func(instance.Reply) {})
	if e, ok := errors.AsType[*instance.RequestError](err); !ok || e.Code != "fixed" {
		t.Errorf("%v", err)
	}
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/platform/ipc"
)

// lookOften is how often a host under test looks for the service.
const lookOften = 5 * time.Millisecond

// fakeService is a service that a test installs and removes. Its node is a real
// one, behind a socket that knows users as a service's does.
type fakeService struct {
	t    *testing.T
	dir  string
	is   atomic.Bool
	stop func()
}

func (s *fakeService) installed() bool { return s.is.Load() }

// run starts the service's node.
func (s *fakeService) run() *engine.Engine {
	s.t.Helper()
	node, err := engine.Open(s.t.Context(), engine.Config{
		Data: filepath.Join(s.dir, "node"), Version: "test", Listen: []string{"127.0.0.1:0"}, Gateway: "127.0.0.1:0",
		Host: control.HostService, AskFirst: true, PublishFor: time.Millisecond, NoSync: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := ipc.Listen(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	access := control.Access{Service: true, Operator: func(string) bool { return true }}
	running.Go(func() { control.Serve(ctx, l, node, control.ServerConfig{Identify: identify(access)}) })
	running.Go(func() { node.Run(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		node.Close()
	})
	s.t.Cleanup(s.stop)
	return node
}

// beside makes options see the service.
func (s *fakeService) beside(o *options) { o.installed, o.service = s.installed, s.dir }

func newFakeService(t *testing.T) *fakeService { return &fakeService{t: t, dir: t.TempDir()} }

// becomes waits until the host's client reaches another node.
func becomes(t *testing.T, h *host, want control.Host) control.Status {
	t.Helper()
	for {
		if st := answers(t, h); st.Host == want {
			return st
		}
	}
}

// The agent's node gives way to a service that was installed and answers, and
// takes over again when that was removed, but not when it stands still.
func TestHostHandsOver(t *testing.T) {
	s := newFakeService(t)
	h, _ := agentHost(t, func(h *host) { s.beside(h.opts); h.look = lookOften })
	own := answers(t, h)
	nobody := func() bool {
		_, err := ipc.Dial(t.Context(), own.Data)
		return errors.Is(err, ipc.ErrNobody)
	}
	s.run()
	if nobody() {
		t.Fatal("the agent's node does not answer")
	}
	s.is.Store(true)
	if st := becomes(t, h, control.HostService); st.NodeID == own.NodeID {
		t.Fatal("the service has the agent's key")
	}
	gone := func() {
		t.Helper()
		h.mu.Lock()
		node := h.node
		h.mu.Unlock()
		node.wait()
		if !nobody() {
			t.Error("there are two nodes")
		}
	}
	gone()
	s.stop()
	if h.why() != nil || !h.service() || !nobody() {
		t.Errorf("the agent replaces a service that stands still: %v", h.why())
	}
	s.is.Store(false)
	if st := becomes(t, h, control.HostAgent); st.NodeID != own.NodeID {
		t.Errorf("it came back as %s, and was %s", st.NodeID, own.NodeID)
	}
}

// An engine goes on while a service that is to take its place does not answer
// yet, and for the sake of what is being published.
func TestWhenTheServiceTakesOver(t *testing.T) {
	s := newFakeService(t)
	h := newHost(&options{}, "", "", "", slog.New(slog.DiscardHandler))
	s.beside(h.opts)
	for _, c := range []struct {
		runs      bool
		uploads   int64
		installed time.Duration
		want      bool
	}{
		{false, 0, time.Second, false},
		{false, 0, serviceStarts + 1, true},
		{true, 0, 0, true},
		{true, 1, time.Second, false},
		{true, 1, uploadPatience + 1, true},
	} {
		if c.runs && s.stop == nil {
			s.run()
		}
		h.busy.Store(c.uploads)
		if got := h.serviceTakesOver(t.Context(), c.installed); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Everything of a person's goes with them from the agent's node to the service,
// and is still there when that is removed.
func TestNothingIsLeftBehind(t *testing.T) {
	s := newFakeService(t)
	h, base := agentHost(t, func(h *host) { s.beside(h.opts); h.look = lookOften })
	profile, err := publisher.Open(h.profile)
	must(t, err)
	folder := filepath.Join(base, "site")
	must(t, os.MkdirAll(filepath.Join(folder, "sub"), 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte("<title>mine"), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "sub", "big"), []byte(strings.Repeat("0123456789", 200_000)), 0o600))
	answers(t, h)
	published, err := publisher.NewAuthor(profile, h.client).Publish(t.Context(), folder, "", publisher.Options{})
	must(t, err)
	settings, err := h.client.Settings(t.Context())
	must(t, err)
	settings.Accepted, settings.MonthLimit = time.Now().UTC().Truncate(time.Second), 5<<30

	service := s.run()
	s.is.Store(true)
	st := becomes(t, h, control.HostService)
	h.mu.Lock()
	node := h.node
	h.mu.Unlock()
	node.wait()
	from, err := h.ownEngine(t.Context())
	if err != nil || from == nil {
		t.Fatalf("the agent's own node: %v, %v", from, err)
	}
	r := removal{profile: profile, to: h.client, node: st, from: from, settings: &settings, log: h.log}
	for range 2 { // the second finds that all is there
		missing, err := r.run(t.Context())
		if err != nil || len(missing) != 0 {
			t.Fatalf("missing %v: %v", missing, err)
		}
	}
	from.Close()
	sites, err := h.client.Sites(t.Context())
	if err != nil || len(sites) != 1 || !sites[0].Own || sites[0].Root != published.Root || sites[0].User == "" {
		t.Errorf("the service has %+v, %v; want %s", sites, err, published.Root)
	}
	if got, err := service.Settings(t.Context()); err != nil || !got.Accepted.Equal(settings.Accepted) || got.MonthLimit != settings.MonthLimit {
		t.Errorf("the service's settings: %+v, %v", got, err)
	}
	if archive, err := service.Archive(t.Context(), published.Root); err != nil {
		t.Errorf("the service cannot read the site: %v", err)
	} else {
		archive.Close()
	}
	s.stop()
	s.is.Store(false)
	becomes(t, h, control.HostAgent)
	if sites, err := h.client.Sites(t.Context()); err != nil || len(sites) != 1 || !sites[0].Own {
		t.Errorf("back on the agent's node: %+v, %v", sites, err)
	}
}

// A site that can be had nowhere just now is missing, and named.
func TestWhatIsMissingIsNamed(t *testing.T) {
	h, base := agentHost(t)
	profile, err := publisher.Open(filepath.Join(base, "other"))
	must(t, err)
	elsewhere := overSocket(t, mustOpen(t, base))
	folder := filepath.Join(base, "site")
	must(t, os.MkdirAll(folder, 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "index.html"), []byte("mine"), 0o600))
	receipt, err := publisher.NewAuthor(profile, elsewhere).Publish(t.Context(), folder, "", publisher.Options{})
	must(t, err)
	missing, err := removal{profile: profile, to: h.client, node: answers(t, h), log: h.log}.run(t.Context())
	if err != nil || len(missing) != 1 || !strings.HasPrefix(receipt.Address, missing[0]) {
		t.Errorf("%v, %v; want %s", missing, err, receipt.Address)
	}
}

func mustOpen(t *testing.T, base string) *engine.Engine {
	t.Helper()
	node, err := engine.Open(t.Context(), engine.Config{Data: filepath.Join(base, "elsewhere"), Version: "test", Listen: []string{"127.0.0.1:0"},
		PublishFor: time.Millisecond, NoSync: true})
	must(t, err)
	t.Cleanup(func() { node.Close() })
	return node
}

func TestNextHome(t *testing.T) {
	st := func(id string, host control.Host) control.Status { return control.Status{NodeID: id, Host: host} }
	for _, c := range []struct {
		name   string
		before home
		st     control.Status
		own    string
		want   home
		moved  bool
	}{
		{"the first", home{}, st("a", control.HostAgent), "a", home{Node: "a", Host: control.HostAgent}, false},
		{"the same", home{Node: "a", Owed: true}, st("a", control.HostAgent), "a", home{Node: "a", Owed: true}, false},
		{"a service", home{Node: "a", Host: control.HostAgent}, st("s", control.HostService), "a", home{Node: "s", Host: control.HostService, Former: "a", Owed: true}, true},
		{"a service at last", home{}, st("s", control.HostService), "a", home{Node: "s", Host: control.HostService, Former: "a", Owed: true}, true},
		{"a service from the start", home{}, st("s", control.HostService), "", home{Node: "s", Host: control.HostService}, false},
		{"no service any more", home{Node: "s", Host: control.HostService}, st("a", control.HostAgent), "a", home{Node: "a", Host: control.HostAgent, Former: "s", Owed: true}, true},
	} {
		if got, moved := c.before.next(c.st, c.own); got != c.want || moved != c.moved {
			t.Errorf("%s: %+v, %v", c.name, got, moved)
		}
	}
	profile := t.TempDir()
	if h, err := loadHome(profile); err != nil || h != (home{}) {
		t.Errorf("before the first: %+v, %v", h, err)
	}
	want := home{Node: "s", Former: "a", Owed: true, Settings: &control.Settings{MonthLimit: 7}}
	must(t, want.save(profile))
	if h, err := loadHome(profile); err != nil || h.Node != "s" || h.Settings == nil || h.Settings.MonthLimit != 7 {
		t.Errorf("%+v, %v", h, err)
	}
	must(t, os.WriteFile(homeFile(profile), []byte("{"), 0o600))
	if _, err := loadHome(profile); err == nil {
		t.Error("a damaged file was read")
	}
}

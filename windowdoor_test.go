package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"altnet/platform/instance"
)

// fakeWindow tells what was asked of a window.
type fakeWindow chan string

func (w fakeWindow) Raise()             { w <- "raise" }
func (w fakeWindow) Publish(f []string) { w <- fmt.Sprint("publish ", f) }
func (w fakeWindow) AddFolder()         { w <- "pick" }
func (w fakeWindow) OpenSite(n string)  { w <- "site " + n }
func (w fakeWindow) quit()              { w <- "quit" }
func (w fakeWindow) wants(t *testing.T, want ...string) {
	t.Helper()
	for _, s := range want {
		if got := <-w; got != s {
			t.Errorf("the window was asked to %s, want %s", got, s)
		}
	}
}

// openFakeWindow is a window that runs without an agent.
func openFakeWindow(t *testing.T, profile string, pipe io.Reader) fakeWindow {
	t.Helper()
	d, err := openWindowDoor(t.Context(), profile, pipe, nil, slog.New(slog.DiscardHandler))
	if err != nil || d == nil {
		t.Fatalf("%v, %v", d, err)
	}
	w := make(fakeWindow, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.serve(ctx, w, w.quit)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		d.close()
	})
	return w
}

// An agent raises the window that one before it has left, and starts no other.
func TestWindowOfAnAgentThatDied(t *testing.T) {
	profile := t.TempDir()
	w := &windowProcess{program: filepath.Join(profile, "none"), dir: windowDir(profile), log: slog.New(slog.DiscardHandler)}
	if w.open(t.Context()) {
		t.Error("there is a window from the start")
	}
	left := openFakeWindow(t, profile, nil)
	if !w.open(t.Context()) {
		t.Error("the window is not seen")
	}
	failed := func(err error) { t.Errorf("it failed: %v", err) }
	for _, r := range []windowRequest{{Do: "raise"}, {Do: "publish", Folders: []string{"/a b", "/c"}}, {Do: "pick"}, {Do: "site", Site: "a.alt"}} {
		if err := w.show(t.Context(), r, nil, failed); err != nil {
			t.Errorf("%s: %v", r.Do, err)
		}
	}
	left.wants(t, "raise", "raise", "publish [/a b /c]", "raise", "pick", "raise", "site a.alt")
	w.quit()
	left.wants(t, "quit")
}

// Where there is none, one is started.
func TestNoWindowIsLeft(t *testing.T) {
	profile := t.TempDir()
	w := &windowProcess{program: filepath.Join(profile, "none"), dir: windowDir(profile), log: slog.New(slog.DiscardHandler)}
	if err := w.show(t.Context(), windowRequest{Do: "raise"}, nil, nil); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("started %v", err)
	}
	w.quit()
}

// A window that was started beside another hands over what it was started for.
func TestSecondWindow(t *testing.T) {
	profile := t.TempDir()
	first := openFakeWindow(t, profile, strings.NewReader(`{"do":"raise"}`+"\nnonsense\n"+`{"do":"pick"}`+"\n"))
	first.wants(t, "raise", "raise", "pick")
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		pipe    io.Reader
		folders []string
		want    []string
	}{
		{nil, nil, []string{"raise"}},
		{nil, []string{"/a"}, []string{"raise", "publish [/a]"}},
		{strings.NewReader(`{"do":"site","site":"b.alt"}` + "\n"), nil, []string{"raise", "site b.alt"}},
	} {
		if d, err := openWindowDoor(t.Context(), profile, c.pipe, c.folders, log); d != nil || err != nil {
			t.Fatalf("a second window: %v, %v", d, err)
		}
		first.wants(t, c.want...)
	}
}

// A window that hangs is an error, and no reason for another one.
func TestWindowThatHangs(t *testing.T) {
	profile := t.TempDir()
	ctx, giveUp := context.WithCancel(t.Context())
	claim, err := instance.Claim(windowDir(profile), func(ctx context.Context, _ instance.Request, _ func(instance.Reply)) error {
		giveUp()
		<-ctx.Done()
		return ctx.Err()
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Close()
	w := &windowProcess{program: filepath.Join(profile, "none"), dir: windowDir(profile), log: slog.New(slog.DiscardHandler)}
	if err := w.show(ctx, windowRequest{Do: "raise"}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

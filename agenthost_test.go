package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"altnet/engine/store"
	"altnet/platform/instance"
)

// TestRestartSaysWhy: whoever starts a node that cannot run is told the reason,
// and once that is gone it runs.
func TestRestartSaysWhy(t *testing.T) {
	h, _ := agentHost(t, func(h *host) {
		if err := os.MkdirAll(filepath.Dir(h.data), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.data, []byte("in the way"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	err := h.restart(t.Context())
	if err == nil || !strings.Contains(err.Error(), h.data) {
		t.Fatalf("with a file where the data belongs: %v", err)
	}
	if err := os.Remove(h.data); err != nil {
		t.Fatal(err)
	}
	if err := h.restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers(t, h)
	if err := h.restart(t.Context()); err != nil {
		t.Errorf("one that runs: %v", err)
	}
	answers(t, h)
}

// Why the node does not run is told to whoever asks, by a word that they can
// translate, and said by itself; a node that runs has no such reason.
func TestWhyTheNodeDoesNotRun(t *testing.T) {
	said := make(chan error, 16)
	h, _ := agentHost(t, func(h *host) {
		h.told = func(err error) { said <- err }
		must(t, os.MkdirAll(h.profile, 0o700))
		must(t, os.WriteFile(pointerFile(h.profile), []byte(`{"data":"`+filepath.Join(filepath.Dir(h.profile), "disk")+`"}`), 0o600))
		h.data = filepath.Join(filepath.Dir(h.profile), "disk")
	})
	a := &agent{host: h}
	why := func() string {
		e, _ := errors.AsType[*instance.RequestError](a.answer(t.Context(), instance.Request{Do: doWhy}, nil))
		if e == nil {
			return ""
		}
		return e.Code
	}
	if e, ok := errors.AsType[*instance.RequestError](<-said); !ok || e.Code != codeAway || why() != codeAway {
		t.Errorf("without its disk: %v, and asked %q", e, why())
	}
	must(t, os.Remove(pointerFile(h.profile)))
	data, _, err := h.opts.folders()
	must(t, err)
	h.mu.Lock()
	h.data = data
	h.mu.Unlock()
	must(t, h.restart(t.Context()))
	if why() != "" {
		t.Errorf("one that runs: %q", why())
	}
	answers(t, h)
	for err, want := range map[error]string{
		fs.ErrPermission: codeUnreadable, store.ErrLocked: codeTaken, store.ErrDiskFull: codeFull, syscall.ENOSPC: codeFull, errors.New("else"): "",
	} {
		e, ok := errors.AsType[*instance.RequestError](reasonOf(fmt.Errorf("open: %w", err)))
		if !ok || e.Code != want || !strings.Contains(e.Text, err.Error()) {
			t.Errorf("%v: %+v", err, e)
		}
	}
}

// Each reason is said in words for people.
func TestReasonsAreSaid(t *testing.T) {
	a := &agent{}
	var err error
	a.texts, err = agentTexts(preferences{Language: "en"})
	must(t, err)
	for _, c := range []struct {
		why  error
		want string
	}{
		{&instance.RequestError{Code: codeAway, Text: "gone"}, "The disk with AltNet's data is not connected. Connect it, and AltNet starts by itself."},
		{&instance.RequestError{Text: "the moon"}, "It goes on trying. the moon"},
	} {
		a.engineFailed(t.Context(), c.why)
		if a.whyDown != c.want {
			t.Errorf("it says %q", a.whyDown)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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

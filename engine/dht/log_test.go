package dht

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

// unreadable is a Store whose disk fails.
type unreadable struct {
	Memory
	broken atomic.Bool
}

// Get implements Store.
func (s *unreadable) Get(key []byte) ([]byte, error) {
	if s.broken.Load() {
		return nil, errors.New("the disk fails")
	}
	return s.Memory.Get(key)
}

// TestLogTellsNoKeys looks up what cannot be read here: the log says that it
// failed, and not what somebody here wanted to read.
func TestLogTellsNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		disk := &unreadable{}
		n := newTestNet().add(t, func(_ *testNode, c *Config) {
			c.Store = disk
			c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		disk.broken.Store(true)
		key := wire.Hash{0xab, 0xcd}
		later := time.Now().Add(time.Hour)
		n.mu.Lock()
		n.providers.roots[key] = []*provider{{ID: n.id, Expires: later}}
		n.records.slots[key] = slot{{Refreshed: time.Now(), Expires: later, KeepUntil: later}}
		n.mu.Unlock()
		n.Get(t.Context(), key, func(Answer) bool { return true })
		n.Providers(t.Context(), key, func(wire.Peer, bool) bool { return true })
		n.Close()
		if text := out.String(); strings.Count(text, "the disk fails") != 2 || strings.Contains(text, key.String()) {
			t.Errorf("%s", text)
		}
	})
}

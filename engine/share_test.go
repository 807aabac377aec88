package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"altnet/engine/wire"
)

// What was visited here is in no log, whatever goes wrong with handing it on.
func TestVisitedSitesAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer // slog's handlers write one line at a time
		e := newVirtual(t).node(func(c *Config) {
			c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		root := wire.Hash{0xab, 0xcd}
		e.store.Close() // so that nothing can be noted
		e.shared.end(root)
		e.Close()
		if text := out.String(); !strings.Contains(text, "forget a visited site") || strings.Contains(text, root.String()) {
			t.Errorf("%s", text)
		}
	})
}

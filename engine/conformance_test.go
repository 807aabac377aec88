package engine

import (
	"testing"
	"time"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/publisher"
)

// TestConformance holds the engine to what Control promises. It runs on a
// node without peers, which is the hardest case for an honest receipt.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("claims a dozen names")
	}
	profile, err := publisher.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	author := controltest.NewAuthor(profile) // one for all, so that each name is claimed once
	controltest.Run(t, func(t *testing.T) (control.Control, controltest.Author) {
		e, err := Open(t.Context(), Config{
			Data: t.TempDir(), Version: "test", Listen: []string{"127.0.0.1:0"}, Gateway: "127.0.0.1:0",
			PublishFor: 50 * time.Millisecond, NoSync: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e, author
	})
}

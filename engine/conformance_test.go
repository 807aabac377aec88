package engine

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
	"altnet/engine/publisher"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
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
	author := suiteAuthor{profile} // one for all, so that each name is claimed once
	controltest.Run(t, func(t *testing.T) (control.Control, controltest.Author) {
		e, err := Open(t.Context(), Config{
			Data: t.TempDir(), Version: "test", Listen: []string{"127.0.0.1:0"}, PublishFor: 50 * time.Millisecond, NoSync: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e, author
	})
}

// suiteAuthor signs for the suite.
type suiteAuthor struct{ profile *publisher.Profile }

// Site implements controltest.Author.
func (a suiteAuthor) Site(t testing.TB, name string, files map[string]string) controltest.Signed {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := site.Scan(t.Context(), dir, site.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kept := &keptBlocks{}
	built, err := site.Build(t.Context(), plan, kept, nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := a.site(t, name)
	raw, err := a.profile.SignRecord(t.Context(), mine.Root, publisher.Fields{
		Network: record.NetworkID("altnet"), Content: built.Root, Size: uint64(built.Stored),
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return controltest.Signed{Name: name, Root: hex.EncodeToString(built.Root[:]), Seq: r.Seq, Record: raw, Blocks: kept.blocks}
}

func (a suiteAuthor) site(t testing.TB, name string) publisher.Site {
	t.Helper()
	mine, err := a.profile.Site(name)
	if err != nil {
		mine, err = a.profile.NewSite(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return mine
}

// Tombstone implements controltest.Author.
func (a suiteAuthor) Tombstone(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := a.profile.SignTombstone(t.Context(), a.site(t, name).Root)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// keptBlocks is a site.Sink that keeps what it is given.
type keptBlocks struct {
	mu     sync.Mutex
	blocks []controltest.Block
}

// HasMany implements site.Sink.
func (k *keptBlocks) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return make([]bool, len(hashes)), nil
}

// PutBatch implements site.Sink.
func (k *keptBlocks) PutBatch(_ context.Context, blocks []site.Block) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range blocks {
		k.blocks = append(k.blocks, controltest.Block{Hash: b.Hash, Data: append([]byte(nil), b.Data...)})
	}
	return nil
}

// Flush implements site.Sink.
func (k *keptBlocks) Flush(context.Context) error { return nil }

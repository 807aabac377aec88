package controltest

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"altnet/engine/publisher"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// profileAuthor signs with a profile's keys what a real node takes.
type profileAuthor struct{ profile *publisher.Profile }

// NewAuthor returns an Author for the suite against a real node. One for all
// runs of it claims each name once.
func NewAuthor(p *publisher.Profile) Author { return profileAuthor{p} }

// Site implements Author.
func (a profileAuthor) Site(t testing.TB, name string, files map[string]string) Signed {
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
	kept := &Kept{}
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
	return Signed{Name: name, Root: hex.EncodeToString(built.Root[:]), Seq: r.Seq, Record: raw, Blocks: kept.Blocks, Prove: a.prover(t, mine, raw)}
}

func (a profileAuthor) site(t testing.TB, name string) publisher.Site {
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

func (a profileAuthor) prover(t testing.TB, mine publisher.Site, raw []byte) func(node, user string) []byte {
	return func(node, user string) []byte {
		proof, err := a.profile.Prove(mine.Root, raw, node, user)
		if err != nil {
			t.Fatal(err)
		}
		return proof
	}
}

// Tombstone implements Author.
func (a profileAuthor) Tombstone(t testing.TB, name string) Signed {
	t.Helper()
	mine := a.site(t, name)
	raw, err := a.profile.SignTombstone(t.Context(), mine.Root)
	if err != nil {
		t.Fatal(err)
	}
	return Signed{Name: name, Record: raw, Prove: a.prover(t, mine, raw)}
}

// Kept is a site.Sink that keeps what it is given.
type Kept struct {
	mu     sync.Mutex
	Blocks []Block
}

// HasMany implements site.Sink.
func (k *Kept) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return make([]bool, len(hashes)), nil
}

// PutBatch implements site.Sink.
func (k *Kept) PutBatch(_ context.Context, blocks []site.Block) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range blocks {
		k.Blocks = append(k.Blocks, Block{Hash: b.Hash, Data: append([]byte(nil), b.Data...)})
	}
	return nil
}

// Flush implements site.Sink.
func (k *Kept) Flush(context.Context) error { return nil }

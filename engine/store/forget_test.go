package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"altnet/engine/wire"
)

// onDisk reports whether some file of the packs holds the data.
func onDisk(t *testing.T, s *Store, data []byte) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.cfg.Dir, "packs", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("packs: %v, %v", files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, data) {
			return true
		}
	}
	return false
}

// What was kept for others and what was read is gone from the disk, blocks
// that own sites share and uploads that no site has adopted yet are not.
func TestForget(t *testing.T) {
	s := open(t, Config{PackSize: 100_000})
	own := putBlocks(t, s, 0, sizes(20, 4000)...)
	pinned := putBlocks(t, s, 100, sizes(5, 4000)...)
	uploaded := putBlocks(t, s, 200, sizes(3, 4000)...)
	leased := append(putBlocks(t, s, 300, sizes(40, 4000)...), own[0])
	read, readData := block(400, 4000)
	view := s.For(wire.Hash{4})
	defer view.Close() // in use, which spares it from eviction alone
	if err := view.Put(t.Context(), read, readData); err != nil {
		t.Fatal(err)
	}
	addRoot(t, s, Root{Hash: wire.Hash{1}, Class: Own, Size: int64(len(own)) * 4000, Blocks: own})
	addRoot(t, s, Root{Hash: wire.Hash{2}, Class: Pinned, Blocks: pinned})
	addRoot(t, s, Root{Hash: wire.Hash{3}, Class: Leased, LeaseUntil: time.Now().Add(time.Hour), Blocks: leased})
	before := s.Usage()
	_, leasedData := block(300, 4000)
	if !onDisk(t, s, leasedData) || !onDisk(t, s, readData) {
		t.Fatal("nothing is on the disk")
	}

	freed, err := s.Forget(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := s.Usage()
	if freed < 41*4000 || freed != before.Bytes-after.Bytes || after.Leased != 0 || after.Cache != 0 || after.Roots != 2 {
		t.Errorf("freed %d; before %+v, after %+v", freed, before, after)
	}
	for _, hashes := range [][]wire.Hash{own, pinned, uploaded} {
		for _, h := range hashes {
			wantBlock(t, s, h)
		}
	}
	for _, h := range append(leased[:40], read) {
		wantGone(t, s, h)
	}
	if onDisk(t, s, leasedData) || onDisk(t, s, readData) {
		t.Error("what was forgotten is still on the disk")
	}
	if again, err := s.Forget(t.Context()); err != nil || again != 0 {
		t.Errorf("again: %d bytes, %v", again, err)
	}
}

// A smaller budget evicts what was read at once, and nothing else.
func TestSetBudget(t *testing.T) {
	s := open(t, Config{Budget: 10 << 20, NoSync: true})
	own := putBlocks(t, s, 0, sizes(50, 4000)...)
	addRoot(t, s, Root{Hash: wire.Hash{1}, Class: Own, Size: int64(len(own)) * 4000, Blocks: own})
	for i := range 10 {
		blocks := putBlocks(t, s, uint64(1000*(i+1)), sizes(50, 4000)...)
		addRoot(t, s, Root{Hash: wire.Hash{2, byte(i)}, Class: Cache, Size: 50 * 4000, Blocks: blocks})
	}
	if err := s.SetBudget(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if u := s.Usage(); u.Bytes > 1<<20 || u.Budget != 1<<20 || u.Cache == 0 || u.Own == 0 {
		t.Errorf("under 1 MiB: %+v", u)
	}
	if err := s.SetBudget(t.Context(), 100_000); err != nil {
		t.Fatal(err)
	}
	for _, h := range own {
		wantBlock(t, s, h)
	}
	h, data := block(77, 4000)
	if err := s.Put(t.Context(), h, data); !errors.Is(err, ErrFull) {
		t.Errorf("a block over the budget: %v", err)
	}
	if err := s.SetBudget(t.Context(), 10<<20); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), h, data); err != nil {
		t.Errorf("under the larger budget: %v", err)
	}
}

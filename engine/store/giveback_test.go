package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"altnet/engine/wire"
)

// packBytes is what the packs take on the disk.
func packBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, packsDir, "*"+packSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

// TestFullDiskIsGivenBack runs out of room in the middle of a large write, part
// of which is committed: all of it is free again at once, and nothing else is.
func TestFullDiskIsGivenBack(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "data")
	for name, small := range map[string]bool{"small blocks": true, "large blocks": false} {
		t.Run(name, func(t *testing.T) {
			c := newCrashFS(base)
			c.inPlace = true
			s := crashOpen(t, c, filepath.Join(dir, name))
			defer s.Close()
			first := crashPut(t, c, s, 0, sizes(5, 1000)...)
			shared, data := block(1<<20+3, 10) // in the large write, and asked about
			before, usage := packBytes(t, filepath.Join(dir, name)), s.Usage()
			size, room := 10, int64(8<<20)
			if !small {
				size, room = 200<<10, 70<<20
			}
			c.setRoom(room)
			b := s.NewBatch()
			var err error
			var put []wire.Hash
			committed := 0
			for i := uint64(0); err == nil && i < 200_000; i++ {
				h, data := block(1<<20+i, size)
				put = append(put, h)
				err = b.Put(h, data)
				b.mu.Lock()
				b.landLocked(len(b.flights)) // so that the disk is full after a commit, not during it
				committed = len(b.placed)
				b.mu.Unlock()
			}
			if err = errors.Join(err, b.Commit(context.Background())); !errors.Is(err, ErrDiskFull) {
				t.Fatalf("%d blocks fit: %v", len(put), err)
			}
			if committed == 0 {
				t.Fatal("nothing was committed before the disk was full")
			}
			if len(b.placed) != 0 {
				t.Error("a batch that is over remembers its blocks")
			}
			for _, h := range put {
				if s.Has(h) {
					t.Fatalf("%s is still here", h)
				}
			}
			if err := s.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now := s.Usage(); now.Blocks != usage.Blocks || now.Bytes != usage.Bytes {
				t.Errorf("held before %+v, after %+v", usage, now)
			}
			if after := packBytes(t, filepath.Join(dir, name)); after > 2*before+packHeader {
				t.Errorf("the packs take %d bytes after the failure, %d before", after, before)
			}
			for _, h := range first {
				wantBlock(t, s, h)
			}
			c.setRoom(-1)
			if err := s.Put(context.Background(), shared, data); err != nil {
				t.Fatal(err)
			}
			if err := consistent(s); err != nil {
				t.Error(err)
			}
		})
	}
}

package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

// TestCompactionUnderReaders reads blocks and sections without pause while the
// packs under them are emptied and deleted again and again.
func TestCompactionUnderReaders(t *testing.T) {
	s := open(t, Config{NoSync: true, PackSize: 200000})
	keep := putBlocks(t, s, 0, sizes(30, 4000)...)
	addRoot(t, s, Root{Hash: keep[0], Class: Own, Blocks: keep})
	old, err := s.Section(keep[3])
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()

	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var reads atomic.Int64
	for w := range uint64(4) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(w, 0))
			for ctx.Err() == nil {
				h := keep[r.IntN(len(keep))]
				data, err := s.Get(context.Background(), h, nil)
				if err != nil || sha256.Sum256(data) != h {
					t.Errorf("reader: %v", err)
					return
				}
				if sec, err := s.Section(h); err != nil {
					t.Errorf("section: %v", err)
					return
				} else {
					checkSection(t, sec, h)
					sec.Close()
				}
				reads.Add(1)
			}
		})
	}
	first := s.packs.next
	for round := range uint64(12) {
		root := wire.Hash{1, byte(round)}
		trash := putBlocks(t, s, 1000*(round+1), sizes(100, 5000)...)
		addRoot(t, s, Root{Hash: root, Class: Pinned, Blocks: trash})
		if err := s.DropClass(t.Context(), root, Pinned); err != nil {
			t.Fatal(err)
		}
		if err := s.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		rewriteAll(t, s)
	}
	stop()
	readers.Wait()
	checkSection(t, old, keep[3])
	if reads.Load() == 0 {
		t.Fatal("nobody read anything")
	}
	if s.packs.byID[first-1] != nil {
		t.Fatal("the first pack was never compacted")
	}
	if u := s.Usage(); u.Disk > 3*200000 {
		t.Fatalf("%d bytes on disk for %d that live", u.Disk, u.Bytes)
	}
	if err := consistent(s); err != nil {
		t.Fatal(err)
	}
}

// rewriteAll compacts every pack, due or not.
func rewriteAll(t *testing.T, s *Store) {
	t.Helper()
	s.tidying.Lock()
	defer s.tidying.Unlock()
	s.app.mu.Lock()
	if s.app.active != nil {
		s.app.sealLocked()
	}
	s.app.mu.Unlock()
	s.packs.mu.Lock()
	ids := slices.Collect(maps.Keys(s.packs.byID))
	s.packs.mu.Unlock()
	for _, id := range ids {
		p, ok, err := s.packs.hold(id)
		if err != nil || !ok {
			t.Fatal("hold:", err)
		}
		if err := s.compactPack(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		s.packs.release(p)
	}
}

// TestFreedWhileMoving: a block that goes away between being read and being
// moved stays away.
func TestFreedWhileMoving(t *testing.T) {
	s := open(t, Config{NoSync: true})
	blocks := putBlocks(t, s, 0, 100, 200, 300)
	p, _, err := s.packs.hold(1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.packs.release(p)
	residents, err := s.residents(p)
	if err != nil || len(residents) != 3 {
		t.Fatalf("%d residents, %v", len(residents), err)
	}
	if err := s.Remove(t.Context(), blocks[1:2]); err != nil {
		t.Fatal(err)
	}
	if err := s.moveBlocks(t.Context(), p, residents); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, blocks[1])
	wantBlock(t, s, blocks[0])
	if err := consistent(s); err != nil {
		t.Fatal(err)
	}
}

func checkSection(t *testing.T, sec Section, h wire.Hash) {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(sec.File, sec.Offset, sec.Length))
	if err != nil || sha256.Sum256(data) != h {
		t.Errorf("section of %s holds other bytes: %v", h, err)
	}
}

// TestCompactionUnderWriters: what is being stored, dropped and evicted while
// packs are compacted and garbage is swept ends up consistent.
func TestCompactionUnderWriters(t *testing.T) {
	s := open(t, Config{NoSync: true, PackSize: 150000, Budget: 4 << 20, Grace: time.Nanosecond})
	var writers sync.WaitGroup
	done := make(chan struct{})
	for w := range uint64(3) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(w, 1))
			for i := range uint64(25) {
				root := wire.Hash{byte(w + 1), byte(i)}
				blocks := make([]wire.Hash, 20)
				seeds := make([]uint64, len(blocks))
				for j := range blocks {
					seeds[j] = uint64(r.IntN(300)) // shared between the writers
					blocks[j], _ = block(seeds[j], 3000)
				}
				info, err := s.AddRoot(context.Background(), Root{Hash: root, Class: Pinned, Blocks: blocks})
				if err != nil {
					t.Error(err)
					return
				}
				b := s.For(root).NewBatch()
				for _, seed := range seeds {
					h, data := block(seed, 3000)
					if err := b.Put(h, data); err != nil {
						t.Error(err)
						return
					}
				}
				if err := b.Commit(context.Background()); err != nil {
					t.Error(err)
					return
				}
				if _, _, full, err := s.Bitmap(root); !full || err != nil {
					t.Errorf("a committed root lacks blocks (had %+v): %v", info, err)
					return
				}
				if i%3 != 0 {
					if err := s.DropClass(context.Background(), root, Pinned); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	var tidying sync.WaitGroup
	tidying.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := s.Sweep(context.Background()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	writers.Wait()
	close(done)
	tidying.Wait()
	for _, r := range s.Roots() {
		if _, count, full, err := s.Bitmap(r.Hash); !full || err != nil {
			t.Errorf("root %s: %d blocks, not all are here: %v", r.Hash, count, err)
		}
	}
	if err := consistent(s); err != nil {
		t.Fatal(err)
	}
}

// TestAddRootDuringSweep: what becomes live between mark and sweep survives.
func TestAddRootDuringSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true})
		blocks := putBlocks(t, s, 0, 100, 200)
		time.Sleep(24*time.Hour - time.Minute)
		s.evicting.Lock()
		if err := s.mark(); err != nil {
			t.Fatal(err)
		}
		addRoot(t, s, Root{Hash: blocks[0], Class: Own, Blocks: blocks[:1]})
		if err := s.removeDead(t.Context(), blocks, func(loc) bool { return true }); err != nil {
			t.Fatal(err)
		}
		s.live.end()
		s.evicting.Unlock()
		wantBlock(t, s, blocks[0])
		wantGone(t, s, blocks[1])
	})
}

// TestPutDuringEviction: a duplicate found by a batch is not swept from under
// it before it commits.
func TestPutDuringEviction(t *testing.T) {
	for name, batch := range map[string]func(*Store) *Batch{
		"of nobody": (*Store).NewBatch,
		"of a root": func(s *Store) *Batch { return s.For(wire.Hash{7}).NewBatch() },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{NoSync: true})
			blocks := putBlocks(t, s, 0, 100, 200)
			addRoot(t, s, Root{Hash: blocks[0], Class: Pinned, Blocks: blocks})
			b := batch(s)
			h, data := block(0, 100)
			if err := b.Put(h, data); err != nil {
				t.Fatal(err)
			}
			if err := s.DropClass(t.Context(), blocks[0], Pinned); err != nil {
				t.Fatal(err)
			}
			if err := b.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantBlock(t, s, h)
			wantGone(t, s, blocks[1])
		})
	}
}

func TestRottenBlockIsForgotten(t *testing.T) {
	for name, spoil := range map[string]func(*Store, []wire.Hash){
		"on reading": func(s *Store, hashes []wire.Hash) {},
		"on compacting": func(s *Store, hashes []wire.Hash) {
			s.Remove(context.Background(), hashes[2:])
			s.app.mu.Lock()
			s.app.sealLocked()
			s.app.mu.Unlock()
			if err := s.Compact(context.Background()); err != nil {
				t.Error(err)
			}
			if len(s.packs.byID) != 1 || s.packs.byID[1] != nil {
				t.Error("nothing was compacted")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{NoSync: true})
			hashes := putBlocks(t, s, 0, sizes(5, 5000)...)
			addRoot(t, s, Root{Hash: hashes[0], Class: Own, Blocks: hashes[:2]})
			if _, _, full, _ := s.Bitmap(hashes[0]); !full {
				t.Fatal("not full before")
			}
			l, _, _ := s.lookup(hashes[1])
			f, err := os.OpenFile(s.packs.path(l.pack), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var one [1]byte
			if _, err := f.ReadAt(one[:], l.off+77); err != nil {
				t.Fatal(err)
			}
			one[0] ^= 4
			if _, err := f.WriteAt(one[:], l.off+77); err != nil {
				t.Fatal(err)
			}
			spoil(s, hashes)
			wantGone(t, s, hashes[1])
			wantBlock(t, s, hashes[0])
			if bits, _, full, _ := s.Bitmap(hashes[0]); full || bits[0] != 0x80 {
				t.Fatalf("the root still claims it: %x %v", bits, full)
			}
			putBlocks(t, s, 1, 5000) // fetched again
			wantBlock(t, s, hashes[1])
			if err := consistent(s); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestLostPack(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"gone": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 7000) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, Config{Dir: dir, PackSize: 30000})
			hashes := putBlocks(t, s, 0, sizes(20, 5000)...)
			addRoot(t, s, Root{Hash: hashes[0], Class: Own, Blocks: hashes})
			s.Close()
			if err := lose(filepath.Join(dir, packsDir, packName(2))); err != nil {
				t.Fatal(err)
			}
			s = open(t, Config{Dir: dir, PackSize: 30000})
			_, _, full, err := s.Bitmap(hashes[0])
			if full || err != nil {
				t.Fatalf("the bitmap is full: %v", err)
			}
			held := 0
			for i, ok := range s.HasMany(hashes) {
				if ok {
					wantBlock(t, s, hashes[i])
					held++
				}
			}
			if held < 10 || held >= 20 {
				t.Fatalf("%d blocks of 20 are left", held)
			}
			putBlocks(t, s, 0, sizes(20, 5000)...)
			if err := consistent(s); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDamagedIndexSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	open(t, Config{Dir: dir}).Close()
	if err := os.WriteFile(filepath.Join(dir, indexFile), make([]byte, 40000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "move it and the folder packs away") {
		t.Fatalf("damaged index: %v", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	if err := s.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, formatVersion+1))
	}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrNewer) {
		t.Fatalf("newer format: %v, want ErrNewer", err)
	}
}

func TestStrangersInPacksFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	putBlocks(t, s, 0, 100)
	s.Close()
	for _, name := range []string{"notes.txt", "00000001.pack.bak", "1.pack", packName(9)} {
		if err := os.WriteFile(filepath.Join(dir, packsDir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, Config{Dir: dir})
	var left []string
	entries, _ := os.ReadDir(filepath.Join(dir, packsDir))
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"00000001.pack", "00000001.pack.bak", "1.pack", "notes.txt"}; !slices.Equal(left, want) {
		t.Fatalf("left: %s", strings.Join(left, " "))
	}
}

func TestCloseUnderLoad(t *testing.T) {
	s := open(t, Config{NoSync: true})
	var wg sync.WaitGroup
	for w := range uint64(8) {
		wg.Go(func() {
			for i := range uint64(1000) {
				h, data := block(w*10000+i, 500)
				if err := s.Put(context.Background(), h, data); errors.Is(err, ErrClosed) {
					return
				} else if err != nil {
					t.Errorf("put while closing: %v", err)
					return
				}
			}
			t.Error("the store never closed")
		})
	}
	for s.Usage().Blocks < 100 {
		s.Bucket("b").Put(t.Context(), []byte("k"), nil, time.Time{})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal("second close:", err)
	}
	h, _ := block(0, 500)
	if _, err := s.Get(t.Context(), h, nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("get after close: %v", err)
	}
	if _, err := s.AddRoot(t.Context(), Root{Hash: h}); !errors.Is(err, ErrClosed) {
		t.Fatalf("add after close: %v", err)
	}
}

// TestWritesShareSyncs: many at once cost far fewer fsyncs than one by one.
func TestWritesShareSyncs(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	s := crashOpen(t, c, base)
	defer s.Close()
	hold := make(chan struct{})
	entered := make(chan struct{})
	first := &write{do: func(*txn) error { close(entered); <-hold; return nil }}
	if err := s.submit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	<-entered // the committer is busy; what comes now waits together
	var wg sync.WaitGroup
	for i := range uint64(100) {
		wg.Go(func() {
			h, data := block(i, 100)
			if err := s.Put(context.Background(), h, data); err != nil {
				t.Error(err)
			}
		})
	}
	for s.app.waiting() < 100 {
		runtime.Gosched()
	}
	before := len(c.log)
	close(hold)
	wg.Wait()
	syncs := 0
	for _, e := range c.log[before:] {
		if e.kind == evSync {
			syncs++
		}
	}
	if syncs > 30 {
		t.Fatalf("%d fsyncs for 100 concurrent writes", syncs)
	}
}

// waiting counts the writes that finished in the active pack.
func (a *appender) waiting() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active == nil {
		return 0
	}
	return a.active.written.Load()
}

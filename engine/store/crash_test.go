package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

const errNoSpace = syscall.ENOSPC

// model is what the store has promised so far.
type model struct {
	blocks  map[wire.Hash]bool // true: must be there; false: must not
	roots   map[wire.Hash]int  // listed blocks; -1: must not be there
	records map[string]string
}

func (m *model) block(there bool, hashes ...wire.Hash) {
	if m.blocks == nil {
		m.blocks = map[wire.Hash]bool{}
	}
	for _, h := range hashes {
		m.blocks[h] = there
	}
}

func (m *model) unsure(root wire.Hash, hashes []wire.Hash) {
	delete(m.roots, root)
	for _, h := range hashes {
		delete(m.blocks, h)
	}
}

func (m *model) root(h wire.Hash, listed int) {
	if m.roots == nil {
		m.roots = map[wire.Hash]int{}
	}
	m.roots[h] = listed
}

func (m *model) record(k, v string) {
	if m.records == nil {
		m.records = map[string]string{}
	}
	m.records[k] = v
}

// check says what the store has broken.
func (m *model) check(s *Store) error {
	for h, there := range m.blocks {
		data, err := s.Get(context.Background(), h, nil)
		switch {
		case there && err != nil:
			return fmt.Errorf("a promised block: %w", err)
		case there && sha256.Sum256(data) != h:
			return fmt.Errorf("a promised block holds other bytes")
		case !there && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("a deleted block is back: %v", err)
		}
	}
	for h, listed := range m.roots {
		info, ok := s.Root(h)
		if ok != (listed >= 0) || ok && info.Listed != listed {
			return fmt.Errorf("root: %v, %d blocks, want %d", ok, info.Listed, listed)
		}
	}
	for k, v := range m.records {
		got, ok, err := s.Bucket("records").Get([]byte(k))
		if err != nil || !ok || string(got) != v {
			return fmt.Errorf("record %s: %q %v, want %q", k, got, err, v)
		}
	}
	return nil
}

// consistent says what in the store contradicts itself.
func consistent(s *Store) error {
	stats := map[uint32]packStat{}
	return s.db.View(func(tx *bolt.Tx) error {
		err := tx.Bucket(bucketIndex).ForEach(func(k, v []byte) error {
			l, ok := readLoc(v)
			if !ok {
				return errors.New("a location does not parse")
			}
			data, err := s.Get(context.Background(), wire.Hash(k), nil)
			if err != nil || sha256.Sum256(data) != wire.Hash(k) {
				return fmt.Errorf("the index names a block that is not there whole: %v", err)
			}
			st := stats[l.pack]
			st.live += l.cost()
			st.blocks++
			st.end = max(st.end, l.off+int64(l.size))
			stats[l.pack] = st
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket(bucketPacks).ForEach(func(k, v []byte) error {
			id, got := uint32(k[0])<<24|uint32(k[1])<<16|uint32(k[2])<<8|uint32(k[3]), readPackStat(v)
			want := stats[id]
			if got.live != want.live || got.blocks != want.blocks || got.end < want.end {
				return fmt.Errorf("pack %d: %+v, counted %+v", id, got, want)
			}
			if n := len(residentsIn(tx, id)); int64(n) != got.blocks {
				return fmt.Errorf("pack %d: contents name %d of %d blocks", id, n, got.blocks)
			}
			return nil
		})
	})
}

// tidy says which bytes lie in the packs' folder beyond what the index knows.
func tidy(s *Store) error {
	entries, err := os.ReadDir(s.packs.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, _ := parsePackName(e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		p := s.packs.byID[id]
		if p == nil || info.Size() != p.stat.end {
			return fmt.Errorf("%s of %d bytes is not as the index has it", e.Name(), info.Size())
		}
	}
	return nil
}

const crashPackSize = 60000

// crashWorkload is a life in which every kind of write happens. dir lies deep
// in what does not exist yet.
func crashWorkload(t *testing.T, c *crashFS, dir string) {
	s := crashOpen(t, c, dir)
	first := crashPut(t, c, s, 0, 100, 3000, largeBlock, 50)
	crashRoot(t, c, s, Root{Hash: first[0], Class: Own, Blocks: first})
	crashRecord(t, c, s, "a", "1")

	// A batch that is given up leaves bytes in the pack that nobody names.
	b := s.NewBatch()
	for i := range uint64(3) {
		h, data := block(1000+i, 2000)
		if err := b.Put(h, data); err != nil {
			t.Fatal(err)
		}
	}
	b.part.writeRun(s)
	b.Discard()
	second := crashPut(t, c, s, 10, 10, 20000, 20000, 20000, 15000)
	crashRoot(t, c, s, Root{Hash: second[0], Class: Pinned, Blocks: second})
	crashRecord(t, c, s, "a", "2")

	v := s.For(wire.Hash{9})
	h, data := block(50, 7000)
	if err := v.Put(context.Background(), h, data); err != nil {
		t.Fatal(err)
	}
	v.Close()
	c.promise(func(m *model) { m.block(true, h); m.root(wire.Hash{9}, 0) })
	crashClose(t, s)

	s = crashOpen(t, c, dir) // goes on with the last pack
	third := crashPut(t, c, s, 20, sizes(12, 9000)...)
	crashRoot(t, c, s, Root{Hash: third[0], Class: Own, Blocks: slices.Concat(third[:4], first[:1])})
	crashDrop(t, c, s, second[0], Pinned, second)
	crashDrop(t, c, s, first[0], Own, first[1:])
	if err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	crashPut(t, c, s, 40, 500, 600, largeBlock)
	c.promise(func(m *model) { m.unsure(wire.Hash{}, third[5:6]) })
	if err := s.Remove(context.Background(), third[5:6]); err != nil {
		t.Fatal(err)
	}
	c.promise(func(m *model) { m.block(false, third[5]) })
	crashRecord(t, c, s, "b", "3")
	crashClose(t, s)
}

func crashOpen(t *testing.T, c *crashFS, dir string) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, FS: c, PackSize: crashPackSize, Budget: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func crashClose(t *testing.T, s *Store) {
	t.Helper()
	if err := errors.Join(consistent(s), s.Close()); err != nil {
		t.Fatal(err)
	}
}

func crashPut(t *testing.T, c *crashFS, s *Store, first uint64, sizes ...int) []wire.Hash {
	t.Helper()
	// What will be removed later is not promised while that is under way.
	hashes := make([]wire.Hash, len(sizes))
	for i, n := range sizes {
		hashes[i], _ = block(first+uint64(i), n)
	}
	got := putBlocks(t, s, first, sizes...)
	c.promise(func(m *model) { m.block(true, got...) })
	return hashes
}

func crashRoot(t *testing.T, c *crashFS, s *Store, r Root) {
	t.Helper()
	addRoot(t, s, r)
	c.promise(func(m *model) { m.root(r.Hash, len(r.Blocks)) })
}

func crashRecord(t *testing.T, c *crashFS, s *Store, k, v string) {
	t.Helper()
	c.promise(func(m *model) { delete(m.records, k) })
	if err := s.Bucket("records").Put(context.Background(), []byte(k), []byte(v), time.Time{}); err != nil {
		t.Fatal(err)
	}
	c.promise(func(m *model) { m.record(k, v) })
}

func crashDrop(t *testing.T, c *crashFS, s *Store, h wire.Hash, class Class, own []wire.Hash) {
	t.Helper()
	c.promise(func(m *model) { m.unsure(h, own) })
	if err := s.DropClass(context.Background(), h, class); err != nil {
		t.Fatal(err)
	}
	c.promise(func(m *model) { m.root(h, -1); m.block(false, own...) })
}

// TestCrashAtEveryPoint cuts the power after every single thing that was asked
// of the disk, under every fate of what was not synced.
func TestCrashAtEveryPoint(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	crashWorkload(t, c, filepath.Join(base, "x", "y", "data"))
	t.Logf("%d crash points, %d fates", len(c.log)+1, len(fates))
	crashEverywhere(t, c, filepath.Join("x", "y", "data"))
}

// crashEverywhere recovers from each crash point and fails with the first
// promise that was broken.
func crashEverywhere(t *testing.T, c *crashFS, dir string) {
	t.Helper()
	for n := range len(c.log) + 1 {
		if n < len(c.log) && c.log[n].kind == evModel {
			continue // the disk is as it was one event ago, the promise is not: see there
		}
		for i, fa := range fates {
			r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			if err := crashOnce(t, c, n, dir, fa, r); err != nil {
				t.Fatalf("power lost after event %d (%s), %s: %v", n, c.describe(n), fa.name, err)
			}
		}
	}
}

func (c *crashFS) describe(n int) string {
	if n == 0 {
		return "none"
	}
	e := c.log[n-1]
	for path, in := range c.byPath {
		if in == e.inode {
			e.path = path
		}
	}
	return fmt.Sprintf("kind %d of %s, %d bytes at %d", e.kind, e.path, len(e.data), e.off)
}

// crashOnce loses power after n events and reports what is broken then.
func crashOnce(t *testing.T, c *crashFS, n int, dir string, fa fate, r *rand.Rand) error {
	t.Helper()
	d := c.at(n)
	img := d.image(fa, r)
	// Without anything unsynced all fates are one.
	key := img.sum()
	if c.passed[key] == d.promises {
		return nil
	}
	base := scratch(t)
	defer os.RemoveAll(base)
	img.build(t, base)
	err := recovers(filepath.Join(base, dir), &d.model)
	if err == nil {
		c.passed[key] = d.promises
	}
	return err
}

// recovers opens what a crash left, checks it against the promises and works on.
func recovers(dir string, m *model) error {
	s, err := Open(Config{Dir: dir, NoSync: true, PackSize: crashPackSize})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := errors.Join(m.check(s), consistent(s), tidy(s)); err != nil {
		return err
	}
	h, data := block(12345, 3000)
	if err := s.Put(context.Background(), h, data); err != nil {
		return err
	}
	got, err := s.Get(context.Background(), h, nil)
	if err != nil || !bytes.Equal(got, data) {
		return fmt.Errorf("a block stored after recovery: %v", err)
	}
	return nil
}

// scratch is a new folder in memory where there is such a place: thousands of
// disks are built here, and no real fsync matters.
func scratch(t *testing.T) string {
	t.Helper()
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "altnet-crash")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestCrashAfterRecovery loses power, recovers, works on and loses power again.
func TestCrashAfterRecovery(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	crashWorkload(t, c, filepath.Join(base, "data"))
	for n := 10; n < len(c.log); n += len(c.log) / 8 {
		for i, fa := range fates {
			r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			d := c.at(n)
			again := newCrashFS(t.TempDir())
			d.image(fa, r).build(t, again.base)
			again.adoptAll(t)
			again.promise(func(m *model) { *m = d.model.clone() })
			s := crashOpen(t, again, filepath.Join(again.base, "data"))
			crashPut(t, again, s, 7000, 10, 70000, 5000)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for m := 0; m <= len(again.log); m += 5 {
				for _, fa := range []fate{fates[0], fates[5]} {
					if err := crashOnce(t, again, m, "data", fa, r); err != nil {
						t.Fatalf("power lost after %d, recovered, lost after %d (%s): %v", n, m, again.describe(m), err)
					}
				}
			}
		}
	}
}

func (m model) clone() model {
	return model{maps.Clone(m.blocks), maps.Clone(m.roots), maps.Clone(m.records)}
}

// adoptAll takes what lies under base as durable.
func (c *crashFS) adoptAll(t *testing.T) {
	t.Helper()
	var log []event
	err := filepath.WalkDir(c.base, func(path string, e os.DirEntry, err error) error {
		rel := c.rel(path)
		if err != nil || rel == "." {
			return err
		}
		in := -1
		if !e.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			c.inodes++
			in = c.inodes
			c.byPath[rel] = in
			log = append(log, event{kind: evWrite, inode: in, data: data}, event{kind: evSync, inode: in})
		}
		log = append(log, event{kind: evName, path: rel, inode: in}, event{kind: evSyncDir, path: filepath.Dir(rel)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// One event each way: there is no crash point inside.
	c.log = append(c.log, log...)
}

// TestKilledBetweenMkdirAndSync: a process that dies, and much later a power
// failure: the folder's name must be durable by then, whoever made it.
func TestKilledBetweenMkdirAndSync(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	for _, dir := range []string{"data", filepath.Join("data", packsDir)} {
		if err := c.Mkdir(filepath.Join(base, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := crashOpen(t, c, filepath.Join(base, "data"))
	crashPut(t, c, s, 0, 100, largeBlock)
	crashClose(t, s)
	crashEverywhere(t, c, "data")
}

// TestFailedSyncSealsPack: the kernel reports a lost write once; the next
// fsync of the same file succeeds though the bytes are gone. Nothing written
// before that may be acknowledged after it.
func TestFailedSyncSealsPack(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	dir := filepath.Join(base, "data")
	s := crashOpen(t, c, dir)
	crashPut(t, c, s, 0, 100, 200)

	bystander := s.NewBatch() // has written, and will commit after the failure
	h, data := block(500, largeBlock/4)
	if err := bystander.Put(h, data); err != nil {
		t.Fatal(err)
	}
	if err := bystander.part.writeRun(s); err != nil {
		t.Fatal(err)
	}
	failures := 0
	c.failSync = func(name string) error {
		if failures++; failures > 1 || !strings.HasSuffix(name, packSuffix) {
			return nil
		}
		return syscall.EIO
	}
	h2, data2 := block(501, 300)
	if err := s.Put(context.Background(), h2, data2); !errors.Is(err, syscall.EIO) {
		t.Fatalf("put whose fsync failed: %v, want EIO", err)
	}
	wantGone(t, s, h2)
	if err := bystander.Commit(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("commit of bytes that the failed fsync lost: %v, want EIO", err)
	}
	// The store goes on in a new pack.
	crashPut(t, c, s, 500, largeBlock/4, 300, 700)
	if got := len(s.packs.byID); got != 2 {
		t.Fatalf("%d packs, want the failed one and a new one", got)
	}
	crashClose(t, s)
	crashEverywhere(t, c, "data")
}

// TestFullDisk: whatever does not fit is refused, what was acknowledged stays,
// and when there is room again the same store goes on.
func TestFullDisk(t *testing.T) {
	for _, room := range []int64{0, 100, 5000, 30000, 70000, 100000, 250000} {
		base := t.TempDir()
		c := newCrashFS(base)
		s := crashOpen(t, c, filepath.Join(base, "data"))
		crashPut(t, c, s, 0, sizes(5, 1000)...)
		c.setRoom(room)
		var err error
		seed := uint64(100)
		for ; err == nil && seed < 200; seed++ {
			h, data := block(seed, 900+int(seed)*300)
			if err = s.Put(context.Background(), h, data); err == nil {
				c.promise(func(m *model) { m.block(true, h) })
			}
		}
		if !errors.Is(err, ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room for %d: %v, want ErrDiskFull", room, err)
		}
		if room == 0 {
			if err := s.Bucket("records").Put(context.Background(), []byte("k"), []byte("v"), time.Time{}); !errors.Is(err, ErrDiskFull) {
				t.Fatalf("record on a full disk: %v", err)
			}
		}
		if err := errors.Join(c.at(len(c.log)).model.check(s), consistent(s)); err != nil {
			t.Fatalf("room for %d: on the full disk: %v", room, err)
		}
		if room == 100 { // the pack took half of a block: given back
			if err := tidy(s); err != nil {
				t.Fatal(err)
			}
		}
		c.setRoom(-1)
		crashPut(t, c, s, 300, 100, 70000)
		crashClose(t, s)
		if err := crashOnce(t, c, len(c.log), "data", fates[0], nil); err != nil {
			t.Fatalf("room for %d: after reopening: %v", room, err)
		}
	}
}

// TestEverySyncMatters is the test of the tests above: on a disk that ignores
// one kind of sync, they must find a broken promise.
func TestEverySyncMatters(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	dir := filepath.Join("x", "data")
	crashWorkload(t, c, filepath.Join(base, dir))
	paths := map[int]string{}
	for _, e := range c.log {
		if e.kind == evName {
			paths[e.inode] = e.path
		}
	}
	isPack := func(e event) bool { return strings.HasSuffix(paths[e.inode], packSuffix) }
	for name, ignored := range map[string]func(event) bool{
		"packs":             func(e event) bool { return e.kind == evSync && isPack(e) },
		"index":             func(e event) bool { return e.kind == evSync && !isPack(e) },
		"folder above":      func(e event) bool { return e.kind == evSyncDir && e.path == "." },
		"folder around":     func(e event) bool { return e.kind == evSyncDir && e.path == "x" },
		"data folder":       func(e event) bool { return e.kind == evSyncDir && e.path == dir },
		"folder of packs":   func(e event) bool { return e.kind == evSyncDir && e.path == filepath.Join(dir, packsDir) },
		"everything at all": func(e event) bool { return e.kind == evSync || e.kind == evSyncDir },
	} {
		t.Run(name, func(t *testing.T) {
			liar := newCrashFS(c.base)
			liar.byPath, liar.log = c.byPath, slices.DeleteFunc(slices.Clone(c.log), ignored)
			if len(liar.log) == len(c.log) {
				t.Fatal("the store never asks for it")
			}
			if !liar.breaks(t, dir) {
				t.Fatal("nobody notices that it is missing")
			}
		})
	}
}

// breaks reports whether some crash point breaks a promise.
func (c *crashFS) breaks(t *testing.T, dir string) bool {
	for n := len(c.log); n >= 0; n-- {
		for i, fa := range fates {
			r := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			if crashOnce(t, c, n, dir, fa, r) != nil {
				return true
			}
		}
	}
	return false
}

// TestBrokenIndex: when the index cannot be written for a reason that is not a
// full disk, nothing more is promised until the store is opened again.
func TestBrokenIndex(t *testing.T) {
	base := t.TempDir()
	c := newCrashFS(base)
	s := crashOpen(t, c, filepath.Join(base, "data"))
	hashes := crashPut(t, c, s, 0, 100, 200)
	c.failIndex.Store(true)
	h, data := block(10, 100)
	for range 2 {
		if err := s.Put(context.Background(), h, data); !errors.Is(err, ErrBroken) {
			t.Fatalf("put: %v, want ErrBroken", err)
		}
		c.failIndex.Store(false) // too late
	}
	wantBlock(t, s, hashes[0])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	crashEverywhere(t, c, "data")
}

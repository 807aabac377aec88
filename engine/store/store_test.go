package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"altnet/engine/wire"
)

// open opens a store that is closed with the test.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// block returns n bytes that depend on seed alone, and their hash.
func block(seed uint64, n int) (wire.Hash, []byte) {
	data := make([]byte, n)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(key).Read(data)
	return sha256.Sum256(data), data
}

// put stores blocks of the given sizes, seeded from first on.
func putBlocks(t testing.TB, s *Store, first uint64, sizes ...int) []wire.Hash {
	t.Helper()
	b := s.NewBatch()
	var hashes []wire.Hash
	for i, n := range sizes {
		h, data := block(first+uint64(i), n)
		hashes = append(hashes, h)
		if err := b.Put(h, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return hashes
}

// sizes returns n times size.
func sizes(n, size int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = size
	}
	return list
}

// wantBlock checks that a block is there and whole.
func wantBlock(t testing.TB, s *Store, h wire.Hash) {
	t.Helper()
	data, err := s.Get(context.Background(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(data) != h {
		t.Fatalf("block %s holds other bytes", h)
	}
}

func wantGone(t testing.TB, s *Store, h wire.Hash) {
	t.Helper()
	if _, err := s.Get(context.Background(), h, nil); !errors.Is(err, ErrNotFound) {
		t.Fatalf("block %s: %v, want ErrNotFound", h, err)
	}
}

func TestBlocksComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	hashes := putBlocks(t, s, 0, 0, 1, 47, 4096, largeBlock-1, largeBlock, wire.MaxBlock, 4096)
	check := func(s *Store) {
		for _, h := range hashes {
			wantBlock(t, s, h)
			sec, err := s.Section(h)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(io.NewSectionReader(sec.File, sec.Offset, sec.Length))
			if err != nil || sha256.Sum256(data) != h {
				t.Fatalf("section of %s: other bytes, %v", h, err)
			}
			sec.Close()
		}
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	check(s)
	putBlocks(t, s, 100, 10, 100000)
	check(s)
	unknown, _ := block(999, 10)
	if _, err := s.Get(t.Context(), unknown, nil); !errors.Is(err, ErrNotFound) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("unknown block: %v", err)
	}
	if got := s.HasMany(append(hashes, unknown)); len(got) != len(hashes)+1 || got[len(hashes)] || !got[0] {
		t.Fatalf("HasMany: %v", got)
	}
}

func TestGetReusesBuffer(t *testing.T) {
	s := open(t, Config{})
	h := putBlocks(t, s, 0, 1000)[0]
	buf := make([]byte, 0, 4096)
	data, err := s.Get(t.Context(), h, buf)
	if err != nil {
		t.Fatal(err)
	}
	if &data[0] != &buf[:1][0] {
		t.Fatal("the buffer was large enough and was not used")
	}
}

func TestDuplicatesAreStoredOnce(t *testing.T) {
	s := open(t, Config{})
	h, data := block(1, 5000)
	for range 3 {
		b := s.NewBatch()
		for range 3 {
			if err := b.Put(h, data); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if u := s.Usage(); u.Blocks != 1 || u.Bytes != 5000+entryHeader {
		t.Fatalf("usage %+v, want one block", u)
	}
}

func TestSecondInstance(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	start := time.Now()
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second instance: %v, want ErrLocked", err)
	}
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Fatalf("refused after %v, want at once", d)
	}
	s.Close()
	open(t, Config{Dir: dir})
}

func TestRecords(t *testing.T) {
	s := open(t, Config{})
	b := s.Bucket("records")
	ctx := t.Context()
	if _, ok, err := b.Get([]byte("a")); ok || err != nil {
		t.Fatal("a record in an empty bucket", err)
	}
	for _, k := range []string{"b1", "a2", "a1", "c"} {
		if err := b.Put(ctx, []byte(k), []byte("value of "+k), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok, err := b.Get([]byte("a1")); !ok || err != nil || !bytes.Equal(v, []byte("value of a1")) {
		t.Fatalf("got %q %v %v", v, ok, err)
	}
	if _, ok, _ := s.Bucket("others").Get([]byte("a1")); ok {
		t.Fatal("buckets leak into each other")
	}
	if err := b.Delete(ctx, []byte("b1")); err != nil {
		t.Fatal(err)
	}
	var keys []string
	if err := b.Range([]byte("a"), func(k, _ []byte, _ time.Time) bool { keys = append(keys, string(k)); return true }); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0] != "a1" || keys[1] != "a2" {
		t.Fatalf("range gave %v", keys)
	}
	failed := errors.New("no")
	if err := s.Update(ctx, func(tx *Tx) error {
		if err := tx.Bucket("records").Delete([]byte("a1")); err != nil {
			return err
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if _, ok, _ := b.Get([]byte("a1")); !ok {
		t.Fatal("a failed update left its mark")
	}
	if err := b.Put(ctx, make([]byte, MaxKey+1), nil, time.Time{}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("long key: %v", err)
	}
}

// TestLongBatch puts more than one commit takes, with duplicates far apart.
func TestLongBatch(t *testing.T) {
	s := open(t, Config{NoSync: true, PackSize: 1 << 20})
	b := s.NewBatch()
	var hashes []wire.Hash
	n := uint64(flushPuts + flushPuts/2)
	for i := range n {
		h, data := block(i%(flushPuts+100), 20)
		if err := b.Put(h, data); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	if err := b.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, h := range hashes {
		wantBlock(t, s, h)
	}
	if u := s.Usage(); u.Blocks != flushPuts+100 {
		t.Fatalf("%d blocks, want %d", u.Blocks, flushPuts+100)
	}
}

// TestOneRefusalAmongMany: a failing update takes nobody with it who shared
// its transaction.
func TestOneRefusalAmongMany(t *testing.T) {
	s := open(t, Config{NoSync: true})
	hold, entered := make(chan struct{}), make(chan struct{})
	if err := s.submit(t.Context(), &write{do: func(*txn) error { close(entered); <-hold; return nil }}); err != nil {
		t.Fatal(err)
	}
	<-entered
	refusal := errors.New("no")
	var wg sync.WaitGroup
	for i := range byte(20) {
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx *Tx) error {
				if err := tx.Bucket("b").Put([]byte{i}, []byte{i}, time.Time{}); err != nil {
					return err
				}
				if i%3 == 0 {
					return refusal
				}
				return nil
			})
			if (i%3 == 0) != errors.Is(err, refusal) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	close(hold)
	wg.Wait()
	for i := range byte(20) {
		if _, ok, err := s.Bucket("b").Get([]byte{i}); err != nil || ok == (i%3 == 0) {
			t.Errorf("record %d: %v %v", i, ok, err)
		}
	}
}

func TestOversizeAndCancelled(t *testing.T) {
	s := open(t, Config{NoSync: true})
	h, _ := block(1, 10)
	if err := s.Put(t.Context(), h, make([]byte, wire.MaxBlock+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("block too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, h, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("get: %v", err)
	}
	if _, err := s.AddRoot(t.Context(), Root{Hash: h, Class: 0x80}); err == nil {
		t.Fatal("a class that does not exist was taken")
	}
	if _, _, _, err := s.Bitmap(h); !errors.Is(err, ErrUnknownRoot) {
		t.Fatalf("bitmap of an unknown root: %v", err)
	}
}

package site

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

// source publishes the sample site.
func source(t testing.TB) (*memStore, Summary, map[string][]byte) {
	t.Helper()
	files := sampleFiles()
	store := newMemStore()
	return store, store.publish(t, files), files
}

func (m *memStore) clone() *memStore {
	c := newMemStore()
	for h, b := range m.blocks {
		c.blocks[h] = b
	}
	return c
}

// checkSame fails unless the store has every block of the summary.
func checkSame(t testing.TB, store *memStore, sum Summary, got Fetched) {
	t.Helper()
	if !slices.Equal(got.Blocks, sum.Blocks) {
		t.Fatalf("fetched %d blocks, want %d, in the same order", len(got.Blocks), len(sum.Blocks))
	}
	has, _ := store.HasMany(t.Context(), sum.Blocks)
	if slices.Contains(has, false) {
		t.Fatal("a block is missing after a fetch that succeeded")
	}
}

func TestFetchFromMany(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 50 * time.Millisecond
		for range 3 {
			n.add(store, true)
		}
		here := newMemStore()
		var last FetchProgress
		got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{Progress: func(p FetchProgress) { last = p }})
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, here, sum, got)
		if last.Blocks != last.TotalBlocks || last.Bytes != last.TotalBytes || last.Bytes != got.Bytes || last.Blocks != uint64(len(sum.Blocks)) {
			t.Fatalf("progress ends at %+v", last)
		}
		total := 0
		for _, p := range n.peers {
			if p.served() == 0 {
				t.Error("a holder was not used")
			}
			total += p.served()
		}
		if total != len(sum.Blocks) {
			t.Errorf("%d blocks moved, the site has %d", total, len(sum.Blocks))
		}
	})
}

func TestFetchResumes(t *testing.T) {
	store, sum, _ := source(t)
	n := newTestNet(t)
	p := n.add(store, true)
	here := store.clone()
	gone := sum.Blocks[len(sum.Blocks)-7:]
	for _, h := range gone {
		delete(here.blocks, h)
	}
	got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkSame(t, here, sum, got)
	if p.served() != len(gone) {
		t.Fatalf("%d blocks moved, %d were missing", p.served(), len(gone))
	}
}

func TestFetchAvoidsLiarsAndTheDead(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 10 * time.Millisecond
		liar, dead, silent := n.add(store, true), n.add(store, true), n.add(store, true)
		liar.lie = func(b []byte) []byte { return append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1) }
		dead.fail = errors.New("connection refused")
		silent.delay = func(ctx context.Context) { _ = wait(ctx, time.Hour) }
		n.add(store, true)
		here := newMemStore()
		start := time.Now()
		got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, here, sum, got)
		if len(n.liars) != 1 || n.liars[0].ID != liar.peer.ID {
			t.Errorf("liars: %v", n.liars)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("took %v; silent requests were not doubled", took)
		}
	})
}

func TestFetchFromParts(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 10 * time.Millisecond
		nodes := map[wire.Hash]bool{}
		_ = walkSite(t.Context(), sum.Root, store, func(p place, _ uint64) error {
			nodes[p.Hash] = p.Kind != KindChunk
			return nil
		})
		for part := range 3 {
			some := newMemStore()
			held := make([]bool, len(sum.Blocks))
			for i, h := range sum.Blocks {
				if held[i] = nodes[h] || i%3 == part; held[i] {
					some.blocks[h] = store.blocks[h]
				}
			}
			p := n.add(some, false)
			p.server.cfg.Have = func(context.Context, wire.Hash) (wire.Have, error) { return bitmap(held), nil }
		}
		here := newMemStore()
		got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, here, sum, got)
		for i, p := range n.peers {
			if p.asked(wire.TypeGetHave) != 1 {
				t.Errorf("part %d was asked %d times what it has", i, p.asked(wire.TypeGetHave))
			}
		}
	})
}

func TestFetchRange(t *testing.T) {
	store, sum, _ := source(t)
	n := newTestNet(t)
	n.add(store, true)
	here := newMemStore()
	first, count := uint64(len(sum.Blocks)/3), uint64(100)
	got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{First: first, Count: count})
	if err != nil {
		t.Fatal(err)
	}
	if got.First != first || got.Count != count || !slices.Equal(got.Blocks, sum.Blocks) {
		t.Fatalf("got range %d+%d of %d blocks", got.First, got.Count, len(got.Blocks))
	}
	_ = walkSite(t.Context(), sum.Root, store, func(p place, _ uint64) error {
		i := uint64(slices.Index(sum.Blocks, p.Hash))
		_, have := here.blocks[p.Hash]
		if want := p.Kind != KindChunk || i >= first && i < first+count; have != want {
			t.Errorf("block %d of kind %d: here %v, want %v", i, p.Kind, have, want)
		}
		return nil
	})
}

func TestFetchSaysWhatIsMissing(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		here := newMemStore()
		f := n.fetcher(here, nil)
		_, err := f.Fetch(t.Context(), sum.Root, FetchOptions{})
		if !errors.Is(err, ErrNoHolder) || !errors.Is(err, ErrMissing) {
			t.Fatalf("no holder: %v", err)
		}
		some := store.clone()
		var gone []wire.Hash
		_ = walkSite(t.Context(), sum.Root, store, func(p place, _ uint64) error {
			if p.Kind == KindChunk && len(gone) < 3 {
				gone = append(gone, p.Hash)
				delete(some.blocks, p.Hash)
			}
			return nil
		})
		n.add(some, true)
		_, err = f.Fetch(t.Context(), sum.Root, FetchOptions{})
		missing, ok := errors.AsType[*MissingError](err)
		if !ok || missing.Count != 3 || !slices.Contains(gone, missing.Hash) {
			t.Fatalf("three blocks missing: %v", err)
		}
		if len(here.blocks) != len(sum.Blocks)-3 {
			t.Fatalf("%d blocks kept of %d", len(here.blocks), len(sum.Blocks)-3)
		}
		n.add(store, true)
		got, err := f.Fetch(t.Context(), sum.Root, FetchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, here, sum, got)
	})
}

func TestFetchStops(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.add(store, true).delay = func(ctx context.Context) { _ = wait(ctx, time.Second) }
		f := n.fetcher(newMemStore(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := f.Fetch(ctx, sum.Root, FetchOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("cancelled: %v", err)
		}
		time.AfterFunc(time.Second, func() { f.Close() })
		if _, err := f.Fetch(t.Context(), sum.Root, FetchOptions{}); !errors.Is(err, ErrClosed) {
			t.Fatalf("closed: %v", err)
		}
	})
}

func TestFetchRefusesTooMuch(t *testing.T) {
	store, sum, _ := source(t)
	n := newTestNet(t)
	p := n.add(store, true)
	_, err := n.fetcher(newMemStore(), nil).Fetch(t.Context(), sum.Root, FetchOptions{MaxBytes: 1 << 20})
	if !errors.Is(err, ErrLimit) || p.served() > 1 {
		t.Fatalf("%d blocks moved: %v", p.served(), err)
	}
	// Of a range the root promises nothing: the tree is refused while it comes.
	single := func(c *FetcherConfig) { c.BatchBlocks, c.Streams, c.Slots = 1, 1, 1 }
	before := p.served()
	_, err = n.fetcher(newMemStore(), single).Fetch(t.Context(), sum.Root, FetchOptions{First: 1, Count: 1, MaxBytes: 1 << 10})
	if moved := p.served() - before; !errors.Is(err, ErrLimit) || moved > 12 {
		t.Fatalf("of a range: %d blocks moved: %v", moved, err)
	}
	refuse := func(c *FetcherConfig) {
		c.Refuse = func(h wire.Hash) bool { return h == sum.Blocks[len(sum.Blocks)-1] }
	}
	if _, err := n.fetcher(newMemStore(), refuse).Fetch(t.Context(), sum.Root, FetchOptions{}); !errors.Is(err, ErrMissing) {
		t.Fatalf("blocklisted: %v", err)
	}
}

func TestRemoteColdPageTakesOneRoundTrip(t *testing.T) {
	store, sum, files := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 100 * time.Millisecond
		p := n.add(store, true)
		here := newMemStore()
		fsys := open(t, sum.Root, remote(t, here, n.fetcher(here, nil), sum.Root))
		for _, name := range []string{"many/file-0777.txt", "a/b/c/deep.txt", "chunk1.bin"} {
			start := time.Now()
			got, err := fs.ReadFile(fsys, name)
			if err != nil || !bytes.Equal(got, files[name]) {
				t.Fatalf("%s: %v", name, err)
			}
			want := n.rtt
			if name == "many/file-0777.txt" {
				want *= 2 // one to find a holder
			}
			if took := time.Since(start); took != want {
				t.Errorf("%s took %v, want %v", name, took, want)
			}
		}
		if p.asked(wire.TypeGetPath) != 3 || p.asked(wire.TypeGetBlocks) != 0 {
			t.Errorf("%d paths and %d times blocks asked for", p.asked(wire.TypeGetPath), p.asked(wire.TypeGetBlocks))
		}
		start := time.Now()
		if _, err := fs.ReadFile(fsys, "a/b/c/deep.txt"); err != nil || time.Since(start) != 0 {
			t.Errorf("second read took %v: %v", time.Since(start), err)
		}
		if _, err := fs.ReadFile(fsys, "nothing/here"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no such path: %v", err)
		}
	})
}

func TestRemoteReadersShare(t *testing.T) {
	store, sum, files := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 100 * time.Millisecond
		p := n.add(store, true)
		here := newMemStore()
		fsys := open(t, sum.Root, remote(t, here, n.fetcher(here, nil), sum.Root))
		done := make(chan error)
		for range 20 {
			go func() {
				got, err := fs.ReadFile(fsys, "big.bin")
				if err == nil && !bytes.Equal(got, files["big.bin"]) {
					err = errors.New("wrong bytes")
				}
				done <- err
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if p.asked(wire.TypeGetPath) != 1 || p.served() > 10 {
			t.Errorf("%d paths asked for, %d blocks moved", p.asked(wire.TypeGetPath), p.served())
		}
	})
}

func TestRemoteFallsBack(t *testing.T) {
	store, sum, files := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		silent, part, liar := n.add(store, true), n.add(newMemStore(), true), n.add(store, true)
		silent.delay = func(ctx context.Context) { _ = wait(ctx, time.Hour) }
		part.store.blocks[sum.Root] = store.blocks[sum.Root]
		liar.lie = func(b []byte) []byte { b[0] ^= 1; return b }
		n.add(store, true)
		here := newMemStore()
		fsys := open(t, sum.Root, remote(t, here, n.fetcher(here, nil), sum.Root))
		for _, name := range []string{"index.html", "big.bin", "many/file-0001.txt"} {
			start := time.Now()
			got, err := fs.ReadFile(fsys, name)
			if err != nil || !bytes.Equal(got, files[name]) {
				t.Fatalf("%s: %v", name, err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		}
	})
}

func TestRemoteMissing(t *testing.T) {
	store, sum, _ := source(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		here := newMemStore()
		fsys := open(t, sum.Root, remote(t, here, n.fetcher(here, nil), sum.Root))
		_, err := fs.ReadFile(fsys, "index.html")
		if !errors.Is(err, ErrMissing) || errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("nobody has it: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.add(store, true).delay = func(ctx context.Context) { _ = wait(ctx, time.Hour) }
		if _, err := fs.ReadFile(fsys.WithContext(ctx), "index.html"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("slow holder: %v", err)
		}
	})
}

func remote(t *testing.T, here *memStore, f *Fetcher, root wire.Hash) *Remote {
	r := NewRemote(here, f, root)
	t.Cleanup(func() { r.Close() })
	return r
}

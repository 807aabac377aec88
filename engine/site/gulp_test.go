package site

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

// smallSite is a site of several levels and kinds of nodes below 1 MiB.
func smallSite(t testing.TB) (*memStore, Summary) {
	t.Helper()
	files := map[string][]byte{"a/b/c/deep.txt": []byte("deep"), "chunks.bin": bytes.Repeat([]byte("0123456789abcdef"), 40_000)}
	for name, data := range sampleFiles() {
		if len(data) < 10_000 {
			files[name] = data
		}
	}
	store := newMemStore()
	sum := store.publish(t, files)
	sum.Stored = 0
	for _, h := range sum.Blocks {
		sum.Stored += int64(len(store.blocks[h]))
	}
	return store, sum
}

func TestServeBelow(t *testing.T) {
	store, sum := smallSite(t)
	s := NewServer(ServerConfig{Blocks: store})
	whole := exchange(t, s, wire.GetPath{Root: sum.Root, Limit: uint64(sum.Stored), Below: true})
	if end := whole[len(whole)-1].(wire.End); !end.Complete || len(whole)-1 != len(sum.Blocks) {
		t.Fatalf("%d blocks of %d, %+v", len(whole)-1, len(sum.Blocks), end)
	}
	for i, h := range sum.Blocks {
		if hashOf(whole[i].(wire.Block).Data) != h {
			t.Fatalf("block %d is not in its place", i)
		}
	}
	part := exchange(t, s, wire.GetPath{Root: sum.Root, Limit: uint64(sum.Stored) - 1, Below: true})
	sent := uint64(0)
	for _, m := range part[:len(part)-1] {
		sent += uint64(len(m.(wire.Block).Data))
	}
	// A node is on its way once it was read; a chunk is not.
	if end := part[len(part)-1].(wire.End); end.Complete || sent > uint64(sum.Stored)-1+MaxNode {
		t.Errorf("%d bytes sent of %d, %+v", sent, uint64(sum.Stored)-1, end)
	}
	for _, m := range []wire.GetPath{
		{Root: sum.Root, Path: "a", Below: true}, {Root: sum.Root, Offset: 1, Below: true}, {Below: true},
	} {
		if e, ok := exchange(t, s, m)[0].(wire.Error); !ok || e.Code != wire.CodeBadRequest {
			t.Errorf("%+v: %v", m, e)
		}
	}
}

// TestSmallSiteTakesOneRoundTrip: where the peer is known and the site small.
func TestSmallSiteTakesOneRoundTrip(t *testing.T) {
	store, sum := smallSite(t)
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet(t)
		n.rtt = 100 * time.Millisecond
		p := n.add(store, true)
		here := newMemStore()
		start := time.Now()
		got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{From: []wire.Peer{p.peer}, MaxBytes: uint64(sum.Stored)})
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, here, sum, got)
		if took := time.Since(start); took != n.rtt {
			t.Errorf("took %v, want %v", took, n.rtt)
		}
		if p.asked(wire.TypeGetPath) != 1 || p.asked(wire.TypeGetBlocks) != 0 || got.New != uint64(sum.Stored) {
			t.Errorf("%d paths and %d times blocks asked for, %d bytes came", p.asked(wire.TypeGetPath), p.asked(wire.TypeGetBlocks), got.New)
		}
	})
}

// TestGulpFails: whatever the first peer does instead, the site comes from
// others, and what is not part of it is not taken.
func TestGulpFails(t *testing.T) {
	store, sum := smallSite(t)
	for name, spoil := range map[string]func(*testPeer){
		"lies": func(p *testPeer) {
			p.lie = func(b []byte) []byte { return append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1) }
		},
		"is silent": func(p *testPeer) { p.delay = func(ctx context.Context) { _ = wait(ctx, time.Hour) } },
		"is gone":   func(p *testPeer) { p.fail = errors.New("connection refused") },
		"has less":  func(p *testPeer) { delete(p.store.blocks, sum.Blocks[len(sum.Blocks)/2]) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNet(t)
				n.rtt = 10 * time.Millisecond
				bad := n.add(store.clone(), true)
				spoil(bad)
				n.add(store, true)
				here := newMemStore()
				got, err := n.fetcher(here, nil).Fetch(t.Context(), sum.Root, FetchOptions{From: []wire.Peer{bad.peer}, MaxBytes: uint64(sum.Stored)})
				if err != nil {
					t.Fatal(err)
				}
				checkSame(t, here, sum, got)
				if len(here.blocks) != len(sum.Blocks) {
					t.Errorf("%d blocks are here, the site has %d", len(here.blocks), len(sum.Blocks))
				}
				if lied := len(n.liars) == 1; lied != (name == "lies") {
					t.Errorf("liars: %v", n.liars)
				}
			})
		})
	}
}

// TestGulpRefuses: a block of the blocklist is not stored.
func TestGulpRefuses(t *testing.T) {
	store, sum := smallSite(t)
	bad := sum.Blocks[len(sum.Blocks)-1]
	n := newTestNet(t)
	p := n.add(store, true)
	here := newMemStore()
	f := n.fetcher(here, func(cfg *FetcherConfig) { cfg.Refuse = func(h wire.Hash) bool { return h == bad } })
	if _, err := f.Fetch(t.Context(), sum.Root, FetchOptions{From: []wire.Peer{p.peer}, MaxBytes: uint64(sum.Stored)}); err == nil {
		t.Error("fetched")
	}
	if _, ok := here.blocks[bad]; ok {
		t.Error("a refused block was stored")
	}
}

package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// given asks a node for a site in all three ways and returns how many blocks
// it handed out.
func given(t *testing.T, from, to *Engine, root wire.Hash, hashes []wire.Hash) (blocks, path int, have wire.Have) {
	t.Helper()
	count := func(m wire.Message) (n int) {
		s, err := from.host.Open(t.Context(), to.host.Self(), m)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for {
			m, err := s.Read()
			if err != nil || m.Type() == wire.TypeEnd {
				return n
			}
			if m.Type() == wire.TypeBlock {
				n++
			}
		}
	}
	blocks = count(wire.GetBlocks{Root: root, Hashes: hashes})
	path = count(wire.GetPath{Root: root, Path: "d0/f000.html", Limit: 1 << 20})
	m, err := from.host.Request(t.Context(), to.host.Self(), wire.GetHave{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return blocks, path, m.(wire.Have)
}

// TestReadingIsPrivate: a node that read a site does not say so to those who
// ask; one that shares it, by any of the three reasons, hands it out, and
// nothing else as part of it.
func TestReadingIsPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		author1 := v.node(nil)
		volunteer := v.node(nil, author1)
		aloof := func(c *Config) { c.NoVolunteer = true }
		reader, pinner, spy := v.node(aloof, author1), v.node(aloof, author1), v.node(aloof, author1)
		v.pass(10 * time.Second)
		dir := folder(t, 10, 1000)
		receipt, err := author(t, author1).Publish(t.Context(), dir, "diary.alt", publisher.Options{})
		if err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		sameSite(t, reader, "diary.alt", dir)
		if err := pinner.SetPinned(t.Context(), "diary.alt", true); err != nil {
			t.Fatal(err)
		}
		root, _ := parseHash(receipt.Root)
		list, err := author1.store.BlockList(root)
		if err != nil {
			t.Fatal(err)
		}
		for name, e := range map[string]*Engine{"publisher": author1, "volunteer": volunteer, "pinner": pinner} {
			if blocks, path, have := given(t, spy, e, root, list); blocks != len(list) || path == 0 || !have.Full {
				t.Errorf("the %s hands out %d blocks of %d, %d on the path, says %+v", name, blocks, len(list), path, have)
			}
		}
		for _, h := range list {
			if !reader.store.Has(h) {
				t.Fatal("the reader did not keep what it read")
			}
		}
		blocks, path, have := given(t, spy, reader, root, list)
		if blocks != 0 || path != 0 || have.Full || have.Count != 0 || len(have.Bitmap) != 0 {
			t.Errorf("the reader hands out %d blocks, %d on the path, and says %+v", blocks, path, have)
		}

		// A block by hand is a site of its own; what was read is no part of it.
		h, err := reader.Put(t.Context(), []byte("a block"))
		if err != nil {
			t.Fatal(err)
		}
		if blocks, _, _ := given(t, spy, reader, h, append([]wire.Hash{h}, list...)); blocks != 1 {
			t.Errorf("asked for a block put by hand and the site: %d blocks", blocks)
		}
		if got, err := spy.Get(t.Context(), h); err != nil || string(got) != "a block" {
			t.Errorf("get: %q, %v", got, err)
		}
		if err := pinner.SetPinned(t.Context(), "diary.alt", false); err != nil {
			t.Fatal(err)
		}
		if blocks, path, have := given(t, spy, pinner, root, list); blocks+path != 0 || have.Full {
			t.Errorf("pinned no longer, still handed out: %d blocks, %d on the path, %+v", blocks, path, have)
		}
	})
}

// TestShares follows a site through the states in which a volunteer has it.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(store.Config{Dir: t.TempDir(), NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sh := newShares(s, no, no)
		var list []wire.Hash
		put := func(i int) wire.Hash {
			data := fmt.Appendf(nil, "block %d", i)
			h := wire.Hash(sha256.Sum256(data))
			if err := s.Put(t.Context(), h, data); err != nil {
				t.Fatal(err)
			}
			return h
		}
		for i := range 4 {
			list = append(list, put(i))
		}
		missing, foreign := wire.Hash{7}, put(100)
		list = append(list, missing)
		root := list[0]
		has := func(h wire.Hash) bool {
			b, ok := sh.site(t.Context(), root)
			if !ok {
				return false
			}
			_, err := b.Get(t.Context(), h, nil)
			return err == nil
		}
		add := func(r store.Root) {
			r.Hash = root
			if _, err := s.AddRoot(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		add(store.Root{Class: store.Cache})
		if has(root) {
			t.Error("cached: handed out")
		}
		add(store.Root{Class: store.Leased, LeaseUntil: time.Now().Add(time.Hour)})
		if has(root) {
			t.Error("leased, the tree not known: handed out")
		}
		add(store.Root{Class: store.Leased, LeaseUntil: time.Now().Add(time.Hour), Blocks: list})
		if !has(root) || !has(list[3]) || has(missing) || has(foreign) {
			t.Error("half pulled: not exactly what is here of it is handed out")
		}
		if have, err := sh.have(t.Context(), root); err != nil || have.Full || !bytes.Equal(have.Bitmap, []byte{0xf0}) {
			t.Errorf("half pulled: %+v, %v", have, err)
		}
		time.Sleep(2 * time.Hour)
		if have, _ := sh.have(t.Context(), root); has(root) || have.Count != 0 {
			t.Error("the lease has ended: handed out")
		}
		add(store.Root{Class: store.Pinned})
		if !has(root) {
			t.Error("pinned: not handed out")
		}
	})
}

// no is said of every site.
func no(wire.Hash) bool { return false }

// TestSharesBounded: the sets in memory stay within their bound.
func TestSharesBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(store.Config{Dir: t.TempDir(), NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sh := newShares(s, no, no)
		const each = maxShareSums / 4
		for i := range 6 {
			list := make([]wire.Hash, each)
			for j := range list {
				list[j] = wire.Hash{byte(i + 1), byte(j), byte(j >> 8), byte(j >> 16)}
			}
			root := list[0]
			if _, err := s.AddRoot(context.Background(), store.Root{Hash: root, Class: store.Own, Blocks: list}); err != nil {
				t.Fatal(err)
			}
			set, ok := sh.set(root)
			if !ok || !set.has(list[each-1]) || set.has(wire.Hash{0xff}) {
				t.Fatal("a set without its blocks")
			}
		}
		if sh.sum > maxShareSums || sh.sum != sh.sites.Len()*each {
			t.Errorf("%d sums in %d sets", sh.sum, sh.sites.Len())
		}
	})
}

// TestCopiesLostAreTold: the author's receipt counts down when holders die,
// and hears of it.
func TestCopiesLostAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		a := v.node(nil)
		var others []*Engine
		for range 3 {
			others = append(others, v.node(nil, a))
		}
		v.pass(10 * time.Second)
		if _, err := author(t, a).Publish(t.Context(), folder(t, 3, 1000), "frail.alt", publisher.Options{}); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		if r, err := a.Receipt(t.Context(), "frail.alt"); err != nil || r.Copies != 3 || r.Sleeps {
			t.Fatalf("%+v, %v", r, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		heard := make(chan int, 1)
		go func() {
			least := 99
			for ev, err := range a.Events(ctx) {
				if err == nil && ev.Kind == control.EventReceipt {
					least = min(least, ev.Receipt.Copies)
				}
			}
			heard <- least
		}()
		v.kill(others[0])
		v.kill(others[1])
		v.pass(10 * time.Hour)
		r, err := a.Receipt(t.Context(), "frail.alt")
		if err != nil || r.Copies != 1 || !r.Sleeps {
			t.Errorf("two of three holders died: %+v, %v", r, err)
		}
		cancel()
		if least := <-heard; least != 1 {
			t.Errorf("the author heard of %d copies at least", least)
		}
	})
}

// TestCopiesCountedAtStart: a node that starts again soon knows of the copies
// of its own sites.
func TestCopiesCountedAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		keep := t.TempDir()
		a := v.node(nil)
		v.node(nil, a)
		own := v.node(func(c *Config) { c.Data = keep }, a)
		v.pass(10 * time.Second)
		if _, err := author(t, own).Publish(t.Context(), folder(t, 3, 1000), "known.alt", publisher.Options{}); err != nil {
			t.Fatal(err)
		}
		v.pass(time.Minute)
		own.Close()
		again := v.node(func(c *Config) { c.Data = keep }, a)
		v.pass(25 * time.Second)
		if r, err := again.Receipt(t.Context(), "known.alt"); err != nil || r.Copies != 2 {
			t.Errorf("after a restart: %+v, %v", r, err)
		}
	})
}

// TestSiteUpdatedManyTimes: a volunteer whose quota one version nearly fills
// takes every update.
func TestSiteUpdatedManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		a := v.node(nil)
		b := v.node(func(c *Config) { c.PerPeerBudget = 600 << 10 }, a)
		v.pass(10 * time.Second)
		au := author(t, a)
		for i := range 5 {
			dir := folder(t, 40, 10000) // other bytes each time
			r, err := au.Publish(t.Context(), dir, "diary.alt", publisher.Options{})
			if err != nil || r.Copies != 1 {
				t.Fatalf("version %d: %+v, %v", i, r, err)
			}
			v.pass(time.Minute)
			if u := b.store.Usage(); u.Leased > 600<<10 {
				t.Errorf("version %d: %d bytes under lease", i, u.Leased)
			}
		}
	})
}

package store

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// addRoot adds a root of blocks and returns what the store says of it.
func addRoot(t testing.TB, s *Store, r Root) RootInfo {
	t.Helper()
	info, err := s.AddRoot(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestRootLivesThroughReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	hashes := putBlocks(t, s, 0, sizes(20, 1000)...)
	missing, data := block(77, 10)
	until := time.Now().Add(48 * time.Hour).Truncate(time.Millisecond)
	want := Root{
		Hash: hashes[0], Class: Leased, Owner: identity.PublicKey{1}, Group: "192.0.2.0/24", Size: 20010,
		LeaseUntil: until, LeaseFirst: 3, LeaseCount: 9, LeaseBytes: 9000, Blocks: append(slices.Clone(hashes), missing),
	}
	info := addRoot(t, s, want)
	if info.Full || info.Listed != 21 {
		t.Fatalf("one block is missing: %+v", info)
	}
	bits, count, full, err := s.Bitmap(hashes[0])
	if err != nil || full || count != 21 || len(bits) != 3 || bits[0] != 0xff || bits[1] != 0xff || bits[2] != 0xf0 {
		t.Fatalf("bitmap %x %d %v %v", bits, count, full, err)
	}
	if err := s.Put(t.Context(), missing, data); err != nil {
		t.Fatal(err)
	}
	if _, _, full, _ := s.Bitmap(hashes[0]); !full {
		t.Fatal("all blocks are here, the bitmap says not")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	got, ok := s.Root(hashes[0])
	if !ok || !got.Full || got.Class != Leased || !got.LeaseUntil.Equal(until) || got.Group != want.Group ||
		got.Owner != want.Owner || got.LeaseFirst != 3 || got.LeaseCount != 9 || got.LeaseBytes != 9000 || got.Size != 20010 {
		t.Fatalf("after reopening: %+v", got)
	}
	list, err := s.BlockList(hashes[0])
	if err != nil || !slices.Equal(list, want.Blocks) {
		t.Fatalf("block list differs: %v", err)
	}
	if n := len(s.Roots()); n != 1 {
		t.Fatalf("%d roots", n)
	}
}

func TestLongBlockList(t *testing.T) {
	s := open(t, Config{NoSync: true})
	blocks := make([]wire.Hash, 3*listPart+7)
	for i := range blocks {
		blocks[i] = wire.Hash{byte(i), byte(i >> 8), 1}
	}
	for _, n := range []int{len(blocks), listPart, listPart + 1, 1} {
		addRoot(t, s, Root{Hash: blocks[0], Class: Cache, Blocks: blocks[:n]})
		list, err := s.BlockList(blocks[0])
		if err != nil || !slices.Equal(list, blocks[:n]) {
			t.Fatalf("list of %d: got %d, %v", n, len(list), err)
		}
	}
}

func TestQuotaSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true})
		alice, bob := identity.PublicKey{1}, identity.PublicKey{2}
		hour := time.Now().Add(time.Hour)
		add := func(id byte, owner identity.PublicKey, group string, r Root) {
			r.Hash, r.Owner, r.Group = wire.Hash{id}, owner, group
			r.Class |= Leased
			addRoot(t, s, r)
		}
		add(1, alice, "A", Root{Size: 1000, LeaseUntil: hour})
		add(2, alice, "B", Root{Size: 1000, LeaseBytes: 10, LeaseUntil: hour.Add(time.Hour)})
		add(3, bob, "A", Root{Size: 500, LeaseUntil: hour})
		for _, c := range []struct {
			what      string
			got, want int64
		}{
			{"alice", s.LeasedBytes(alice), 1010 + 2*rootOverhead},
			{"bob", s.LeasedBytes(bob), 500 + rootOverhead},
			{"group A", s.LeasedBytesGroup("A"), 1500 + 2*rootOverhead},
			{"group C", s.LeasedBytesGroup("C"), 0},
		} {
			if c.got != c.want {
				t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
			}
		}
		// A renewal by somebody else does not move the charge, nor the end back.
		add(1, alice, "Z", Root{Size: 1000, LeaseUntil: hour.Add(-time.Minute)})
		if got := s.LeasedBytesGroup("Z"); got != 0 {
			t.Errorf("the lease moved to another group's account")
		}
		if r, _ := s.Root(wire.Hash{1}); !r.LeaseUntil.Equal(hour.Truncate(time.Millisecond)) {
			t.Errorf("the lease ends %v, want %v", r.LeaseUntil, hour)
		}
		for i := range byte(9) {
			add(50+i, identity.PublicKey{3}, "H", Root{Size: math.MaxInt64, LeaseBytes: math.MaxInt64, LeaseUntil: hour})
		}
		if got := s.LeasedBytesGroup("H"); got < 9*maxRootSize {
			t.Errorf("absurd claims sum up to %d", got)
		}
		time.Sleep(time.Hour + time.Second)
		if got, want := s.LeasedBytes(alice), int64(10+rootOverhead); got != want {
			t.Errorf("after one lease ran out: %d, want %d", got, want)
		}
	})
}

// pressed returns a store with room for about n blocks of 10,000 bytes.
func pressed(t *testing.T, n int) *Store {
	return open(t, Config{NoSync: true, Budget: int64(n) * 11000, PackSize: 100000})
}

func site(t *testing.T, s *Store, seed uint64, n int, c Class) []wire.Hash {
	t.Helper()
	blocks := make([]wire.Hash, n)
	for i := range blocks {
		blocks[i], _ = block(seed+uint64(i), 10000)
	}
	addRoot(t, s, Root{Hash: blocks[0], Class: c, Size: int64(n) * 10000, Blocks: blocks, LeaseUntil: time.Now().Add(48 * time.Hour)})
	putBlocks(t, s, seed, sizes(n, 10000)...)
	return blocks
}

func TestEvictionTakesOldestCacheOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pressed(t, 40)
		own := site(t, s, 100, 5, Own)
		time.Sleep(time.Second)
		pinned := site(t, s, 200, 5, Pinned)
		time.Sleep(time.Second)
		leased := site(t, s, 300, 5, Leased)
		time.Sleep(time.Second)
		old := site(t, s, 400, 8, Cache)
		time.Sleep(time.Second)
		used := site(t, s, 500, 8, Cache)
		time.Sleep(time.Second)
		s.Touch(used[0])
		site(t, s, 600, 15, Cache) // does not fit beside all of them
		for _, h := range slices.Concat(own, pinned, leased, used) {
			wantBlock(t, s, h)
		}
		for _, h := range old {
			wantGone(t, s, h)
		}
		if _, ok := s.Root(old[0]); ok {
			t.Error("the evicted root is still there")
		}
		if u := s.Usage(); u.Bytes > u.Budget {
			t.Errorf("usage %d over the budget %d", u.Bytes, u.Budget)
		}
	})
}

func TestSharedBlocksSurviveEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pressed(t, 30)
		old := site(t, s, 100, 10, Cache)
		shared := old[4:6]
		time.Sleep(time.Second)
		addRoot(t, s, Root{Hash: wire.Hash{1}, Class: Pinned, Blocks: shared, Size: 20000})
		site(t, s, 300, 24, Cache)
		for _, h := range shared {
			wantBlock(t, s, h)
		}
		wantGone(t, s, old[0])
	})
}

func TestFullOfWhatMustStay(t *testing.T) {
	s := pressed(t, 20)
	own := site(t, s, 100, 15, Own)
	h, data := block(999, 200000)
	if err := s.Put(t.Context(), h, data); !errors.Is(err, ErrFull) {
		t.Fatalf("put beyond the budget: %v, want ErrFull", err)
	}
	for _, h := range own {
		wantBlock(t, s, h)
	}
	if _, err := s.AddRoot(t.Context(), Root{Hash: h, Class: Leased, Blocks: make([]wire.Hash, 10000)}); !errors.Is(err, ErrFull) {
		t.Fatalf("a list beyond the budget: %v, want ErrFull", err)
	}
}

func TestLeaseThatRanOutIsEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pressed(t, 20)
		leased := site(t, s, 100, 15, Leased)
		h, data := block(999, 100000)
		if err := s.Put(t.Context(), h, data); !errors.Is(err, ErrFull) {
			t.Fatalf("put while the lease runs: %v, want ErrFull", err)
		}
		time.Sleep(49 * time.Hour)
		if err := s.Put(t.Context(), h, data); err != nil {
			t.Fatalf("put after the lease ran out: %v", err)
		}
		wantGone(t, s, leased[3])
		wantBlock(t, s, h)
	})
}

func TestOpenViewIsNotEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := pressed(t, 20)
		v := s.For(wire.Hash{7})
		var hashes []wire.Hash
		for i := range uint64(12) {
			h, data := block(i, 10000)
			if err := v.Put(t.Context(), h, data); err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, h)
		}
		big, data := block(999, 150000)
		if err := s.Put(t.Context(), big, data); !errors.Is(err, ErrFull) {
			t.Fatalf("put beside an open view: %v, want ErrFull", err)
		}
		time.Sleep(25 * time.Hour) // no grace, no sweep takes what a root owns
		for _, h := range hashes {
			wantBlock(t, s, h)
		}
		v.Close()
		if err := s.Put(t.Context(), big, data); err != nil {
			t.Fatalf("put after the view closed: %v", err)
		}
		wantGone(t, s, hashes[0])
	})
}

func TestViewHandsOverToList(t *testing.T) {
	s := open(t, Config{NoSync: true})
	v := s.For(wire.Hash{7})
	defer v.Close()
	h, data := block(1, 100)
	if err := v.Put(t.Context(), h, data); err != nil {
		t.Fatal(err)
	}
	if r, ok := s.Root(wire.Hash{7}); !ok || r.Class != Cache || r.Listed != 0 {
		t.Fatalf("the view's root: %+v %v", r, ok)
	}
	if info := addRoot(t, s, Root{Hash: wire.Hash{7}, Class: Cache, Blocks: []wire.Hash{h}}); !info.Full {
		t.Fatalf("with its list: %+v", info)
	}
	if got, want := s.roots.overhead(), int64(rootOverhead+32); got != want {
		t.Fatalf("overhead %d, want %d: the loose blocks still count", got, want)
	}
}

func TestSweepRespectsGraceAndKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true})
		garbage := putBlocks(t, s, 0, sizes(10, 1000)...)
		relied := putBlocks(t, s, 100, 1000)[0]
		listed := putBlocks(t, s, 200, 1000)[0]
		addRoot(t, s, Root{Hash: listed, Class: Cache, Blocks: []wire.Hash{listed}})
		time.Sleep(23 * time.Hour)
		wantBlock(t, s, garbage[0])
		if !s.Keep([]wire.Hash{relied})[0] {
			t.Fatal("Keep does not know the block")
		}
		time.Sleep(3 * time.Hour)
		for _, h := range garbage {
			wantGone(t, s, h)
		}
		wantBlock(t, s, relied)
		wantBlock(t, s, listed)
		time.Sleep(30 * time.Hour)
		wantGone(t, s, relied)
		wantBlock(t, s, listed)
	})
}

func TestDropClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true})
		blocks := site(t, s, 100, 5, Own|Pinned)
		if err := s.DropClass(t.Context(), blocks[0], Own); err != nil {
			t.Fatal(err)
		}
		if r, ok := s.Root(blocks[0]); !ok || r.Class != Pinned {
			t.Fatalf("after dropping own: %+v %v", r, ok)
		}
		wantBlock(t, s, blocks[1])
		if err := s.DropClass(t.Context(), blocks[0], Pinned); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Root(blocks[0]); ok {
			t.Fatal("a root without a class is still there")
		}
		for _, h := range blocks {
			wantGone(t, s, h)
		}
		if u := s.Usage(); u.Bytes != 0 || u.Blocks != 0 || u.Roots != 0 {
			t.Fatalf("something is left: %+v", u)
		}
	})
}

func TestRemoveClearsFull(t *testing.T) {
	s := open(t, Config{NoSync: true})
	blocks := site(t, s, 100, 5, Pinned)
	if _, _, full, _ := s.Bitmap(blocks[0]); !full {
		t.Fatal("not full before")
	}
	if err := s.Remove(t.Context(), blocks[2:3]); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, blocks[2])
	if bits, _, full, _ := s.Bitmap(blocks[0]); full || bits[0] != 0b11011000 {
		t.Fatalf("bitmap %b %v after a block was removed", bits, full)
	}
}

func TestExpiredRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true})
		b := s.Bucket("soft")
		if err := b.Put(t.Context(), []byte("k"), []byte("v"), time.Now().Add(90*time.Minute)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(89 * time.Minute)
		if _, ok, _ := b.Get([]byte("k")); !ok {
			t.Fatal("expired early")
		}
		time.Sleep(2 * time.Minute)
		if _, ok, _ := b.Get([]byte("k")); ok {
			t.Fatal("still there after it expired")
		}
		time.Sleep(time.Hour)
		dead, _, err := s.findExpired([]byte("soft"), []byte{})
		if err != nil || len(dead) != 0 {
			t.Fatalf("the janitor left %d, %v", len(dead), err)
		}
	})
}

func TestTableOfRootsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{NoSync: true, MaxRoots: 10})
		lease := func(id byte) error {
			_, err := s.AddRoot(t.Context(), Root{Hash: wire.Hash{id}, Class: Leased, LeaseUntil: time.Now().Add(time.Hour)})
			return err
		}
		for i := range byte(20) {
			addRoot(t, s, Root{Hash: wire.Hash{100 + i}, Class: Cache})
			time.Sleep(time.Second)
		}
		if _, ok := s.Root(wire.Hash{119}); !ok || s.Usage().Roots != 10 {
			t.Fatalf("%d roots, the newest among them: %v", s.Usage().Roots, ok)
		}
		for i := range byte(10) {
			if err := lease(i); err != nil {
				t.Fatal(err)
			}
		}
		if err := lease(10); !errors.Is(err, ErrFull) {
			t.Fatalf("one lease too many: %v, want ErrFull", err)
		}
		if err := lease(3); err != nil {
			t.Fatalf("renewing one that is there: %v", err)
		}
	})
}

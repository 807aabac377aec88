package replica

import (
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/store"
	"altnet/engine/wire"
)

// published is a world of so many volunteers in which node 0 placed a site.
func published(t *testing.T, volunteers int) (*world, *node, Site) {
	w := newWorld(t)
	a := w.node(nil)
	for range volunteers {
		w.node(nil)
	}
	s := a.publish(w.record(owner(1), w.site("a", 10, 1000), 1, nil))
	if n, err := a.keeper.Place(t.Context(), s); n != min(4, volunteers) || err != nil {
		t.Fatalf("%d copies, %v", n, err)
	}
	return w, a, s
}

func (w *world) leased(root wire.Hash) (n int) {
	for _, o := range w.nodes {
		if info, ok := o.store.Root(root); ok && info.Leased(time.Now()) && !o.down {
			n++
		}
	}
	return n
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// TestLostCopies: the publisher's count follows the truth down and, repaired,
// up again, and says so each time.
func TestLostCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, s := published(t, 4)
		news := a.news
		lost := a.keeper.Confirmed(s.Root)[0].Peer
		w.set(func() { w.nodes[4].down = true })
		for _, n := range w.nodes {
			w.set(func() { n.down = n.peer.ID == lost })
		}
		a.keeper.Check(s.Root)
		time.Sleep(time.Minute)
		cs := a.keeper.Confirmed(s.Root)
		if len(cs) != 3 || a.news <= news {
			t.Fatalf("one of four holders died: %d copies, told %d times", len(cs), a.news-news)
		}
		news = a.news
		w.node(nil)
		time.Sleep(2 * time.Hour)
		if cs := a.keeper.Confirmed(s.Root); len(cs) != 4 || a.news <= news {
			t.Errorf("a fifth came: %d copies, told %d times", len(cs), a.news-news)
		}
		for _, n := range w.nodes { // it wakes up again
			w.set(func() { n.down = false })
		}
		time.Sleep(10 * time.Hour)
		if cs := a.keeper.Confirmed(s.Root); len(cs) != 5 {
			t.Errorf("it came back: %d copies", len(cs))
		}
	})
}

// TestCountGoesOn: confirmations outlast the first lease, and a restart finds
// them again.
func TestCountGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, s := published(t, 5)
		for range 20 {
			time.Sleep(12 * time.Hour)
			if cs := a.keeper.Confirmed(s.Root); len(cs) < 4 {
				t.Fatalf("%d copies", len(cs))
			}
		}
		a.keeper.Close()
		a.keeper = New(Config{Network: a.network(), Store: a.store})
		defer a.keeper.Close()
		time.Sleep(10 * time.Minute)
		if cs := a.keeper.Confirmed(s.Root); len(cs) < 4 {
			t.Errorf("after a restart %d copies of %d", len(cs), w.leased(s.Root))
		}
	})
}

// TestAlone: who reaches nobody learns nothing of others' copies.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, s := published(t, 4)
		w.set(func() { a.cut = true })
		time.Sleep(10 * time.Hour) // a look, at least
		if cs := a.keeper.Confirmed(s.Root); len(cs) != 4 {
			t.Errorf("cut off, %d copies are believed in", len(cs))
		}
		w.set(func() { a.cut = false })
		time.Sleep(90 * time.Minute)
		cs := a.keeper.Confirmed(s.Root)
		for _, c := range cs {
			if time.Until(c.Until) < 15*time.Hour {
				t.Errorf("not looked at since: until %v", c.Until)
			}
		}
		if len(cs) != 4 {
			t.Errorf("back, %d copies", len(cs))
		}
	})
}

// TestRepairWithoutPublisher replaces holder after holder.
func TestRepairWithoutPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, s := published(t, 4)
		w.set(func() { a.down = true })
		a.keeper.Close()
		for i := 1; i <= 8; i++ {
			w.node(nil)
			w.set(func() { w.nodes[i].down = true })
			w.nodes[i].keeper.Close()
			time.Sleep(24 * time.Hour)
			if n := w.leased(s.Root); n < 4 {
				t.Fatalf("after %d deaths %d copies", i, n)
			}
		}
		if n := w.leased(s.Root); n > 4+spareHolders {
			t.Errorf("%d copies, where %d are wanted", n, 4)
		}
	})
}

// TestSlowRootHoldsNobodyUp has three roots whose repair takes for ever.
func TestSlowRootHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(nil)
		stuck := map[wire.Hash]bool{}
		for _, name := range []string{"x", "y", "z"} {
			v := w.record(owner(9), w.site(name, 3, 100), 1, nil)
			a.publish(v)
			stuck[v.Root] = true
		}
		v := w.record(owner(1), w.site("quick", 3, 100), 1, nil)
		a.publish(v)
		for range 4 {
			n := w.node(nil)
			n.takes = func(o wire.Offer, s Stream) {
				if stuck[o.Root] {
					accept(o, s)
					return
				}
				n.keeper.HandleOffer(t.Context(), a.peer, "a", o, s)
				s.Close()
			}
		}
		for root := range stuck {
			a.keeper.Check(root)
		}
		time.Sleep(time.Second)
		a.keeper.Check(v.Root)
		time.Sleep(5 * time.Second)
		if cs := a.keeper.Confirmed(v.Root); len(cs) != 4 {
			t.Errorf("%d copies while others are stuck", len(cs))
		}
	})
}

// TestRestartLooks: what was kept before is looked after by a new keeper.
func TestRestartLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, s := published(t, 4)
		for _, n := range w.nodes[1:] {
			n.keeper.Close()
			n.keeper = New(Config{Network: n.network(), Store: n.store, PerPeerBudget: 8 << 20})
			defer n.keeper.Close()
		}
		time.Sleep(5 * day)
		if n := w.leased(s.Root); n != 4 {
			t.Errorf("%d leases five days after restarts", n)
		}
	})
}

// TestProbeBounded: an answer takes no more memory than the site has blocks,
// and one that cannot be true counts for nothing.
func TestProbeBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(nil), w.node(nil)
		for _, tt := range []struct {
			name string
			have wire.Have
			ok   bool
			n    int
		}{
			{"everything", wire.Have{Count: 10, Full: true}, true, 10},
			{"nothing known", wire.Have{}, false, 0},
			{"nothing", wire.Have{Count: 10, Bitmap: make([]byte, 2)}, false, 0},
			{"nothing, at length", wire.Have{Count: 10, Bitmap: make([]byte, wire.MaxBitmap)}, false, 0},
			{"beyond the end alone", wire.Have{Count: 10, Bitmap: []byte{0, 0x3f, 0xff}}, false, 0},
			{"one", wire.Have{Count: 10, Bitmap: []byte{0x80}}, true, 1},
			{"another number of blocks", wire.Have{Count: 11, Full: true}, false, 0},
			{"everything, number not known", wire.Have{Full: true}, true, 10},
		} {
			b.has = func(wire.Hash) wire.Have { return tt.have }
			h, ok := a.keeper.probe(t.Context(), b.peer, wire.Hash{}, 10)
			if ok != tt.ok || h.count(10) != tt.n || cap(h.bits) > 16 {
				t.Errorf("%s: %v, %d blocks, %d bytes", tt.name, ok, h.count(10), cap(h.bits))
			}
		}
	})
}

// TestPinnedByHand: what nothing vouches for is kept and announced.
func TestPinnedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		root := w.site("block", 1, 100)
		if _, err := n.store.AddRoot(t.Context(), store.Root{Hash: root, Class: store.Pinned, Size: 100, Blocks: []wire.Hash{root}}); err != nil {
			t.Fatal(err)
		}
		n.keeper.Watch(root)
		time.Sleep(10 * day)
		w.set(func() { delete(w.providers, root) })
		time.Sleep(10 * time.Hour)
		w.set(func() {
			if !w.providers[root][n.peer.ID] {
				t.Error("not announced again")
			}
		})
		if info, _ := n.store.Root(root); info.Class != store.Pinned {
			t.Errorf("became %v", info.Class)
		}
	})
}

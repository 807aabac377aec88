package replica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/store"
	"altnet/engine/wire"
)

const day = 24 * time.Hour

func TestOfferRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		root := w.site("a", 4, 1000)
		good := w.record(owner(1), root, 1, nil)
		other := w.record(owner(2), wire.Hash{1}, 1, nil)
		gone := w.record(owner(3), root, 1, func(v *Voucher) { v.Withdrawn = true })
		late := w.record(owner(4), root, 1, func(v *Voucher) { v.Expires = time.Now() })
		listed := w.site("b", 4, 1000)
		n.forbid[listed] = true
		barred := w.record(owner(5), listed, 1, nil)
		tests := []struct {
			name   string
			change func(*wire.Offer)
		}{
			{"no blocks", func(o *wire.Offer) { o.Blocks = 0 }},
			{"no bytes", func(o *wire.Offer) { o.Size = 0 }},
			{"more bytes than blocks can have", func(o *wire.Offer) { o.Size = o.Blocks*wire.MaxBlock + 1 }},
			{"blocks whose bytes overflow", func(o *wire.Offer) { o.Blocks, o.Size = 1<<46, 1 }},
			{"blocks that no int holds", func(o *wire.Offer) { o.Blocks = math.MaxUint64 }},
			{"more blocks than a site has", func(o *wire.Offer) { o.Blocks, o.Size = store.MaxRootBlocks+1, 1<<30 }},
			{"begins at the end", func(o *wire.Offer) { o.First = o.Blocks }},
			{"begins far behind it", func(o *wire.Offer) { o.First = math.MaxUint64 }},
			{"too large for anybody", func(o *wire.Offer) { o.Blocks, o.Size = 1<<21, 1<<38 }},
			{"no record", func(o *wire.Offer) { o.Record = nil }},
			{"record of another root", func(o *wire.Offer) { o.Record = other.Raw }},
			{"withdrawn", func(o *wire.Offer) { o.Record = gone.Raw }},
			{"expired", func(o *wire.Offer) { o.Record = late.Raw }},
			{"blocklisted", func(o *wire.Offer) { o.Record, o.Root = barred.Raw, listed }},
		}
		for _, tt := range tests {
			o := w.offerOf(good)
			tt.change(&o)
			if reply, last := n.offered(o, "g"); reply.Accepted || reply.Reason == "" || last.Type() != wire.TypeOfferReply {
				t.Errorf("%s: %+v, then %+v", tt.name, reply, last)
			}
			if roots := n.store.Roots(); len(roots) != 0 || len(n.keeper.claims) != 0 {
				t.Errorf("%s: left %d roots, %d claims", tt.name, len(roots), len(n.keeper.claims))
			}
		}
		lazy := w.node(func(c *Config) { c.Volunteer = func() bool { return false } })
		if reply, _ := lazy.offered(w.offerOf(good), "g"); reply.Accepted {
			t.Error("accepted by one that keeps nothing for others")
		}
	})
}

func TestOfferTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		root := w.site("a", 10, 1000)
		v := w.record(owner(1), root, 1, nil)
		o := w.offerOf(v)
		o.Count = math.MaxUint64 // more than there is: to the end
		reply, last := n.offered(o, "g")
		r, ok := last.(wire.Receipt)
		if !reply.Accepted || reply.Count != 10 || !ok || r.Blocks != 10 || r.Root != root {
			t.Fatalf("%+v, then %+v", reply, last)
		}
		if want := time.Now().Add(48 * time.Hour); r.Until != uint64(want.UnixMilli()) || reply.Until > r.Until {
			t.Errorf("until %v", time.UnixMilli(int64(r.Until)))
		}
		info, _ := n.store.Root(root)
		if !info.Leased(time.Now()) || !info.Full || info.Owner != owner(1) || info.Group != "g" || info.Size != 10000 || info.LeaseBytes != 10000 {
			t.Errorf("the store has %+v", info)
		}
		if !w.providers[root][n.peer.ID] || len(n.keeper.claims) != 0 {
			t.Error("not announced, or a claim is left")
		}
		// Again, by a stranger: longer, not more.
		time.Sleep(time.Hour)
		if _, last := n.offered(o, "h"); last.Type() != wire.TypeReceipt {
			t.Errorf("offered again: %+v", last)
		}
		again, _ := n.store.Root(root)
		if again.Group != "g" || again.LeaseBytes != 10000 || !again.LeaseUntil.After(info.LeaseUntil) {
			t.Errorf("offered again: %+v", again)
		}
	})
}

// TestOfferBroken has pulls fail in every way: no lease is left, and what came
// is kept as cache alone.
func TestOfferBroken(t *testing.T) {
	slowly := func(n *node) { n.perByte = time.Microsecond } // the answer comes first
	tests := []struct {
		name   string
		offer  func(*wire.Offer)
		node   func(*node)
		record func(*world, Voucher)
	}{
		{"fewer blocks than offered", func(o *wire.Offer) { o.Blocks++ }, nil, nil},
		{"more blocks than offered", func(o *wire.Offer) { o.Blocks-- }, nil, nil},
		{"more bytes than offered", func(o *wire.Offer) { o.Size -= 5000 }, nil, nil},
		{"breaks off", nil, func(n *node) { n.drops = true }, nil},
		{"takes for ever", nil, func(n *node) { n.perByte = time.Hour }, nil},
		{"a newer version stands", nil, slowly, func(w *world, v Voucher) { w.record(v.Owner, wire.Hash{9}, v.Seq+1, nil) }},
		{"a tombstone stands", nil, slowly, func(w *world, v Voucher) {
			w.record(v.Owner, v.Root, v.Seq+1, func(v *Voucher) { v.Withdrawn = true })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				n := w.node(nil)
				v := w.record(owner(1), w.site("a", 10, 1000), 1, nil)
				o := w.offerOf(v)
				if tt.offer != nil {
					tt.offer(&o)
				}
				if tt.node != nil {
					tt.node(n)
				}
				if tt.record != nil {
					tt.record(w, v)
				}
				if reply, last := n.offered(o, "g"); !reply.Accepted || last.Type() != wire.TypeError {
					t.Fatalf("%+v, then %+v", reply, last)
				}
				if info, _ := n.store.Root(v.Root); info.Class&^store.Cache != 0 {
					t.Errorf("left as %v", info.Class)
				}
				if left := n.store.LeasedBytes(v.Owner); left != 0 || len(n.keeper.claims) != 0 {
					t.Errorf("%d bytes, %d claims are left", left, len(n.keeper.claims))
				}
			})
		})
	}
}

// TestQuotaRace has many offers come at once: together they stay within the
// quotas of owner, group and node.
func TestQuotaRace(t *testing.T) {
	const size, budget = 20 * 10000, 1 << 20
	for _, tt := range []struct {
		name  string
		owner func(i int) byte
		group func(i int) string
		most  int64
	}{
		{"of one owner", func(int) byte { return 1 }, func(i int) string { return fmt.Sprint(i) }, budget},
		{"of one group", func(i int) byte { return byte(i + 1) }, func(int) string { return "g" }, groupShare * budget},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				n := w.node(func(c *Config) { c.PerPeerBudget = budget })
				n.perByte = 10 * time.Microsecond
				var wg sync.WaitGroup
				for i := range 60 {
					root := w.site(fmt.Sprint("site ", i), 20, 10000)
					// One sequence for all: none takes another's place.
					v := w.record(owner(tt.owner(i)), root, 7, nil)
					wg.Go(func() {
						for range 20 { // a refusal for being busy is no last word
							if reply, _ := n.offered(w.offerOf(v), tt.group(i)); reply.Accepted {
								return
							}
							time.Sleep(time.Minute)
						}
					})
				}
				wg.Wait()
				_, ofGroup := n.store.LeaseCounts("g")
				leased := n.store.Usage().Leased
				if leased > tt.most || leased < tt.most-2*size {
					t.Errorf("%d bytes under lease (%d sites of the group), want just below %d", leased, ofGroup, tt.most)
				}
			})
		})
	}
}

func TestPartAndWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(func(c *Config) { c.PerPeerBudget = 1 << 20 })
		v := w.record(owner(1), w.site("large", 200, 10000), 1, nil)
		o := w.offerOf(v)
		reply, last := n.offered(o, "g")
		r, _ := last.(wire.Receipt)
		if !reply.Accepted || reply.First != 0 || reply.Count < 50 || reply.Count >= 105 || r.Blocks != reply.Count {
			t.Fatalf("%+v, then %+v", reply, last)
		}
		have, _ := n.request(t.Context(), n.peer, wire.GetHave{Root: v.Root})
		if h := (holder{bits: have.(wire.Have).Bitmap}); h.count(200) != int(reply.Count) || !h.has(0) || h.has(int(reply.Count)) {
			t.Errorf("holds %d blocks of %d", h.count(200), reply.Count)
		}
		// A lease on a part is no way around the quota.
		for first := uint64(0); first < 200; first += 20 {
			o.First, o.Count = first, 20
			n.offered(o, "g")
		}
		if leased := n.store.LeasedBytes(v.Owner); leased > 1<<20 {
			t.Errorf("%d bytes under lease of %d", leased, 1<<20)
		}
		held := 0
		for _, has := range n.store.HasMany(hashes(w.sites[v.Root])) {
			if has {
				held++
			}
		}
		if held > 105 {
			t.Errorf("%d blocks of 10,000 bytes for a quota of 1 MiB", held)
		}
		// Nor are two ends of a site the whole of it.
		ends := w.record(owner(3), w.site("ends", 200, 10000), 1, nil)
		e := w.offerOf(ends)
		for _, part := range []span{{0, 1}, {199, 1}, {0, 200}} {
			e.First, e.Count = uint64(part.first), uint64(part.count)
			n.offered(e, "h")
		}
		if info, _ := n.store.Root(ends.Root); leasedSpan(info).count >= 105 || n.store.LeasedBytes(ends.Owner) > 1<<20 {
			t.Errorf("two ends became %+v", info)
		}
		// Tiny sites are bounded by what their place costs.
		if reply, _ := n.offered(wire.Offer{
			Record: w.record(owner(2), wire.Hash{2}, 1, nil).Raw, Root: wire.Hash{2}, Blocks: 1 << 20, Size: 1 << 20,
		}, "g"); reply.Accepted {
			t.Errorf("%d blocks are taken, whose list alone is above the quota", reply.Count)
		}
	})
}

// TestUpdateReplaces has an owner whose site fills the quota update it.
func TestUpdateReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(func(c *Config) { c.PerPeerBudget = 1 << 20 })
		var roots []wire.Hash
		for i := range 4 {
			root := w.site(fmt.Sprint("version ", i), 80, 10000)
			roots = append(roots, root)
			v := w.record(owner(1), root, uint64(i+1), nil)
			if reply, last := n.offered(w.offerOf(v), "g"); reply.Count != 80 || last.Type() != wire.TypeReceipt {
				t.Fatalf("version %d: %+v, then %+v", i, reply, last)
			}
			time.Sleep(time.Second)
			if leased := n.store.LeasedBytes(owner(1)); leased > 1<<20 {
				t.Errorf("version %d: %d bytes under lease", i, leased)
			}
		}
		for i, root := range roots {
			if info, ok := n.store.Root(root); info.Leased(time.Now()) != (i == 3) {
				t.Errorf("version %d: %v %+v", i, ok, info)
			}
		}
		// An old record is no key to the door.
		old := w.record(owner(1), roots[0], 1, nil)
		if _, last := n.offered(w.offerOf(old), "g"); last.Type() == wire.TypeReceipt {
			t.Errorf("an old version was taken again: %+v", last)
		}
	})
}

// TestStaleAfterReceipt: the answer that the record is stale comes after the
// receipt, and the lease is given back. What was leased before stays.
func TestStaleAfterReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(func(c *Config) {
			latest := c.Network.Latest
			c.Network.Latest = func(ctx context.Context, o identity.PublicKey) (Voucher, error) {
				time.Sleep(3 * time.Second)
				return latest(ctx, o)
			}
		})
		old := w.record(owner(1), w.site("old", 8, 1000), 1, nil)
		kept := w.record(owner(2), w.site("kept", 8, 1000), 1, nil)
		if _, last := n.offered(w.offerOf(kept), "g"); last.Type() != wire.TypeReceipt {
			t.Fatalf("kept: %+v", last)
		}
		w.record(owner(1), w.site("new", 8, 1000), 2, nil)
		start := time.Now()
		_, last := n.offered(w.offerOf(old), "g")
		receipt, ok := last.(wire.Receipt)
		if !ok || time.UnixMilli(int64(receipt.Until)).Sub(start) > defaultLease+time.Second {
			t.Fatalf("%+v, want a receipt before the answer", last)
		}
		time.Sleep(10 * time.Second)
		if info, _ := n.store.Root(old.Root); info.Leased(time.Now()) {
			t.Error("a stale version stays under lease")
		}
		if info, _ := n.store.Root(kept.Root); !info.Leased(time.Now()) {
			t.Error("the other site is gone")
		}
	})
}

// TestManyVersions has small updates: they do not pile up.
func TestManyVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		for i := range 3 * maxLeasesPerOwner {
			v := w.record(owner(1), w.site(fmt.Sprint("version ", i), 2, 100), uint64(i+1), nil)
			if _, last := n.offered(w.offerOf(v), "g"); last.Type() != wire.TypeReceipt {
				t.Fatalf("version %d: %+v", i, last)
			}
		}
		if all, _ := n.store.LeaseCounts("g"); all > maxLeasesPerOwner {
			t.Errorf("%d versions are leased", all)
		}
	})
}

// TestTwoOwners has a stranger sign a record for somebody's site, offer it and
// withdraw it: the author's copies stay.
func TestTwoOwners(t *testing.T) {
	for _, first := range []byte{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := w.node(nil)
			root := w.site("a", 4, 1000)
			author, thief := owner(first), owner(3-first)
			for _, o := range []byte{1, 2} {
				v := w.record(owner(o), root, 1, nil)
				if _, last := n.offered(w.offerOf(v), fmt.Sprint(o)); last.Type() != wire.TypeReceipt {
					t.Fatalf("owner %d: %+v", o, last)
				}
			}
			w.record(thief, root, 2, func(v *Voucher) { v.Withdrawn = true })
			for range 10 {
				time.Sleep(day)
				if info, _ := n.store.Root(root); !info.Leased(time.Now()) {
					t.Fatal("the author's lease ended with the thief's")
				}
			}
			if info, _ := n.store.Root(root); info.Owner != author {
				t.Error("counts toward the quota of who wants it no longer")
			}
			w.record(author, root, 2, func(v *Voucher) { v.Withdrawn = true })
			time.Sleep(day)
			if info, ok := n.store.Root(root); ok {
				t.Errorf("nobody wants it, still here: %+v", info)
			}
			if notes, err := n.keeper.notes(root); len(notes) != 0 || err != nil {
				t.Errorf("%d records left, %v", len(notes), err)
			}
		})
	}
}

func TestManyOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		root := w.site("a", 4, 1000)
		for o := byte(1); o < 20; o++ {
			v := w.record(owner(o), root, 1, nil)
			if _, last := n.offered(w.offerOf(v), fmt.Sprint(o)); (last.Type() == wire.TypeReceipt) != (o <= maxVouchers) {
				t.Errorf("owner %d: %+v", o, last)
			}
		}
		notes, _ := n.keeper.notes(root)
		if info, _ := n.store.Root(root); len(notes) != maxVouchers || !info.Leased(time.Now()) {
			t.Errorf("%d records, %+v", len(notes), info)
		}
	})
}

// TestLeaseEnds follows a lease through what may become of its record.
func TestLeaseEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, n *node, v Voucher)
		within time.Duration // gone after at most this; 0: never
	}{
		{"nothing", func(*world, *node, Voucher) {}, 0},
		{"renewed by its owner", func(w *world, _ *node, v Voucher) { w.record(v.Owner, v.Root, 2, nil) }, 0},
		{"silence", func(w *world, _ *node, v Voucher) { delete(w.latest, v.Owner) }, 0},
		{"withdrawn", func(w *world, _ *node, v Voucher) {
			w.record(v.Owner, v.Root, 2, func(v *Voucher) { v.Withdrawn = true })
		}, 10 * time.Hour},
		{"another version", func(w *world, _ *node, v Voucher) { w.record(v.Owner, wire.Hash{5}, 2, nil) }, 58 * time.Hour},
		{"blocklisted", func(_ *world, n *node, v Voucher) { n.forbid[v.Root] = true }, 10 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				n := w.node(nil)
				v := w.record(owner(1), w.site("a", 4, 1000), 1, nil)
				n.offered(w.offerOf(v), "g")
				tt.change(w, n, v)
				begin := time.Now()
				for time.Since(begin) < 80*day {
					time.Sleep(time.Hour)
					if info, _ := n.store.Root(v.Root); !info.Leased(time.Now()) {
						break
					}
				}
				lasted := time.Since(begin)
				if tt.within == 0 && lasted < 80*day || tt.within > 0 && lasted > tt.within {
					t.Errorf("the lease lasted %v, want %v", lasted, tt.within)
				}
				if tt.name == "another version" && lasted < 36*time.Hour {
					t.Errorf("cut short after %v", lasted)
				}
			})
		})
	}
}

// TestExpired: a record that is not renewed ends; one that was, while this
// node reached nobody, does not.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		brief := func(v *Voucher) { v.Expires = time.Now().Add(5 * day) }
		v := w.record(owner(1), w.site("a", 4, 1000), 1, brief)
		kept := w.record(owner(2), w.site("b", 4, 1000), 1, brief)
		n.offered(w.offerOf(v), "g")
		n.offered(w.offerOf(kept), "g")
		w.mu.Lock()
		n.cut = true
		w.mu.Unlock()
		time.Sleep(5*day - time.Minute)
		w.record(kept.Owner, kept.Root, 2, nil)
		time.Sleep(day) // with looks at it beyond the record's end
		w.mu.Lock()
		n.cut = false
		w.mu.Unlock()
		time.Sleep(3 * day)
		if _, ok := n.store.Root(v.Root); ok {
			t.Error("kept beyond its record's end")
		}
		if info, _ := n.store.Root(kept.Root); !info.Leased(time.Now()) {
			t.Error("the renewal was missed")
		}
	})
}

// TestCutShort: what a crash leaves of a pull is no lease for long.
func TestCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		root := w.site("a", 4, 1000)
		n.keeper.Close()
		_, err := n.store.AddRoot(t.Context(), store.Root{
			Hash: root, Class: store.Leased, Owner: owner(1), LeaseUntil: time.Now().Add(40 * time.Hour), Size: 4000, Blocks: hashes(w.sites[root]),
		})
		if err != nil {
			t.Fatal(err)
		}
		k := New(Config{Network: n.network(), Store: n.store})
		defer k.Close()
		time.Sleep(2 * time.Hour)
		if info, ok := n.store.Root(root); ok {
			t.Errorf("still here: %+v", info)
		}
	})
}

// TestCloseEndsPulls: Close waits for the pulls that it ends, and none begins
// after it.
func TestCloseEndsPulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(nil)
		n.perByte = time.Minute
		v := w.record(owner(1), w.site("a", 4, 1000), 1, nil)
		result := make(chan wire.Message, 1)
		go func() {
			_, last := n.offered(w.offerOf(v), "g")
			result <- last
		}()
		time.Sleep(time.Second)
		n.keeper.Close()
		if last := <-result; last.Type() != wire.TypeError {
			t.Errorf("ended with %+v", last)
		}
		_, b := pipe()
		if err := n.keeper.HandleOffer(t.Context(), n.peer, "g", w.offerOf(v), b); !errors.Is(err, ErrClosed) {
			t.Errorf("an offer after Close: %v", err)
		}
		if _, err := n.keeper.Place(context.Background(), Site{Voucher: v, Blocks: 4}); !errors.Is(err, ErrClosed) {
			t.Errorf("Place after Close: %v", err)
		}
	})
}

func TestClip(t *testing.T) {
	long := ""
	for range 150 {
		long += "é"
	}
	if got := clip(long); len(got) > 200 || got[len(got)-1] == 0xc3 {
		t.Errorf("%d bytes, ends in %x", len(got), got[len(got)-1])
	}
}

// TestSlowOffererLosesItsPlace: a pull that comes slowly but well goes on, one
// that comes at a crawl gives its place to others, whatever its size promised.
func TestSlowOffererLosesItsPlace(t *testing.T) {
	const blocks, size = 100, 200_000
	for name, tc := range map[string]struct {
		rate  int           // bytes per second
		taken bool          // the lease stands in the end
		free  time.Duration // when the place is free again, at the latest
	}{
		"fast":  {1 << 20, true, time.Minute},
		"slow":  {40 << 10, true, blocks * size / (40 << 10) * time.Second * 11 / 10},
		"crawl": {8 << 10, false, paceWindow + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				n := w.node(nil)
				n.perByte = time.Second / time.Duration(tc.rate)
				v := w.record(owner(1), w.site("a", blocks, size), 1, nil)
				begin := time.Now()
				_, last := n.offered(w.offerOf(v), "g")
				if took := time.Since(begin); took > tc.free {
					t.Errorf("the pull took %v", took)
				}
				receipt, ok := last.(wire.Receipt)
				if ok = ok && receipt.Until > 0; ok != tc.taken {
					t.Errorf("ended with %+v", last)
				}
				info, _ := n.store.Root(v.Root)
				if info.Leased(time.Now()) != tc.taken {
					t.Errorf("leased: %v", !tc.taken)
				}
			})
		})
	}
}

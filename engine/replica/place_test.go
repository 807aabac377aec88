package replica

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// accept answers an offer as if everything offered was taken.
func accept(o wire.Offer, s Stream) {
	s.Write(wire.OfferReply{Accepted: true, First: o.First, Count: o.Count, Until: soonMillis()})
}

func soonMillis() uint64 { return uint64(time.Now().Add(day).UnixMilli()) }

func receiptFor(o wire.Offer) wire.Receipt {
	return wire.Receipt{Root: o.Root, Blocks: o.Count, Until: soonMillis()}
}

// TestPlaceAmongHostile places a site where the nearest volunteers misbehave,
// each in one way: the copies that are counted are those that exist.
func TestPlaceAmongHostile(t *testing.T) {
	hostile := []struct {
		name  string
		takes func(o wire.Offer, s Stream)
		has   func(wire.Hash) wire.Have
	}{
		{name: "refuses", takes: func(_ wire.Offer, s Stream) { s.Write(wire.OfferReply{Reason: "no"}) }},
		{name: "never answers", takes: func(wire.Offer, Stream) {}},
		{name: "hangs up", takes: func(_ wire.Offer, s Stream) { s.Close() }},
		{name: "talks nonsense", takes: func(_ wire.Offer, s Stream) { s.Write(wire.Ping{}) }},
		{name: "accepts and vanishes", takes: func(o wire.Offer, s Stream) { accept(o, s); s.Close() }},
		{name: "accepts and is silent", takes: accept},
		{name: "accepts and fails", takes: func(o wire.Offer, s Stream) { accept(o, s); s.Write(wire.Error{Text: "oh"}) }},
		{name: "accepts what was not offered", takes: func(o wire.Offer, s Stream) {
			s.Write(wire.OfferReply{Accepted: true, First: o.First + o.Count, Count: 1})
			s.Write(receiptFor(o))
		}},
		{name: "accepts more than there is", takes: func(o wire.Offer, s Stream) {
			s.Write(wire.OfferReply{Accepted: true, First: o.First + 1, Count: math.MaxUint64})
			s.Write(receiptFor(o))
		}},
		{name: "accepts nothing", takes: func(o wire.Offer, s Stream) {
			s.Write(wire.OfferReply{Accepted: true})
			s.Write(receiptFor(o))
		}},
		{name: "promises the past", takes: func(o wire.Offer, s Stream) {
			accept(o, s)
			s.Write(wire.Receipt{Root: o.Root, Blocks: o.Count, Until: 1})
		}, has: func(wire.Hash) wire.Have { return wire.Have{Full: true} }},
		{name: "confirms another site", takes: func(o wire.Offer, s Stream) {
			accept(o, s)
			s.Write(wire.Receipt{Root: wire.Hash{1}, Blocks: o.Count, Until: soonMillis()})
		}},
		{name: "keeps less than it accepted", takes: func(o wire.Offer, s Stream) {
			accept(o, s)
			s.Write(wire.Receipt{Root: o.Root, Blocks: o.Count - 1, Until: soonMillis()})
		}},
		{name: "confirms and has nothing", takes: func(o wire.Offer, s Stream) { accept(o, s); s.Write(receiptFor(o)) }},
		{name: "confirms and has a part", takes: func(o wire.Offer, s Stream) { accept(o, s); s.Write(receiptFor(o)) },
			has: func(wire.Hash) wire.Have { return wire.Have{Count: 10, Bitmap: []byte{0xff, 0x80}} }},
		{name: "writes for ever, gets nowhere", takes: func(o wire.Offer, s Stream) {
			accept(o, s)
			for s.Write(wire.Receipt{Root: o.Root, Blocks: 3}) == nil {
				time.Sleep(10 * time.Second)
			}
		}},
		{name: "writes for ever, grows for ever", takes: func(o wire.Offer, s Stream) {
			accept(o, s)
			for i := uint64(0); s.Write(wire.Receipt{Root: o.Root, Blocks: i}) == nil; i++ {
				time.Sleep(50 * time.Second)
			}
		}},
	}
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.node(nil)
				for range 8 {
					w.node(nil)
				}
				root := w.site("a", 10, 1000)
				byNear := slices.Clone(w.nodes[1:])
				slices.SortFunc(byNear, func(x, y *node) int {
					if nearer(root, x.peer.ID, y.peer.ID) {
						return -1
					}
					return 1
				})
				bad := map[identity.NodeID]bool{}
				for _, n := range byNear[:4] {
					n.takes, bad[n.peer.ID] = tt.takes, true
					n.has = tt.has
					if n.has == nil {
						n.has = func(wire.Hash) wire.Have { return wire.Have{} }
					}
				}
				s := a.publish(w.record(owner(1), root, 1, nil))
				begin := time.Now()
				n, err := a.keeper.Place(t.Context(), s)
				if n != 4 || err != nil {
					t.Errorf("%d copies, %v", n, err)
				}
				if took := time.Since(begin); took > 11*time.Minute {
					t.Errorf("took %v", took)
				}
				cs := a.keeper.Confirmed(root)
				if len(cs) != 4 {
					t.Errorf("%d confirmations", len(cs))
				}
				for _, c := range cs {
					if bad[c.Peer] || !c.Full || c.Blocks != 10 {
						t.Errorf("confirmed: %+v", c)
					}
				}
				time.Sleep(2 * time.Minute) // the hostile notice that nobody listens
			})
		})
	}
}

// The author is told how far the first copy is: as far as the volunteer that is
// ahead, never back, and never further than there is.
func TestPlaceTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(nil)
		for i := range 2 {
			n := w.node(nil)
			n.has = func(wire.Hash) wire.Have { return wire.Have{Full: true} }
			n.takes = func(o wire.Offer, s Stream) {
				accept(o, s)
				for _, blocks := range [][]uint64{{1, 1, 4, 2, 1 << 40}, {2, 3}}[i] {
					s.Write(wire.Receipt{Root: o.Root, Blocks: blocks})
					time.Sleep(time.Second)
				}
				s.Write(receiptFor(o))
			}
		}
		s := a.publish(w.record(owner(1), w.site("a", 10, 1000), 1, nil))
		var told []int
		s.Reached = func(blocks int) { told = append(told, blocks) }
		if n, err := a.keeper.Place(t.Context(), s); n != 2 {
			t.Fatalf("%d copies, %v", n, err)
		}
		if told[0] > 2 || told[len(told)-1] != 10 || !slices.IsSorted(told) || len(slices.Compact(slices.Clone(told))) != len(told) {
			t.Errorf("told %v", told)
		}
	})
}

// A volunteer that pulls for a while says how far it is every few seconds.
func TestVolunteersSayHowFarTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(nil)
		w.node(func(c *Config) {
			fetch := c.Network.Fetch
			c.Network.Fetch = func(ctx context.Context, job FetchJob) (FetchResult, error) {
				listed := job.Listed
				job.Listed = func(r FetchResult) error {
					err := listed(r)
					for i := range 9 {
						time.Sleep(time.Second)
						job.Progress(i+1, 0)
					}
					return err
				}
				return fetch(ctx, job)
			}
		})
		s := a.publish(w.record(owner(1), w.site("a", 10, 1000), 1, nil))
		var told []int
		s.Reached = func(blocks int) { told = append(told, blocks) }
		if n, err := a.keeper.Place(t.Context(), s); n != 1 {
			t.Fatalf("%d copies, %v", n, err)
		}
		if !slices.Equal(told, []int{2, 4, 6, 8}) {
			t.Errorf("told %v", told)
		}
	})
}

func TestPlaceWithoutVolunteers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(nil)
		s := a.publish(w.record(owner(1), w.site("a", 3, 100), 1, nil))
		if n, err := a.keeper.Place(t.Context(), s); n != 0 || !errors.Is(err, ErrNoVolunteer) {
			t.Errorf("%d, %v", n, err)
		}
		w.node(func(c *Config) { c.Volunteer = func() bool { return false } })
		if n, err := a.keeper.Place(t.Context(), s); n != 0 || !errors.Is(err, ErrNoVolunteer) || !errors.Is(err, ErrRefused) {
			t.Errorf("%d, %v", n, err)
		}
		// When some come, the site finds them by itself, and before long.
		for range 5 {
			w.node(nil)
		}
		time.Sleep(time.Hour)
		if cs := a.keeper.Confirmed(s.Root); len(cs) != 4 {
			t.Errorf("%d copies an hour after volunteers came", len(cs))
		}
	})
}

// TestPlaceByParts has volunteers with room for a third each: three make a copy.
func TestPlaceByParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(func(c *Config) { c.Copies = 1 })
		for range 6 {
			w.node(func(c *Config) { c.PerPeerBudget = 600 << 10 })
		}
		s := a.publish(w.record(owner(1), w.site("a", 100, 10000), 1, nil))
		if n, err := a.keeper.Place(t.Context(), s); n != 1 || err != nil {
			t.Fatalf("%d copies, %v", n, err)
		}
		holders, _ := a.keeper.liveHolders(t.Context(), s.Root, s.Blocks)
		if copies, lacking := coverage(holders, s.Blocks, 1); copies != 1 || lacking.count != 0 {
			t.Errorf("%d copies of the rarest block among %d holders, lacking %+v", copies, len(holders), lacking)
		}
		for _, c := range a.keeper.Confirmed(s.Root) {
			if c.Full || c.Blocks == 0 {
				t.Errorf("a part is confirmed as %+v", c)
			}
		}
	})
}

func TestVolunteerGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(nil)
		for i := range 6 {
			n := w.node(nil)
			if i < 4 { // one house
				n.peer.Addrs[0].IP = netip.AddrPortFrom(netip.AddrFrom4([4]byte{21, 0, 0, byte(i)}), 9000)
			}
		}
		a.keeper.cfg.Network.Self = func() wire.Peer { return a.peer }
		peers, err := a.keeper.volunteers(t.Context(), wire.Hash{}, nil)
		if err != nil || len(peers) != 6 {
			t.Fatalf("%d, %v", len(peers), err)
		}
		groups := map[string]bool{}
		for _, p := range peers[:3] {
			groups[groupOf(p)] = true
		}
		if len(groups) != 3 {
			t.Errorf("the first three are of %d groups", len(groups))
		}
		// A holder of that house: its neighbours come last.
		holders := []holder{{id: w.nodes[1].peer.ID, peer: w.nodes[1].peer, full: true}}
		peers, _ = a.keeper.volunteers(t.Context(), wire.Hash{}, holders)
		if len(peers) != 5 || groupOf(peers[0]) == "21.0.0.0/24" || groupOf(peers[1]) == "21.0.0.0/24" {
			t.Errorf("beside a holder of theirs: %v", peers)
		}
	})
}

func TestClampUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newWorld(t).node(nil).keeper
		for _, ms := range []uint64{math.MaxUint64, 1 << 63, uint64(time.Now().Add(1000 * day).UnixMilli())} {
			if until, err := k.clampUntil(ms); err != nil || until.After(time.Now().Add(4*day)) {
				t.Errorf("%d: %v, %v", ms, until, err)
			}
		}
		if _, err := k.clampUntil(uint64(time.Now().UnixMilli())); err == nil {
			t.Error("now is no date to keep something until")
		}
	})
}

// TestSpans checks the arithmetic of ranges.
func TestSpans(t *testing.T) {
	for a := range 8 {
		for n := 1; n < 8; n++ {
			for b := range 12 {
				for m := 1; m < 8; m++ {
					s, x := span{a, n}, span{b, m}
					var got []int
					for _, left := range s.without(x) {
						for i := left.first; i < left.end(); i++ {
							got = append(got, i)
						}
					}
					for i := a; i < a+n; i++ {
						inside := i >= b && i < b+m
						and := s.and(x)
						if slices.Contains(got, i) == inside || inside != (i >= and.first && i < and.end()) {
							t.Fatalf("%+v and %+v: %v, %+v", s, x, got, and)
						}
					}
					if len(got)+s.and(x).count != n {
						t.Fatalf("%+v without %+v: %v", s, x, got)
					}
				}
			}
		}
	}
}

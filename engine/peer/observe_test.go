package peer

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

func TestVotes(t *testing.T) {
	type say struct{ by, seen string }
	many := func(n int, seen string) (out []say) {
		for i := range n {
			out = append(out, say{fmt.Sprintf("60.1.%d.1:1", i), seen})
		}
		return out
	}
	for _, c := range []struct {
		name string
		says []say
		want []string
	}{
		{"a lone voice", []say{{"60.0.1.1:1", "50.0.0.1"}}, []string{"50.0.0.1"}},
		{"a lone voice contradicted", []say{{"60.0.1.1:1", "50.6.6.6"}, {"60.0.2.1:1", "50.0.0.1"}}, nil},
		{"a lone voice outvoted", []say{{"60.0.1.1:1", "50.6.6.6"}, {"60.0.2.1:1", "50.0.0.1"}, {"60.0.3.1:1", "50.0.0.1"}}, []string{"50.0.0.1"}},
		{"one group many times is one", []say{{"60.0.1.1:1", "50.0.0.1"}, {"60.0.1.2:1", "50.0.0.1"}, {"60.0.1.1:2", "50.0.0.1"}, {"60.0.2.1:1", "50.0.0.2"}}, nil},
		{"two groups", []say{{"60.0.1.1:1", "50.0.0.1"}, {"60.0.2.1:1", "50.0.0.1"}}, []string{"50.0.0.1"}},
		{"mapped addresses are IPv4", []say{{"[::ffff:60.0.1.1]:1", "::ffff:50.0.0.1"}, {"60.0.2.1:1", "50.0.0.1"}}, []string{"50.0.0.1"}},
		{"two that disagree", []say{{"60.0.1.1:1", "50.0.0.1"}, {"60.0.2.1:1", "50.0.0.2"}}, nil},
		{"few liars change nothing", slices.Concat(many(5, "50.0.0.1"), []say{{"70.0.1.1:1", "50.6.6.6"}, {"70.0.2.1:1", "50.6.6.6"}, {"70.0.3.1:1", "50.6.6.6"}}), []string{"50.0.0.1"}},
		{"a new network wins", slices.Concat(many(8, "50.0.0.1"), many(5, "50.0.0.2")), []string{"50.0.0.2"}},
		{"both families", []say{
			{"60.0.1.1:1", "50.0.0.1"}, {"60.0.2.1:1", "50.0.0.1"},
			{"[2a00:1::1]:1", "2a01::1"}, {"[2a00:2::1]:1", "2a01::1"},
		}, []string{"50.0.0.1", "2a01::1"}},
		{"private from private", []say{{"10.0.0.2:1", "10.0.0.1"}}, []string{"10.0.0.1"}},
		{"private from public", []say{{"60.0.1.1:1", "10.0.0.1"}, {"60.0.2.1:1", "10.0.0.1"}}, nil},
		{"public from private", []say{{"10.0.0.2:1", "50.0.0.1"}, {"10.0.0.3:1", "50.0.0.1"}}, nil},
		{"loopback from loopback", []say{{"127.0.0.1:1", "127.0.0.1"}}, []string{"127.0.0.1"}},
		{"loopback from the LAN", []say{{"10.0.0.2:1", "127.0.0.1"}}, nil},
		{"nobody's addresses", []say{{"10.0.0.2:1", "0.0.0.0"}, {"10.0.0.2:1", "224.0.0.1"}, {"10.0.0.2:1", "fe80::1"}}, nil},
		{"the newest private ones", []say{{"10.0.0.2:1", "10.0.0.1"}, {"10.0.0.3:1", "10.0.0.7"}, {"10.0.0.4:1", "10.0.0.8"}}, []string{"10.0.0.8", "10.0.0.7"}},
	} {
		var v votes
		for _, s := range c.says {
			v.add(netip.MustParseAddrPort(s.by), netip.MustParseAddr(s.seen))
		}
		var got []string
		for _, a := range v.addrs() {
			got = append(got, a.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestVotesAreBounded(t *testing.T) {
	var v votes
	for i := range 10_000 {
		v.add(netip.AddrPortFrom(publicAddr(i), 1), publicAddr(i))
		v.add(netip.AddrPortFrom(privateAddr(i), 1), privateAddr(i))
	}
	for s, vs := range v {
		if len(vs) > voteWindow || cap(vs) > 4*voteWindow {
			t.Errorf("scope %d keeps %d votes in room for %d", s, len(vs), cap(vs))
		}
	}
}

func TestHostLearnsItsAddressAndTellsIt(t *testing.T) {
	for _, c := range []struct {
		name string
		ip   func(int) netip.Addr
		need int // sessions
	}{{"private", privateAddr, 1}, {"public", publicAddr, 1}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			a := w.node(c.ip(100))
			var others []*node
			seen := new(watch)
			for i := range c.need {
				n := w.idle(c.ip(i))
				n.OnPeer(seen.observe)
				n.start(t)
				others = append(others, n)
			}
			want := wire.AddrOf(a.at)
			for i, n := range others {
				if len(a.Self().Addrs) != 0 {
					t.Errorf("%s: announces %v after %d sessions", c.name, a.Self().Addrs, i)
				}
				before := a.Self().Seq
				if _, err := a.Connect(t.Context(), n.at, n.Self().ID); err != nil {
					t.Fatal(err)
				}
				if i == c.need-1 && a.Self().Seq <= before {
					t.Error("the record changed under the same sequence")
				}
			}
			if got := a.Self().Addrs; len(got) != 1 || got[0] != want {
				t.Fatalf("%s: announces %v, want %v", c.name, got, want)
			}
			time.Sleep(time.Second)
			for _, n := range others {
				if p := n.Sessions()[0].Peer; len(p.Addrs) != 1 || p.Addrs[0] != want || p.Seq != a.Self().Seq {
					t.Errorf("%s: a peer knows %v", c.name, p.Addrs)
				}
			}
			events := seen.all()
			if last := events[len(events)-1]; len(last.peer.Addrs) != 1 {
				t.Errorf("%s: observers know %v", c.name, last.peer.Addrs)
			}
		})
	}
}

func TestAnnouncedAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		fixed := []wire.Addr{wire.AddrOf(netip.MustParseAddrPort("50.1.2.3:443"))}
		b := w.node(privateAddr(1))
		a := w.node(privateAddr(2), func(c *Config) { c.Announce = fixed })
		silent := w.node(privateAddr(3), func(c *Config) { c.ListenPort = 0 })
		for _, n := range []*node{a, silent} {
			if _, err := n.Connect(t.Context(), b.at, b.Self().ID); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.Self().Addrs; !slices.Equal(got, fixed) {
			t.Errorf("announces %v", got)
		}
		if got := silent.Self().Addrs; len(got) != 0 {
			t.Errorf("a node that listens nowhere announces %v", got)
		}
	})
}

func TestPrivateAddressesOfPublicPeersAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		announce := []wire.Addr{
			wire.AddrOf(netip.MustParseAddrPort("192.168.1.1:80")),
			wire.AddrOf(netip.MustParseAddrPort("127.0.0.1:80")),
			wire.AddrOf(netip.MustParseAddrPort("50.7.0.1:9000")),
		}
		set := func(c *Config) { c.Announce = announce }
		a := w.node(publicAddr(1))
		far, near := w.node(publicAddr(2), set), w.node(privateAddr(2), set)
		p, err := a.Connect(t.Context(), far.at, far.Self().ID)
		if err != nil || !slices.Equal(p.Addrs, announce[2:]) {
			t.Errorf("a public peer's addresses: %v, %v", p.Addrs, err)
		}
		if p, err = a.Connect(t.Context(), near.at, near.Self().ID); err != nil || len(p.Addrs) != 3 {
			t.Errorf("a private peer's addresses: %v, %v", p.Addrs, err)
		}
	})
}

func TestRecordIsRenewedAndRolesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(privateAddr(1))
		first := a.Self()
		time.Sleep(20 * 24 * time.Hour)
		now := a.Self()
		if now.Seq <= first.Seq || now.Valid(time.Now()) != nil {
			t.Errorf("after 20 days: sequence %d, valid %v", now.Seq, now.Valid(time.Now()))
		}
		if left := time.Until(time.UnixMilli(int64(now.Expires))); left < a.cfg.RecordLife/2-time.Second {
			t.Errorf("only %v of life left", left)
		}
		a.SetRole(wire.RoleServer | wire.RoleVolunteer)
		p, err := wire.ParsePeer(a.Self().Raw)
		if err != nil || p.Role != wire.RoleServer|wire.RoleVolunteer || p.Seq <= now.Seq {
			t.Errorf("new role: %+v, %v", p, err)
		}
	})
}

func TestClockOffset(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	for _, c := range []struct {
		theirs uint64
		want   time.Duration
	}{
		{1_800_000_000_000, 0},
		{1_800_086_400_000, 24 * time.Hour},
		{1_799_913_600_000, -24 * time.Hour},
		{math.MaxUint64, maxOffset},
		{math.MaxInt64 + 1, maxOffset},
		{math.MaxInt64, maxOffset},
		{0, -1_800_000_000_000 * time.Millisecond},
	} {
		if got := clockOffset(c.theirs, now); got != c.want {
			t.Errorf("%d: %v, want %v", c.theirs, got, c.want)
		}
	}
	if got := clockOffset(0, time.UnixMilli(maxOffset.Milliseconds()+1)); got != -maxOffset {
		t.Errorf("clock at zero: %v", got)
	}
}

func TestWrongClockStillGetsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), w.idle(privateAddr(2))
		b.Handle(wire.TypeFindNode, answer(func(_ context.Context, p wire.Peer, _ wire.Message) (wire.Message, error) {
			if len(p.Addrs) > 0 || len(p.Raw) > 0 {
				t.Errorf("a record that has expired is believed: %v", p.Addrs)
			}
			return wire.Nodes{}, nil
		}))
		b.start(t)
		stale, err := wire.SignPeer(a.cfg.Self.Key, wire.Peer{Seq: 1, Expires: 1, Addrs: []wire.Addr{wire.AddrOf(a.at)}})
		if err != nil {
			t.Fatal(err)
		}
		a.self.Store(&stale)
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Error(err)
		}
	})
}

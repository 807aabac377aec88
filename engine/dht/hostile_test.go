package dht

import (
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// rawPeer makes an encoded peer at addr.
func rawPeer(n int, life time.Duration, addrs ...string) []byte {
	var as []wire.Addr
	for _, a := range addrs {
		as = append(as, wire.AddrOf(netip.MustParseAddrPort(a)))
	}
	id := identity.NodeID(simKey(rand.New(rand.NewPCG(uint64(n), 55))))
	return testPeer(id, as, 1, time.Now().Add(life)).Raw
}

// TestNamedPeers: what a reply may make us believe.
func TestNamedPeers(t *testing.T) {
	public := wire.Peer{Addrs: publicAddr(1)}
	lan := wire.Peer{Addrs: []wire.Addr{wire.AddrOf(netip.MustParseAddrPort("192.168.1.5:9000"))}}
	both := wire.Peer{Addrs: append(publicAddr(1), lan.Addrs...)}
	many := func(n int) (out [][]byte) {
		for i := range n {
			out = append(out, rawPeer(i, time.Hour, publicAddr(i)[0].IP.String()))
		}
		return out
	}
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		open := n.add(t, func(_ *testNode, cfg *Config) { cfg.AllowPrivate = true })
		strict := n.add(t, nil)
		tests := []struct {
			name string
			node *testNode
			from wire.Peer
			raws [][]byte
			want int
			err  error
		}{
			{"a full reply", open, public, many(20), 20, nil},
			{"the most a reply may hold", open, public, many(40), 40, nil},
			{"an oversized reply", open, public, many(41), 0, errOversized},
			{"garbage", open, public, [][]byte{nil, {1}, make([]byte, 2000)}, 0, nil},
			{"one peer ten times", open, public, append(many(1), many(1)...), 1, nil},
			{"ourselves", open, public, [][]byte{open.Self().Raw}, 0, nil},
			{"an expired record", open, public, [][]byte{rawPeer(1, -time.Second, "8.8.8.8:1")}, 0, nil},
			{"a record without end", open, public, [][]byte{rawPeer(1, 1000*day, "8.8.8.8:1")}, 0, nil},
			{"no address", open, public, [][]byte{rawPeer(1, time.Hour)}, 0, nil},
			{"port zero", open, public, [][]byte{rawPeer(1, time.Hour, "8.8.8.8:0")}, 0, nil},
			{"our router, said a public peer", open, public, [][]byte{rawPeer(1, time.Hour, "192.168.1.1:80")}, 0, nil},
			{"ourselves on loopback, said a public peer", open, public, [][]byte{rawPeer(1, time.Hour, "127.0.0.1:631")}, 0, nil},
			{"our router, said a peer at both kinds of address", open, both, [][]byte{rawPeer(1, time.Hour, "192.168.1.1:80")}, 0, nil},
			{"a neighbour, said a neighbour", open, lan, [][]byte{rawPeer(1, time.Hour, "192.168.1.9:9000")}, 1, nil},
			{"a neighbour, in the public internet", strict, lan, [][]byte{rawPeer(1, time.Hour, "192.168.1.9:9000")}, 0, nil},
			{"the metadata service of a cloud", open, lan, [][]byte{rawPeer(1, time.Hour, "169.254.169.254:80")}, 0, nil},
			{"three of one /24", open, public, [][]byte{rawPeer(1, time.Hour, "8.8.8.1:1"), rawPeer(2, time.Hour, "8.8.8.2:1"), rawPeer(3, time.Hour, "8.8.8.3:1")}, 2, nil},
			{"a peer in five groups", open, public, [][]byte{rawPeer(1, time.Hour, "8.1.0.1:1", "8.2.0.1:1", "8.3.0.1:1", "8.4.0.1:1", "8.5.0.1:1")}, 0, nil},
		}
		for _, tt := range tests {
			got, err := tt.node.namedPeers(tt.raws, tt.from, time.Now())
			if len(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s: %d peers, %v; want %d, %v", tt.name, len(got), err, tt.want, tt.err)
			}
		}
		mixed, _ := open.namedPeers([][]byte{rawPeer(1, time.Hour, "192.168.1.1:80", "8.8.8.8:1")}, public, time.Now())
		if len(mixed) != 1 || len(mixed[0].Addrs) != 1 || mixed[0].Addrs[0].IP.String() != "8.8.8.8:1" {
			t.Errorf("of two addresses, one private, remains %v", mixed)
		}
	})
}

// TestBadRepliesCostThePlace: a peer whose reply breaks the protocol leaves
// the table, and the lookup goes on.
func TestBadRepliesCostThePlace(t *testing.T) {
	huge := make([][]byte, 41)
	tests := map[string]wire.Message{
		"oversized":     wire.Nodes{Peers: huge},
		"of other type": wire.Providers{},
		"too many records": wire.Records{
			Records: make([]wire.StoredRecord, 6)},
		"record too large": wire.Records{
			Records: []wire.StoredRecord{{Value: make([]byte, 1001)}}},
		"too many providers": wire.Providers{Providers: make([]wire.Provider, 41)},
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNet()
				defer n.closeAll()
				nodes := n.grow(t, 10, nil)
				time.Sleep(time.Minute)
				liar := nodes[4]
				liar.turn(func(wire.Message) (wire.Message, bool) { return bad, true })
				got, st, err := nodes[1].Closest(t.Context(), wire.Hash(liar.id), 20)
				if err != nil || len(got) != 8 || !st.Converged {
					t.Errorf("lookup found %d, converged %v, %v; want 8", len(got), st.Converged, err)
				}
				for _, e := range nodes[1].Table() {
					if e.Peer.ID == liar.id {
						t.Error("the liar is still in the table")
					}
				}
			})
		})
	}
}

// TestNodeEclipse: an attacker with two /24s and ever new identities gets no
// more than his share of a table, however often he calls.
func TestNodeEclipse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		victim := n.join(t, nil)
		n.grow(t, 10, nil)
		mine := map[identity.NodeID]bool{}
		for i := range 200 {
			node := n.add(t, func(node *testNode, _ *Config) {
				ip := netip.AddrFrom4([4]byte{99, 9, byte(i % 2), byte(i / 2)})
				node.addrs = []wire.Addr{wire.AddrOf(netip.AddrPortFrom(ip, 9000))}
			})
			mine[node.id] = true
			node.Bootstrap(t.Context(), []wire.Peer{victim.Self()})
		}
		time.Sleep(time.Hour)
		bad, good := 0, 0
		for _, e := range victim.Table() {
			if mine[e.Peer.ID] {
				bad++
			} else {
				good++
			}
		}
		if bad > 2*groupPerTable || good != 10 {
			t.Errorf("%d of the attacker's and %d honest peers in the table, want at most %d and 10", bad, good, 2*groupPerTable)
		}
	})
}

// TestTableIsOfConnections: anybody can sign any address into a record, and a
// question back may be answered by the session that the peer opened itself. So
// only who is seen where its record says stands in the table.
func TestTableIsOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		var mu sync.Mutex
		mine := map[identity.NodeID]bool{}
		victim := n.join(t, func(_ *testNode, cfg *Config) {
			cfg.Remote = func(id identity.NodeID) (netip.AddrPort, bool) {
				mu.Lock()
				defer mu.Unlock()
				if mine[id] {
					return netip.MustParseAddrPort("99.9.0.1:4711"), true
				}
				n.mu.Lock()
				defer n.mu.Unlock()
				if n.nodes[id] == nil {
					return netip.AddrPort{}, false
				}
				return n.nodes[id].addrs[0].IP, true
			}
		})
		n.grow(t, 10, nil)
		own := wire.AddrOf(netip.MustParseAddrPort("99.9.0.1:9000"))
		var bad []*testNode
		for i := range 60 {
			node := n.add(t, func(node *testNode, _ *Config) {
				ip := netip.AddrFrom4([4]byte{77, 7, byte(i), 1})
				node.addrs = []wire.Addr{wire.AddrOf(netip.AddrPortFrom(ip, 9000))}
				if i%2 == 0 { // first a true record, then one without
					node.addrs = []wire.Addr{own}
				}
				mu.Lock()
				mine[node.id] = true
				mu.Unlock()
			})
			node.Bootstrap(t.Context(), []wire.Peer{victim.Self()})
			bad = append(bad, node)
		}
		time.Sleep(time.Hour)
		for i, node := range bad {
			moved := []wire.Addr{wire.AddrOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{66, 6, byte(i), 1}), 9000))}
			later := testPeer(node.id, moved, millis(time.Now()), time.Now().Add(day))
			victim.Handle(t.Context(), later, wire.FindNode{})
			victim.consider([]wire.Peer{later})
		}
		time.Sleep(time.Hour)
		count, good := 0, 0
		for _, e := range victim.Table() {
			if !mine[e.Peer.ID] {
				good++
				continue
			}
			if count++; e.Peer.Addrs[0] != own {
				t.Errorf("in the table at %v", e.Peer.Addrs)
			}
		}
		if count > groupPerTable || good != 10 {
			t.Errorf("%d of one address and %d honest peers in the table, want at most %d and 10", count, good, groupPerTable)
		}
	})
}

// TestContentEclipse: a fifth of the nodes hide a record and name only each
// other; it is found all the same.
func TestContentEclipse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 100, nil)
		time.Sleep(time.Minute)
		key := keyOf(4)
		n.put(t, nodes[1], key, testRecord(1, 1, time.Now().Add(day), false, ""))
		var gang [][]byte
		for i := 0; i < 100; i += 5 {
			gang = append(gang, nodes[i].Self().Raw)
		}
		for i := 0; i < 100; i += 5 {
			nodes[i].turn(func(m wire.Message) (wire.Message, bool) {
				if _, ok := m.(wire.GetRecords); ok {
					return wire.Records{Peers: gang}, true
				}
				return wire.Nodes{Peers: gang}, true
			})
		}
		for i := 1; i < 100; i += 10 {
			if count := firsts(t, nodes[i], key); count[1] < 10 {
				t.Errorf("node %d finds %d holders", i, count[1])
			}
		}
	})
}

// TestOneLiarChangesNothing: a storing node that reports a rival first is one
// voice, to readers and to nodes that settle who was first.
func TestOneLiarChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 30, nil)
		time.Sleep(time.Minute)
		key := keyOf(4)
		n.put(t, nodes[1], key, testRecord(1, 1, time.Now().Add(day), false, ""))
		rival := testRecord(2, math.MaxUint64, time.Now().Add(day), false, "")
		near, _, err := nodes[1].Closest(t.Context(), key, 1)
		if err != nil {
			t.Fatal(err)
		}
		n.nodes[near[0].ID].turn(func(m wire.Message) (wire.Message, bool) {
			if _, ok := m.(wire.GetRecords); ok {
				return wire.Records{Records: []wire.StoredRecord{{Value: rival, FirstSeen: 1}}}, true
			}
			return nil, false
		})
		late := n.join(t, nil) // learns of the name only now, and from the rival
		late.Handle(t.Context(), near[0], wire.PutRecord{Key: key, Value: rival})
		time.Sleep(time.Hour)
		m, err := late.Handle(t.Context(), near[0], wire.GetRecords{Key: key})
		if owners := ownersOf(m.(wire.Records).Records); err != nil || len(owners) == 0 || owners[0] != 1 {
			t.Errorf("a late node takes %v for the owners", owners)
		}
		if count := firsts(t, late, key); count[2] != 1 || count[1] < 15 {
			t.Errorf("incumbents by node: %v", count)
		}
	})
}

// TestOnlyWhoAnswersEnters: a peer that is merely named, or calls from an
// address where nobody listens, never stands in the table, and is not asked
// back again and again.
func TestOnlyWhoAnswersEnters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 3, nil)
		time.Sleep(time.Minute)
		before := n.requests.Load()
		ghost, err := parseTestPeer(rawPeer(7, time.Hour, "8.8.8.8:1"))
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			nodes[0].Handle(t.Context(), ghost, wire.FindNode{})
			time.Sleep(100 * time.Millisecond)
		}
		if asked := n.requests.Load() - before; asked > 3 {
			t.Errorf("%d requests in answer to 1000 of a ghost", asked)
		}
		if got := len(nodes[0].Table()); got != 2 {
			t.Errorf("table of %d, want 2", got)
		}
		client := ghost
		client.Role = 0
		nodes[1].Seen(client)
		synctest.Wait()
		if len(nodes[1].candidates) != 0 {
			t.Error("a client is considered for the table")
		}
	})
}

// TestStoreRefusals: what a node does not take.
func TestStoreRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		small := func(_ *testNode, cfg *Config) { cfg.K = 8 }
		nodes := n.grow(t, 80, small)
		time.Sleep(time.Minute)
		node, from := nodes[0], nodes[1].Self()
		good := testRecord(1, 1, time.Now().Add(day), false, "")
		near := inBucket(node.id, 40, simKey(rand.New(rand.NewPCG(1, 1))))
		far := inBucket(node.id, 0, simKey(rand.New(rand.NewPCG(1, 2))))
		client := n.join(t, func(_ *testNode, cfg *Config) { cfg.Server = func() bool { return false } })
		tests := []struct {
			name string
			to   *testNode
			m    wire.Message
			code wire.ErrorCode // 0: taken
		}{
			{"a record", node, wire.PutRecord{Key: near, Value: good}, 0},
			{"the same again", node, wire.PutRecord{Key: near, Value: good}, 0},
			{"too large", node, wire.PutRecord{Key: near, Value: make([]byte, 1001)}, wire.CodeRefused},
			{"invalid", node, wire.PutRecord{Key: near, Value: []byte("x")}, wire.CodeRefused},
			{"expired", node, wire.PutRecord{Key: near, Value: testRecord(1, 9, time.Now(), false, "")}, wire.CodeRefused},
			{"far away", node, wire.PutRecord{Key: far, Value: good}, wire.CodeRefused},
			{"at a client", client, wire.PutRecord{Key: near, Value: good}, wire.CodeRefused},
			{"provider", node, wire.AddProvider{Root: near, Peer: from.Raw, TTL: 3600}, 0},
			{"provider for longer than for ever", node, wire.AddProvider{Root: near, Peer: from.Raw, TTL: math.MaxUint64}, 0},
			{"provider in another's name", node, wire.AddProvider{Root: near, Peer: nodes[2].Self().Raw, TTL: 3600}, wire.CodeRefused},
			{"provider without a record", node, wire.AddProvider{Root: near, TTL: 3600}, wire.CodeRefused},
			{"provider far away", node, wire.AddProvider{Root: far, Peer: from.Raw, TTL: 3600}, wire.CodeRefused},
			{"another kind of message", node, wire.Ping{}, wire.CodeUnsupported},
		}
		for _, tt := range tests {
			m, err := tt.to.Handle(t.Context(), from, tt.m)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			e, failed := m.(wire.Error)
			if e.Code != tt.code || failed != (tt.code != 0) {
				t.Errorf("%s: %#v, want code %d", tt.name, m, tt.code)
			}
		}
		m, _ := node.Handle(t.Context(), from, wire.GetProviders{Root: near})
		ps := m.(wire.Providers).Providers
		if len(ps) != 1 || instant(ps[0].Expires).After(time.Now().Add(MaxTTL)) {
			t.Errorf("providers %v", ps)
		}
	})
}

// TestCheckingIsBudgeted: bogus records cost the verifier no more than the
// budget of the IP group they come from.
func TestCheckingIsBudgeted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		checks := 0
		node := n.add(t, func(_ *testNode, cfg *Config) {
			cfg.Validate = func(wire.Hash, []byte, time.Time) (RecordInfo, error) {
				checks++
				return RecordInfo{}, errors.New("bogus")
			}
		})
		busy := 0
		for i := range 2000 {
			p, _ := parseTestPeer(rawPeer(i, time.Hour, netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, 9, byte(i)}), 1).String()))
			m, err := node.Handle(t.Context(), p, wire.PutRecord{Key: keyOf(i), Value: []byte("x")})
			e, ok := m.(wire.Error)
			if err != nil || !ok {
				t.Fatalf("%#v, %v", m, err)
			}
			if e.Code == wire.CodeBusy && e.RetryAfter > 0 {
				busy++
			}
		}
		if checks > 100 || busy != 2000-checks {
			t.Errorf("%d checks and %d refusals for 2000 bogus records of one group", checks, busy)
		}
		other, _ := parseTestPeer(rawPeer(1, time.Hour, "8.8.8.8:1"))
		before := checks
		node.Handle(t.Context(), other, wire.PutRecord{Key: keyOf(1), Value: []byte("x")})
		if checks != before+1 {
			t.Error("one group's flood uses up another's budget")
		}
	})
}

// TestWithdrawnStaysWithdrawn: somebody announces an old record after its
// tombstone, from a computer that has not heard of it.
func TestWithdrawnStaysWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 30, func(_ *testNode, cfg *Config) { cfg.RefreshInterval = 2 * time.Hour })
		time.Sleep(time.Minute)
		key := keyOf(6)
		site := testRecord(1, 1, time.Now().Add(90*day), false, "site")
		gone := testRecord(1, 2, time.Now().Add(90*day), true, "gone")
		n.put(t, nodes[1], key, site)
		n.put(t, nodes[1], key, gone)
		for range 10 {
			time.Sleep(day)
			st, err := nodes[5].Put(t.Context(), key, site)
			if err != nil || len(st.Stored) == 0 {
				t.Fatalf("announce: %d, %v", len(st.Stored), err)
			}
			for _, at := range st.Stored {
				if string(at.Reply.Newer) != string(gone) {
					t.Errorf("%s does not tell of the tombstone", at.Peer.ID.Short())
				}
			}
		}
		st, err := nodes[20].Get(t.Context(), key, func(a Answer) bool {
			for _, r := range a.Records {
				if string(r.Value) != string(gone) {
					t.Errorf("%s gives %q", a.From.ID.Short(), r.Value)
				}
			}
			return false
		})
		if err != nil || !st.Converged {
			t.Error(st, err)
		}
	})
}

// TestStaleHolderLearns: a node that was away while a record was replaced
// takes the newer one over when it announces its own.
func TestStaleHolderLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNet()
		defer n.closeAll()
		nodes := n.grow(t, 25, nil)
		time.Sleep(time.Minute)
		key := keyOf(6)
		old, fresh := testRecord(1, 1, time.Now().Add(90*day), false, "old"), testRecord(1, 2, time.Now().Add(90*day), false, "new")
		st := n.put(t, nodes[1], key, old)
		away := n.nodes[st.Stored[0].Peer.ID]
		n.mu.Lock()
		delete(n.nodes, away.id)
		n.mu.Unlock()
		n.put(t, nodes[1], key, fresh)
		n.mu.Lock()
		n.nodes[away.id] = away
		n.mu.Unlock()
		time.Sleep(12 * time.Hour)
		away.mu.Lock()
		got, ok := away.records.first(key)
		away.mu.Unlock()
		if !ok || string(got) != string(fresh) {
			t.Errorf("after half a day it holds %q", got)
		}
	})
}

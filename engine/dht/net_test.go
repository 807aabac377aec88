package dht

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// testNet connects DHTs in one process. Records of its peers are unsigned, so
// that a test of many nodes and days costs no cryptography.
type testNet struct {
	requests atomic.Int64

	mu      sync.Mutex // guards what follows
	latency time.Duration
	nodes   map[identity.NodeID]*testNode
	next    int
}

// testNode is one node of a testNet, and its Network.
type testNode struct {
	*DHT
	net     *testNet
	id      identity.NodeID
	addrs   []wire.Addr
	store   *Memory
	answer  func(m wire.Message) (wire.Message, bool) // of a hostile node; false: as usual; under net.mu
	started time.Time
}

var errUnreachable = errors.New("unreachable")

func newTestNet() *testNet {
	return &testNet{latency: 10 * time.Millisecond, nodes: map[identity.NodeID]*testNode{}}
}

// add starts a node with an address in a group of its own.
func (n *testNet) add(t testing.TB, tweak func(*testNode, *Config)) *testNode {
	t.Helper()
	n.mu.Lock()
	n.next++
	node := &testNode{net: n, addrs: publicAddr(n.next), store: &Memory{}, started: time.Now()}
	node.id = identity.NodeID(simKey(rand.New(rand.NewPCG(uint64(n.next), 99))))
	n.mu.Unlock()
	cfg := Config{Network: node, Store: node.store, Validate: checkTestRecord, ParsePeer: parseTestPeer}
	if tweak != nil {
		tweak(node, &cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	node.DHT = d
	n.mu.Lock()
	n.nodes[node.id] = node
	n.mu.Unlock()
	return node
}

// grow starts count nodes that join through the first ones.
func (n *testNet) grow(t testing.TB, count int, tweak func(*testNode, *Config)) []*testNode {
	t.Helper()
	var out []*testNode
	for range count {
		out = append(out, n.join(t, tweak))
	}
	return out
}

func (n *testNet) join(t testing.TB, tweak func(*testNode, *Config)) *testNode {
	t.Helper()
	seeds := n.some(3)
	node := n.add(t, tweak)
	if len(seeds) > 0 {
		if err := node.Bootstrap(t.Context(), seeds); err != nil {
			t.Fatal(err)
		}
	}
	return node
}

// some returns the records of count living nodes, the lowest NodeIDs first.
func (n *testNet) some(count int) []wire.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []wire.Peer
	for _, node := range n.nodes {
		out = append(out, node.Self())
	}
	slices.SortFunc(out, func(a, b wire.Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out[:min(count, len(out))]
}

// kill takes a node off the net without a word.
func (n *testNet) kill(node *testNode) {
	n.mu.Lock()
	delete(n.nodes, node.id)
	n.mu.Unlock()
	node.Close()
}

func (n *testNet) closeAll() {
	n.mu.Lock()
	all := slices.Collect(func(yield func(*testNode) bool) {
		for _, node := range n.nodes {
			if !yield(node) {
				return
			}
		}
	})
	n.mu.Unlock()
	for _, node := range all {
		node.Close()
	}
}

// Self implements Network: a record signed anew every twelve hours.
func (n *testNode) Self() wire.Peer {
	since := time.Since(n.started).Truncate(12 * time.Hour)
	at := n.started.Add(since)
	return testPeer(n.id, n.addrs, millis(at), at.Add(24*time.Hour))
}

// Request implements Network.
func (n *testNode) Request(ctx context.Context, to wire.Peer, m wire.Message) (wire.Message, error) {
	n.net.requests.Add(1)
	n.net.mu.Lock()
	peer, latency := n.net.nodes[to.ID], n.net.latency
	n.net.mu.Unlock()
	if !sleep(ctx, latency) {
		return nil, ctx.Err()
	}
	if peer == nil {
		<-ctx.Done()
		return nil, errUnreachable
	}
	if answer := peer.hostility(); answer != nil {
		if r, ok := answer(m); ok {
			return r, nil
		}
	}
	r, err := peer.Handle(ctx, n.Self(), m)
	n.Seen(peer.Self()) // the session brings the peer's fresh record
	return r, err
}

// turn makes the node hostile: it answers as answer says.
func (n *testNode) turn(answer func(wire.Message) (wire.Message, bool)) {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	n.answer = answer
}

func (n *testNode) hostility() func(wire.Message) (wire.Message, bool) {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	return n.answer
}

func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// testPeer makes an unsigned record.
func testPeer(id identity.NodeID, addrs []wire.Addr, seq uint64, expires time.Time) wire.Peer {
	p := wire.Peer{ID: id, Seq: seq, Expires: millis(expires), Role: wire.RoleServer, Addrs: addrs}
	p.Raw = append(p.Raw, id[:]...)
	p.Raw = binary.BigEndian.AppendUint64(p.Raw, p.Seq)
	p.Raw = binary.BigEndian.AppendUint64(p.Raw, p.Expires)
	for _, a := range addrs {
		b, _ := a.IP.MarshalBinary()
		p.Raw = append(append(p.Raw, byte(len(b))), b...)
	}
	return p
}

func parseTestPeer(raw []byte) (wire.Peer, error) {
	if len(raw) < 48 {
		return wire.Peer{}, errors.New("no peer")
	}
	p := wire.Peer{ID: identity.NodeID(raw[:32]), Role: wire.RoleServer, Raw: raw,
		Seq: binary.BigEndian.Uint64(raw[32:]), Expires: binary.BigEndian.Uint64(raw[40:])}
	for rest := raw[48:]; len(rest) > 0 && int(rest[0]) < len(rest); rest = rest[1+rest[0]:] {
		var a netip.AddrPort
		if err := a.UnmarshalBinary(rest[1 : 1+rest[0]]); err != nil {
			return wire.Peer{}, err
		}
		p.Addrs = append(p.Addrs, wire.AddrOf(a))
	}
	return p, nil
}

// testRecord makes an unsigned record: owner, sequence, expiry, kind, text.
func testRecord(owner byte, seq uint64, expires time.Time, tombstone bool, text string) []byte {
	b := slices.Repeat([]byte{owner}, 32)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, millis(expires))
	if tombstone {
		return append(append(b, 1), text...)
	}
	return append(append(b, 0), text...)
}

func checkTestRecord(_ wire.Hash, b []byte, now time.Time) (RecordInfo, error) {
	if len(b) < 49 {
		return RecordInfo{}, errors.New("no record")
	}
	info := RecordInfo{Owner: identity.PublicKey(b[:32]), Seq: binary.BigEndian.Uint64(b[32:]),
		Expires: instant(binary.BigEndian.Uint64(b[40:])), Tombstone: b[48] == 1}
	if !info.Expires.After(now) {
		return info, ErrExpired
	}
	return info, nil
}

// ownersOf lists the owners an answer names, the incumbent first.
func ownersOf(rs []wire.StoredRecord) []byte {
	var out []byte
	for _, r := range rs {
		out = append(out, r.Value[0])
	}
	return out
}

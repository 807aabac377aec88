package peer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"altnet/engine/identity"
	"altnet/engine/peer/memnet"
	"altnet/engine/wire"
)

var testNetwork = sha256.Sum256([]byte("test network"))

// world is a network in memory with hosts on it.
type world struct {
	*memnet.Net
	t *testing.T
	n int
}

func newWorld(t *testing.T) *world { return &world{Net: memnet.New(), t: t} }

// node is a host and where it is.
type node struct {
	*Host
	at netip.AddrPort
}

// peer is the record others know the node by.
func (n *node) peer() wire.Peer {
	return wire.Peer{Key: n.cfg.Self.Key.Public(), ID: n.Self().ID, Addrs: []wire.Addr{wire.AddrOf(n.at)}}
}

func testKey(n int) identity.Key {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(n))
	return identity.FromSeed(seed)
}

// private returns an address in a network of its own.
func privateAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1}) }

// publicAddr returns an address of the public internet, each in its own group.
func publicAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{50, byte(n >> 8), byte(n), 1}) }

// config is a host's configuration at an address of the world.
func (w *world) config(ip netip.Addr) (Config, netip.AddrPort) {
	w.t.Helper()
	at := netip.AddrPortFrom(ip, 9000)
	l, err := w.Listen(at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.n++
	return Config{
		Self:       wire.Self{Key: testKey(w.n)},
		NetworkID:  testNetwork,
		Agent:      "test/1",
		Listen:     []net.Listener{l},
		ListenPort: at.Port(),
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return w.Dial(ctx, ip, to)
		},
	}, at
}

// node starts a host; set, where given, changes its configuration first.
func (w *world) node(ip netip.Addr, set ...func(*Config)) *node {
	w.t.Helper()
	n := w.idle(ip, set...)
	n.start(w.t)
	return n
}

// idle makes a host that is not started.
func (w *world) idle(ip netip.Addr, set ...func(*Config)) *node {
	w.t.Helper()
	cfg, at := w.config(ip)
	for _, f := range set {
		f(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return &node{h, at}
}

func (n *node) start(t *testing.T) {
	n.Start()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

// answer makes a Handler of a function from request to reply. An error that
// is one of this package's sentinels keeps its code; any other is internal,
// and its text stays here.
func answer(f func(ctx context.Context, from wire.Peer, m wire.Message) (wire.Message, error)) Handler {
	return func(ctx context.Context, r *Request) {
		m, err := f(ctx, r.Peer, r.Message)
		if err != nil {
			m = errorMessage(err)
		}
		if err := r.Reply(m); err != nil {
			r.Stream.session.log.Debug("reply", "type", r.Message.Type(), "err", err)
		}
	}
}

// errorMessage is the inverse of RemoteError.Unwrap.
func errorMessage(err error) wire.Error {
	for _, c := range []wire.ErrorCode{
		wire.CodeBadRequest, wire.CodeUnsupported, wire.CodeBusy, wire.CodeNotFound, wire.CodeRefused,
	} {
		if errors.Is(err, (&RemoteError{Code: c}).Unwrap()) {
			return wire.Error{Code: c, Text: err.Error()}
		}
	}
	return wire.Error{Code: wire.CodeInternal}
}

// find answers FindNode with nobody.
func find(context.Context, wire.Peer, wire.Message) (wire.Message, error) {
	return wire.Nodes{}, nil
}

func answering(n *node) *node {
	n.Handle(wire.TypeFindNode, answer(find))
	return n
}

func short(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// watch records what a node's observer is told.
type watch struct {
	mu     sync.Mutex
	events []watched
}

type watched struct {
	peer wire.Peer
	up   bool
}

func (w *watch) observe(p wire.Peer, up bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, watched{p, up})
}

func (w *watch) all() []watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]watched(nil), w.events...)
}

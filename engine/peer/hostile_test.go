package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

// Frames of yamux (its spec.md): version, type, flags, stream, length.
const (
	yData   = 0
	yWindow = 1
	yPing   = 2
	fSYN    = 1
	fACK    = 2
	fFIN    = 4
)

func frame(kind byte, flags uint16, stream, length uint32, body ...byte) []byte {
	b := make([]byte, frameHead, frameHead+len(body))
	b[1] = kind
	binary.BigEndian.PutUint16(b[2:], flags)
	binary.BigEndian.PutUint32(b[4:], stream)
	binary.BigEndian.PutUint32(b[8:], length)
	return append(b, body...)
}

func dataFrame(flags uint16, stream uint32, m wire.Message) []byte {
	var w sliceWriter
	if err := wire.Write(&w, m); err != nil {
		panic(err)
	}
	return frame(yData, flags, stream, uint32(len(w)), w...)
}

type sliceWriter []byte

func (w *sliceWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// rogue is a peer that shakes hands and then sends what it likes.
type rogue struct {
	*secure.Conn
	t   *testing.T
	key identity.Key
}

// rogue connects to a node from ip with a new key.
func (w *world) rogue(from netip.Addr, to *node) (*rogue, error) {
	w.n++
	key := testKey(w.n)
	c, err := w.Dial(w.t.Context(), from, to.at)
	if err != nil {
		return nil, err
	}
	sc, err := secure.Client(w.t.Context(), c, secure.Config{Key: key, NetworkID: testNetwork}, to.Self().ID)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = sc.Close() })
	return &rogue{sc, w.t, key}, nil
}

// greeted connects a rogue that has said Hello as a good peer does, and whose
// answers nobody reads but the drain.
func (w *world) greeted(from netip.Addr, to *node) *rogue {
	w.t.Helper()
	r, err := w.rogue(from, to)
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	r.hello(r.key)
	synctest.Wait()
	if len(to.sessionsOf(r.key.ID())) != 1 {
		w.t.Fatal("the rogue was not let in")
	}
	return r
}

func (r *rogue) hello(key identity.Key) {
	p, err := wire.SignPeer(key, wire.Peer{Seq: 1, Expires: uint64(time.Now().Add(time.Hour).UnixMilli())})
	if err != nil {
		r.t.Fatal(err)
	}
	r.send(dataFrame(fSYN, 1, wire.Hello{Record: p.Raw, Agent: "rogue"}), frame(yWindow, fFIN, 1, 0))
}

// send sends frames; a host that hangs up is no failure of the test.
func (r *rogue) send(frames ...[]byte) bool {
	for _, f := range frames {
		if _, err := r.Write(f); err != nil {
			return false
		}
	}
	return true
}

func (n *node) sessionsOf(id identity.NodeID) (out []*session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append(out, n.peers[id]...)
}

// burden is what a host holds for its peers.
type burden struct{ sessions, groups, handlers, news, told, flights, windows int }

func (n *node) burden() burden {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.groups.mu.Lock()
	defer n.groups.mu.Unlock()
	return burden{
		len(n.sessions), len(n.groups.m), n.groups.handlers, len(n.news), len(n.told), len(n.flights),
		int(n.windows.used.Load()),
	}
}

// serves checks that the node answers a newcomer.
func (w *world) serves(n *node) {
	w.t.Helper()
	good := w.node(publicAddr(60_000 + w.n))
	if _, err := good.Request(short(w.t, 10*time.Second), n.peer(), wire.Ping{Nonce: 1}); err != nil {
		w.t.Errorf("a good peer is not served: %v", err)
	}
}

func TestStreamFloodIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1), func(c *Config) { c.MaxStreamsPerSession = 32 })
		before := runtime.NumGoroutine()
		r := w.greeted(publicAddr(2), n)
		for i := range 10_000 {
			if !r.send(frame(yWindow, fSYN, uint32(3+2*i), 0)) {
				break
			}
		}
		synctest.Wait()
		b := n.burden()
		if b.handlers > 32 || b.windows > 32*baseWindow || runtime.NumGoroutine() > before+64 {
			t.Errorf("after the flood: %+v, %d goroutines", b, runtime.NumGoroutine()-before)
		}
		w.serves(n)
		time.Sleep(2 * n.cfg.StreamTimeout)
		if b := n.burden(); b.handlers != 0 {
			t.Errorf("streams that never spoke are still answered: %+v", b)
		}
	})
}

func TestWindowOverflowEndsTheSession(t *testing.T) {
	for _, c := range []struct {
		name   string
		frames func(stream uint32) [][]byte
		lives  bool
	}{
		{"a length of 4 GiB", func(s uint32) [][]byte { return [][]byte{frame(yData, fSYN, s, 1<<32-1)} }, false},
		{"more than the window at once", func(s uint32) [][]byte {
			return [][]byte{frame(yData, fSYN, s, baseWindow+1, make([]byte, baseWindow+1)...)}
		}, false},
		{"more than the window in parts", func(s uint32) [][]byte {
			frames := [][]byte{dataFrame(fSYN, s, wire.GetPath{Path: "x"})}
			for range baseWindow/1024 + 1 {
				frames = append(frames, frame(yData, 0, s, 1024, make([]byte, 1024)...))
			}
			return frames
		}, false},
		{"the same stream twice", func(s uint32) [][]byte {
			return [][]byte{frame(yWindow, fSYN, s, 0), frame(yWindow, fSYN, s, 0)}
		}, false},
		{"a stream of ours", func(uint32) [][]byte { return [][]byte{frame(yWindow, fSYN, 2, 0)} }, false},
		{"window updates past 2^32", func(s uint32) [][]byte {
			frames := [][]byte{frame(yWindow, fSYN, s, 1<<32-1)}
			for range 100 {
				frames = append(frames, frame(yWindow, 0, s, 1<<32-1))
			}
			return append(frames, dataFrame(0, s, wire.Ping{}))
		}, true},
		{"acknowledging what was never opened", func(s uint32) [][]byte {
			return [][]byte{frame(yWindow, fSYN|fACK, s, 0), frame(yWindow, fACK, s, 0), frame(yWindow, fACK, 2, 0)}
		}, true},
		{"data for no stream", func(uint32) [][]byte { return [][]byte{frame(yData, 0, 99, 4, 1, 2, 3, 4)} }, true},
		{"a flood of pings", func(uint32) (frames [][]byte) {
			for i := range uint32(10_000) {
				frames = append(frames, frame(yPing, fSYN, 0, i))
			}
			return frames
		}, true},
		{"an unknown frame", func(uint32) [][]byte { return [][]byte{frame(9, 0, 0, 0)} }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := w.idle(publicAddr(1))
			n.Handle(wire.TypeGetPath, func(ctx context.Context, _ *Request) { <-ctx.Done() })
			n.start(t)
			r := w.greeted(publicAddr(2), n)
			// A stream whose handler does not read, then the attack on it or others.
			for _, f := range c.frames(5) {
				if !r.send(f) {
					break
				}
			}
			synctest.Wait()
			if lives := len(n.sessionsOf(r.key.ID())) == 1; lives != c.lives {
				t.Errorf("%s: the session lives: %v", c.name, lives)
			}
			if b := n.burden(); b.windows > 4*baseWindow {
				t.Errorf("%s: %d bytes of windows", c.name, b.windows)
			}
			w.serves(n)
		})
	}
}

func TestPeerThatDoesNotReadIsDropped(t *testing.T) {
	// On real time: yamux holds a lock while it refuses streams, which stops
	// the clock of a bubble.
	w := newWorld(t)
	n := w.node(publicAddr(1), func(c *Config) { c.StreamTimeout = 300 * time.Millisecond; c.MaxStreamsPerSession = 8 })
	r, err := w.rogue(publicAddr(2), n)
	if err != nil {
		t.Fatal(err)
	}
	r.hello(r.key)
	_ = r.SetDeadline(time.Now().Add(20 * time.Second))
	for i := 0; ; i++ {
		if _, err := r.Write(frame(yWindow, fSYN, uint32(3+2*i), 0)); err != nil {
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				t.Error("the flood goes on for ever")
			}
			break
		}
	}
	w.serves(n)
}

func TestBadBeginnings(t *testing.T) {
	hello := func(key identity.Key, r *rogue) { r.hello(key) }
	for _, c := range []struct {
		name  string
		begin func(w *world, r *rogue)
	}{
		{"nothing", func(*world, *rogue) {}},
		{"a stream and nothing on it", func(_ *world, r *rogue) { r.send(frame(yWindow, fSYN, 1, 0)) }},
		{"a request before Hello", func(_ *world, r *rogue) { r.send(dataFrame(fSYN, 1, wire.FindNode{})) }},
		{"another peer's record", func(_ *world, r *rogue) { hello(testKey(12345), r) }},
		{"no record", func(_ *world, r *rogue) { r.send(dataFrame(fSYN, 1, wire.Hello{Agent: "x"})) }},
		{"a header that promises much", func(_ *world, r *rogue) {
			r.send(frame(yData, fSYN, 1, 6, 0, 1, 0xff, 0xff, 0xff, 0xff))
		}},
		{"a body that never comes", func(_ *world, r *rogue) { r.send(frame(yData, fSYN, 1, 6, 0, 1, 0, 0, 1, 0)) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			n := w.idle(publicAddr(1))
			asked := false
			n.Handle(wire.TypeFindNode, func(context.Context, *Request) { asked = true })
			n.start(t)
			r, err := w.rogue(publicAddr(2), n)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, r) }()
			c.begin(w, r)
			time.Sleep(n.cfg.HandshakeTimeout + time.Second)
			if b := n.burden(); b.sessions != 0 || b.groups != 0 || b.handlers != 0 || asked {
				t.Errorf("%s: %+v, asked %v", c.name, b, asked)
			}
			w.serves(n)
		})
	}
}

func TestMalformedRequestsEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1))
		r := w.greeted(publicAddr(2), n)
		bad := []byte{1, 1, 0, 0, 0, 1, 0xff} // FindNode whose body is no CBOR map
		for i := range maxMischief {
			if len(n.sessionsOf(r.key.ID())) != 1 {
				t.Fatalf("dropped after %d", i)
			}
			r.send(frame(yData, fSYN, uint32(3+2*i), uint32(len(bad)), bad...))
			synctest.Wait()
		}
		if len(n.sessionsOf(r.key.ID())) != 0 {
			t.Error("the session survives")
		}
		unknown := []byte{0x7f, 0xff, 0, 0, 0, 1, 0xa0}
		r = w.greeted(publicAddr(3), n)
		for i := range 10 * maxMischief {
			r.send(frame(yData, fSYN, uint32(3+2*i), uint32(len(unknown)), unknown...))
		}
		synctest.Wait()
		if len(n.sessionsOf(r.key.ID())) != 1 {
			t.Error("messages of a later version end the session")
		}
	})
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

func TestSilentConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1))
		before := runtime.NumGoroutine()
		var conns []net.Conn
		for i := range 2000 {
			c, err := w.Dial(t.Context(), publicAddr(10+i), n.at)
			if err == nil {
				conns = append(conns, c)
			}
			synctest.Wait()
		}
		if g := runtime.NumGoroutine() - before; g > 600 {
			t.Errorf("%d goroutines for connections that say nothing", g)
		}
		time.Sleep(n.cfg.HandshakeTimeout + time.Second)
		if g := runtime.NumGoroutine() - before; g > 5 {
			t.Errorf("%d goroutines left:\n%s", g, stacks())
		}
		for _, c := range conns {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Fatal("a silent connection got an answer")
			}
			_ = c.Close()
		}
		w.serves(n)
	})
}

func TestMintedIdentitiesLeaveNoState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 32
		w := newWorld(t)
		n := w.idle(publicAddr(1), func(c *Config) { c.MaxSessions = most; c.IdleTimeout = time.Hour })
		slow := make(chan struct{})
		n.OnPeer(func(wire.Peer, bool) { <-slow }) // an observer that lags far behind
		n.start(t)
		friend := w.node(publicAddr(2), func(c *Config) { c.IdleTimeout = time.Hour })
		if _, err := n.Connect(t.Context(), friend.at, friend.Self().ID); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if r, err := w.rogue(publicAddr(10+i), n); err == nil {
				go func() { _, _ = io.Copy(io.Discard, r) }()
				r.hello(r.key)
			}
			synctest.Wait()
			b := n.burden()
			if b.sessions > most || b.groups > most+1 || b.news > most+1 || b.told > most+1 {
				t.Fatalf("after %d identities: %+v", i, b)
			}
			time.Sleep(time.Second)
		}
		if len(n.sessionsOf(friend.Self().ID)) != 1 {
			t.Error("inbound sessions pushed out one that was dialled")
		}
		close(slow)
		n.SetOnline(false)
		time.Sleep(time.Minute)
		if b := n.burden(); b != (burden{}) {
			t.Errorf("when all have gone: %+v", b)
		}
		if n.memory.known.Len() > most {
			t.Errorf("%d addresses remembered", n.memory.known.Len())
		}
	})
}

func TestSessionsPerGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1), func(c *Config) { c.MaxSessionsPerGroup = 3 })
		base := publicAddr(2).As4()
		for i := range 10 {
			base[3] = byte(i + 1)
			if r, err := w.rogue(netip.AddrFrom4(base), n); err == nil {
				r.hello(r.key)
			}
		}
		synctest.Wait()
		if b := n.burden(); b.sessions != 3 || b.told != 3 {
			t.Errorf("%+v", b)
		}
		w.serves(n)
	})
}

func TestHandlersPerGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.idle(publicAddr(1), func(c *Config) { c.MaxHandlers = 40; c.MaxHandlersPerGroup = 10 })
		n.Handle(wire.TypeGetPath, func(ctx context.Context, _ *Request) { <-ctx.Done() })
		n.start(t)
		a := w.node(publicAddr(2))
		var streams []*Stream
		for range 30 {
			st, err := a.Open(t.Context(), n.peer(), wire.GetPath{Path: "x"})
			if err == nil {
				streams = append(streams, st)
			} else if !errors.Is(err, ErrBusy) {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if b := n.burden(); b.handlers != 10 {
			t.Errorf("%+v", b)
		}
		_, err := a.Request(t.Context(), n.peer(), wire.Ping{})
		if remote, ok := errors.AsType[*RemoteError](err); !ok || !errors.Is(err, ErrBusy) || remote.RetryAfter == 0 {
			t.Errorf("one too many: %v", err)
		}
		w.serves(n)
		for _, st := range streams {
			_ = st.Close()
		}
	})
}

func TestRequestRateSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1), func(c *Config) { c.RequestRate = 10 })
		a := w.node(publicAddr(2))
		start := time.Now()
		for range 50 {
			if _, err := a.Request(t.Context(), n.peer(), wire.Ping{}); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d < 2500*time.Millisecond || d > 4*time.Second {
			t.Errorf("50 requests at 10 a second, 20 of them saved up, took %v", d)
		}
	})
}

func TestIdleSessionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.node(publicAddr(1), func(c *Config) { c.MaxSessions = 8 })
		for i := range 6 {
			if r, err := w.rogue(publicAddr(10+i), n); err == nil {
				r.hello(r.key)
			}
		}
		synctest.Wait()
		r, err := w.rogue(publicAddr(50), n)
		if err == nil {
			r.hello(r.key)
		}
		synctest.Wait()
		if b := n.burden(); b.sessions != 6 {
			t.Errorf("with nobody idle for long: %+v", b)
		}
		time.Sleep(evictAfter + time.Second)
		w.serves(n)
	})
}

// A peer that sees us at another address every moment, as only a liar does,
// does not make us say Hello to everybody each time.
func TestFlickeringAddressesAreNotRelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		victim, liar := w.node(privateAddr(1)), w.node(privateAddr(2))
		bystander, seen := w.idle(privateAddr(3)), new(watch)
		bystander.OnPeer(seen.observe)
		bystander.start(t)
		for _, n := range []*node{liar, bystander} {
			if _, err := victim.Connect(t.Context(), n.at, n.Self().ID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Minute)
		before := len(seen.all())
		for i := range 600 {
			addr, err := wire.EncodeAddr(wire.AddrOf(netip.AddrPortFrom(privateAddr(1000+i), 1)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := liar.Request(t.Context(), victim.peer(), wire.Hello{Record: liar.Self().Raw, Observed: addr}); err != nil {
				t.Fatal(err)
			}
			if _, err := bystander.Request(t.Context(), victim.peer(), wire.Ping{Nonce: 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		if told := len(seen.all()) - before; told == 0 || told > 12 {
			t.Errorf("a bystander was told %d times in two minutes", told)
		}
	})
}

// TestHandlersAreShared has four groups take whatever they get, and keep it: a
// fifth is served all the same, and gets as much as each of them can keep.
func TestHandlersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.idle(publicAddr(1), func(c *Config) { c.MaxHandlers = 40 })
		n.Handle(wire.TypeGetPath, func(ctx context.Context, _ *Request) { <-ctx.Done() })
		n.start(t)
		take := func(from *node) (got int) {
			for range 30 {
				st, err := from.Open(t.Context(), n.peer(), wire.GetPath{Path: "x"})
				if err != nil {
					if !errors.Is(err, ErrBusy) {
						t.Fatal(err)
					}
					continue
				}
				t.Cleanup(func() { _ = st.Close() })
			}
			synctest.Wait()
			n.groups.mu.Lock()
			defer n.groups.mu.Unlock()
			return n.groups.handlers
		}
		sum := 0
		for i := range 4 {
			before := sum
			if sum = take(w.node(publicAddr(2 + i))); sum == before {
				t.Errorf("group %d gets nothing", i)
			}
		}
		if sum == 40 {
			t.Fatal("four groups hold every handler")
		}
		if got := take(w.node(publicAddr(6))) - sum; got == 0 {
			t.Error("a fifth group gets nothing")
		}
		w.serves(n)
	})
}

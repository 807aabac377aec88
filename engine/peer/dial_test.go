package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

func TestPromisingAddresses(t *testing.T) {
	now := time.Now()
	addr := func(n int) netip.AddrPort { return netip.AddrPortFrom(privateAddr(n), 1) }
	m := newDialMemory()
	m.failed(addr(1), now)
	m.succeeded(addr(3), now)
	all := []netip.AddrPort{addr(1), addr(2), addr(3)}
	try, wait := m.promising(all, now, lastBackoff)
	if !slices.Equal(try, []netip.AddrPort{addr(3), addr(2)}) || wait != 0 {
		t.Errorf("while one rests: %v, %v", try, wait)
	}
	try, _ = m.promising(all, now.Add(firstBackoff), lastBackoff)
	if !slices.Equal(try, []netip.AddrPort{addr(3), addr(2), addr(1)}) {
		t.Errorf("when it has rested: %v", try)
	}
	for range 100 {
		m.failed(addr(1), now)
	}
	if try, wait = m.promising(all[:1], now, lastBackoff); len(try) != 0 || wait != lastBackoff {
		t.Errorf("after many failures: %v, %v", try, wait)
	}
	if try, wait = m.promising(all[:1], now.Add(time.Second), eagerBackoff); len(try) != 0 || wait != eagerBackoff-time.Second {
		t.Errorf("a stream, a moment after a failure: %v, %v", try, wait)
	}
	if try, _ = m.promising(all[:1], now.Add(eagerBackoff), eagerBackoff); len(try) != 1 {
		t.Error("a stream is kept waiting for a peer that failed long ago")
	}
	m.forgive(addr(1))
	if try, _ = m.promising(all[:1], now, lastBackoff); len(try) != 1 {
		t.Error("forgiven and still resting")
	}
	for i := range 3 * maxRemembered {
		m.failed(addr(i), now)
	}
	if m.known.Len() > maxRemembered {
		t.Errorf("%d addresses remembered", m.known.Len())
	}
}

func TestDialFallsBackToTheNextAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.start(t)
		silent, refusing := privateAddr(3), privateAddr(4)
		w.Partition([]netip.Addr{silent})
		to := b.peer()
		to.Addrs = []wire.Addr{
			wire.AddrOf(netip.AddrPortFrom(silent, 1)), wire.AddrOf(netip.AddrPortFrom(refusing, 1)), wire.AddrOf(b.at),
		}
		start := time.Now()
		if _, err := a.Request(t.Context(), to, wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != stagger {
			t.Errorf("took %v, want one head start of %v for the silent address", d, stagger)
		}
	})
}

func TestDeadPeersFailFastAndComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.start(t)
		w.Partition([]netip.Addr{b.at.Addr()})
		start := time.Now()
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); !errors.Is(err, ErrUnreachable) {
			t.Fatal(err)
		}
		if d := time.Since(start); d != a.cfg.DialTimeout {
			t.Errorf("a dial into silence took %v", d)
		}
		start = time.Now()
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); !errors.Is(err, ErrUnreachable) || time.Since(start) != 0 {
			t.Errorf("asked again at once: %v after %v", err, time.Since(start))
		}
		w.Partition()
		if _, err := a.Connect(t.Context(), b.at, b.Self().ID); err != nil {
			t.Errorf("connect does not ask the memory: %v", err)
		}
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Errorf("with a session: %v", err)
		}
	})
}

func TestOwnFailuresAreNotHeldAgainstAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		down := true
		a := w.node(privateAddr(1), func(c *Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
				if down {
					return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
				}
				return dial(ctx, to)
			}
		})
		b := answering(w.idle(privateAddr(2)))
		b.start(t)
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); !errors.Is(err, ErrUnreachable) {
			t.Fatal(err)
		}
		down = false
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Error(err)
		}
	})
}

func TestCandidates(t *testing.T) {
	w := newWorld(t)
	open := w.idle(privateAddr(1))
	public := w.idle(publicAddr(1), func(c *Config) { c.Public = true })
	addrs := func(s ...string) (out []wire.Addr) {
		for _, a := range s {
			out = append(out, wire.AddrOf(netip.MustParseAddrPort(a)))
		}
		return out
	}
	relay := wire.Addr{Kind: wire.AddrRelay, IP: netip.MustParseAddrPort("50.0.0.1:1"), Relay: identity.NodeID{1}}
	for _, c := range []struct {
		host  *node
		addrs []wire.Addr
		want  int
	}{
		{open, addrs("10.0.0.1:1", "50.0.0.1:1", "127.0.0.1:1", "[2a00::1]:1"), 4},
		{public, addrs("10.0.0.1:1", "50.0.0.1:1", "127.0.0.1:1", "[::1]:5", "[fd00::1]:1", "100.64.0.1:1"), 1},
		{open, addrs("0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[ff02::1]:1", "[fe80::1]:1", "10.0.0.1:0"), 0},
		{open, []wire.Addr{relay}, 0},
		{open, slices.Repeat(addrs("10.0.0.1:1"), 1000), wire.MaxAddrs},
		{open, nil, 0},
	} {
		got, err := c.host.candidates(c.addrs, lastBackoff)
		if len(got) != c.want || (err == nil) != (c.want > 0) || err != nil && !errors.Is(err, ErrUnreachable) {
			t.Errorf("%v: %v, %v; want %d", c.addrs, got, err, c.want)
		}
	}
}

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), w.node(privateAddr(2))
		other := w.node(privateAddr(3), func(c *Config) { c.NetworkID = [32]byte{9} })
		secret := w.node(privateAddr(4), func(c *Config) { c.NetworkSecret = make([]byte, 32); c.NetworkSecret[0] = 1 })
		p, err := a.Connect(t.Context(), b.at, identity.NodeID{})
		if err != nil || p.ID != b.Self().ID || len(p.Raw) == 0 {
			t.Fatalf("any peer: %v, %v", p.ID.Short(), err)
		}
		if _, err := a.Connect(t.Context(), b.at, p.ID); err != nil || len(a.Sessions()) != 1 {
			t.Errorf("again: %v, %d sessions", err, len(a.Sessions()))
		}
		for _, c := range []struct {
			name string
			at   netip.AddrPort
			want identity.NodeID
			err  error
		}{
			{"wrong peer", b.at, identity.NodeID{1}, secure.ErrWrongPeer},
			{"wrong network", other.at, identity.NodeID{}, secure.ErrHandshake},
			{"closed network", secret.at, identity.NodeID{}, secure.ErrHandshake},
			{"itself", a.at, identity.NodeID{}, ErrSelf},
			{"nobody", netip.MustParseAddrPort("10.9.9.9:9"), identity.NodeID{}, syscall.ECONNREFUSED},
			{"no address", netip.MustParseAddrPort("0.0.0.0:9"), identity.NodeID{}, ErrUnreachable},
		} {
			if _, err := a.Connect(short(t, 10*time.Second), c.at, c.want); !errors.Is(err, c.err) {
				t.Errorf("%s: %v, want %v", c.name, err, c.err)
			}
		}
	})
}

func TestRestartedPeerIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.Start()
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		// Its machine loses power: nobody is told, then it starts again.
		w.Partition([]netip.Addr{b.at.Addr()})
		time.Sleep(time.Second)
		_ = b.Close()
		if _, err := a.Request(short(t, 2*time.Second), b.peer(), wire.FindNode{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("ask into silence: %v", err)
		}
		w.n--
		again := answering(w.idle(privateAddr(2), func(c *Config) { c.Self = b.cfg.Self }))
		again.start(t)
		w.Partition()
		start := time.Now()
		if _, err := a.Request(short(t, 5*time.Second), again.peer(), wire.FindNode{}); err != nil {
			t.Fatalf("after the restart: %v", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestHalfDeadSessionsAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.start(t)
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		w.Partition([]netip.Addr{b.at.Addr()})
		if _, err := a.Request(short(t, 2*time.Second), b.peer(), wire.FindNode{}); err == nil {
			t.Fatal("an answer across the partition")
		}
		time.Sleep(21 * time.Second)
		if n := len(a.Sessions()); n != 0 {
			t.Errorf("%d sessions with a peer that is silent", n)
		}
		w.Partition()
		if _, err := a.Connect(t.Context(), b.at, b.Self().ID); err != nil {
			t.Errorf("healed: %v", err)
		}
	})
}

func TestOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.start(t)
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		a.SetOnline(false)
		synctest.Wait()
		if n := len(a.Sessions()) + len(b.Sessions()) + w.Conns(); n != 0 {
			t.Errorf("%d sessions and connections offline", n)
		}
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); !errors.Is(err, ErrOffline) {
			t.Errorf("request: %v", err)
		}
		if _, err := b.Connect(short(t, time.Second), a.at, a.Self().ID); err == nil {
			t.Error("it takes connections")
		}
		a.SetOnline(true)
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Errorf("online again: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.idle(privateAddr(1)), w.idle(privateAddr(2))
		b.Handle(wire.TypeFindNode, func(ctx context.Context, r *Request) { <-ctx.Done() })
		b.start(t)
		a.Start()
		errs := make(chan error)
		go func() {
			_, err := a.Request(t.Context(), b.peer(), wire.FindNode{})
			errs <- err
		}()
		go func() {
			_, err := a.Connect(t.Context(), netip.AddrPortFrom(privateAddr(9), 1), identity.NodeID{})
			errs <- err
		}()
		w.Partition([]netip.Addr{privateAddr(9)})
		synctest.Wait()
		for range 2 {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			if err := <-errs; err == nil {
				t.Error("a request outlives the host")
			}
		}
		if _, err := a.Request(t.Context(), b.peer(), wire.Ping{}); !errors.Is(err, ErrClosed) {
			t.Errorf("request: %v", err)
		}
		if _, err := a.Connect(t.Context(), b.at, identity.NodeID{}); !errors.Is(err, ErrClosed) {
			t.Errorf("connect: %v", err)
		}
	})
}

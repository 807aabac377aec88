package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/wire"
)

func TestRequestAndReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(privateAddr(1))
		b := w.idle(privateAddr(2))
		var from wire.Peer
		b.Handle(wire.TypeFindNode, answer(func(_ context.Context, p wire.Peer, m wire.Message) (wire.Message, error) {
			from = p
			asked := m.(wire.FindNode).Target
			return wire.Nodes{Peers: [][]byte{asked[:]}}, nil
		}))
		b.start(t)
		target := wire.Hash{1, 2, 3}
		m, err := a.Request(t.Context(), b.peer(), wire.FindNode{Target: target})
		if err != nil {
			t.Fatal(err)
		}
		if nodes := m.(wire.Nodes); len(nodes.Peers) != 1 || wire.Hash(nodes.Peers[0]) != target {
			t.Errorf("reply %+v", m)
		}
		if from.ID != a.Self().ID || len(from.Raw) == 0 {
			t.Errorf("the handler was told the request is from %s with a record of %d bytes", from.ID.Short(), len(from.Raw))
		}
		if m, err = a.Request(t.Context(), b.peer(), wire.Ping{Nonce: 7}); err != nil || m.(wire.Pong).Nonce != 7 {
			t.Errorf("ping: %v, %v", m, err)
		}
		// The other way round on the same session.
		if _, err = b.Request(t.Context(), wire.Peer{ID: a.Self().ID}, wire.Ping{Nonce: 8}); err != nil {
			t.Errorf("over the inbound session: %v", err)
		}
		if n := len(a.Sessions()); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if up, down := a.Traffic(); up == 0 || down == 0 {
			t.Errorf("traffic %d up, %d down", up, down)
		}
	})
}

func TestErrorsOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(privateAddr(1))
		b := w.idle(privateAddr(2))
		b.Handle(wire.TypeGetHave, answer(func(context.Context, wire.Peer, wire.Message) (wire.Message, error) {
			return nil, errors.New("a secret of this node")
		}))
		b.Handle(wire.TypeGetRecords, answer(func(context.Context, wire.Peer, wire.Message) (wire.Message, error) {
			return nil, ErrNotFound
		}))
		b.Handle(wire.TypeOffer, func(_ context.Context, r *Request) {
			_ = r.Stream.Write(wire.Error{Code: wire.CodeRefused, Text: "no\x1b[31m room", RetryAfter: 1 << 63})
		})
		b.Handle(wire.TypeFindNode, func(context.Context, *Request) { panic("a fault") })
		b.Handle(wire.TypeGetBlocks, func(ctx context.Context, _ *Request) { <-ctx.Done() })
		b.start(t)
		nobody := w.idle(privateAddr(3)) // listens to nobody
		for _, c := range []struct {
			name string
			to   wire.Peer
			m    wire.Message
			want error
		}{
			{"no handler", b.peer(), wire.GetProviders{}, ErrUnsupported},
			{"not found", b.peer(), wire.GetRecords{}, ErrNotFound},
			{"internal", b.peer(), wire.GetHave{}, ErrInternal},
			{"refused", b.peer(), wire.Offer{}, ErrRefused},
			{"panic", b.peer(), wire.FindNode{}, ErrInternal},
			{"no answer", b.peer(), wire.GetBlocks{}, context.DeadlineExceeded},
			{"self", a.peer(), wire.Ping{}, ErrSelf},
			{"no address", wire.Peer{ID: testKey(99).ID()}, wire.Ping{}, ErrUnreachable},
			{"nobody there", wire.Peer{ID: testKey(99).ID(), Addrs: []wire.Addr{wire.AddrOf(netip.MustParseAddrPort("10.9.9.9:1"))}}, wire.Ping{}, ErrUnreachable},
			{"no handshake", nobody.peer(), wire.Ping{}, context.DeadlineExceeded},
			{"another peer there", wire.Peer{ID: testKey(99).ID(), Addrs: b.peer().Addrs}, wire.Ping{}, ErrUnreachable},
		} {
			m, err := a.Request(short(t, 3*time.Second), c.to, c.m)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, %v; want %v", c.name, m, err, c.want)
			}
			var remote *RemoteError
			if errors.As(err, &remote) {
				switch c.name {
				case "internal":
					if remote.Text != "" {
						t.Errorf("an internal error told %q", remote.Text)
					}
				case "refused":
					if remote.Text != "no[31m room" || remote.RetryAfter != time.Hour {
						t.Errorf("remote text %q, retry after %v", remote.Text, remote.RetryAfter)
					}
				}
			}
		}
		if _, err := a.Request(short(t, time.Second), b.peer(), wire.Ping{}); err != nil {
			t.Errorf("after all that: %v", err)
		}
	})
}

func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SetLatency(func(_, _ netip.Addr) time.Duration { return 20 * time.Millisecond })
		a := w.node(privateAddr(1))
		b := w.idle(privateAddr(2))
		b.Handle(wire.TypeGetBlocks, func(_ context.Context, r *Request) {
			for i, h := range r.Message.(wire.GetBlocks).Hashes {
				if i%5 == 4 {
					_ = r.Reply(wire.Missing{})
					continue
				}
				data := make([]byte, i*1000%wire.MaxBlock)
				copy(data, h[:])
				if err := r.Stream.WriteBlock(data); err != nil {
					t.Error(err)
				}
			}
		})
		b.start(t)
		hashes := make([]wire.Hash, 1000)
		for i := range hashes {
			hashes[i] = wire.Hash{byte(i), byte(i >> 8)}
		}
		st, err := a.Open(t.Context(), b.peer(), wire.GetBlocks{Hashes: hashes})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		buf := make([]byte, wire.MaxBlock)
		for i, h := range hashes {
			data, ok, err := st.ReadBlock(buf)
			if err != nil {
				t.Fatalf("block %d: %v", i, err)
			}
			want := make([]byte, i*1000%wire.MaxBlock)
			copy(want, h[:])
			if ok == (i%5 == 4) || ok && string(data) != string(want) {
				t.Fatalf("block %d: %v, %d bytes", i, ok, len(data))
			}
		}
		if _, _, err := st.ReadBlock(buf); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}

func TestStreamTimesOutWithoutProgressOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(privateAddr(1))
		b := w.idle(privateAddr(2))
		pause := 20 * time.Second
		b.Handle(wire.TypeGetPath, func(ctx context.Context, r *Request) {
			for range 10 {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return
				}
				if r.Stream.WriteBlock([]byte("slow")) != nil || r.Stream.Flush() != nil {
					return
				}
			}
		})
		b.start(t)
		st, err := a.Open(t.Context(), b.peer(), wire.GetPath{Path: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if _, _, err := st.ReadBlock(nil); err != nil {
				t.Fatalf("block %d of a slow stream: %v", i, err)
			}
		}
		_ = st.Close()
		pause = time.Hour
		if st, err = a.Open(t.Context(), b.peer(), wire.GetPath{Path: "x"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, _, err = st.ReadBlock(nil); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > time.Minute {
			t.Errorf("a stalled stream: %v after %v", err, time.Since(start))
		}
		_ = st.Close()
		if st, err = a.Open(t.Context(), b.peer(), wire.GetPath{Path: "x"}); err != nil {
			t.Fatal(err)
		}
		_ = st.SetDeadline(time.Time{})
		if _, _, err = st.ReadBlock(nil); err != nil {
			t.Errorf("with the deadline taken away: %v", err)
		}
		_ = st.Close()
	})
}

func TestOpenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.node(privateAddr(1))
		b := w.idle(privateAddr(2))
		gone := make(chan error, 1)
		b.Handle(wire.TypeGetPath, func(_ context.Context, r *Request) {
			_, err := r.Stream.Read()
			for err == nil || err == io.EOF {
				err = r.Stream.WriteBlock(make([]byte, wire.MaxBlock))
			}
			gone <- err
		})
		b.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		st, err := a.Open(ctx, b.peer(), wire.GetPath{Path: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := st.ReadBlock(nil); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cancel()
		for err == nil {
			_, _, err = st.ReadBlock(nil)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("reading on: %v", err)
		}
		if err := <-gone; err == nil || time.Since(start) > 0 {
			t.Errorf("the holder noticed after %v: %v", time.Since(start), err)
		}
		_ = st.Close()
		synctest.Wait()
		if n := a.Sessions()[0].Streams + b.Sessions()[0].Streams; n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

func TestIdleSessionsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		seen := new(watch)
		a := w.idle(privateAddr(1))
		a.OnPeer(seen.observe)
		a.start(t)
		b := answering(w.idle(privateAddr(2)))
		b.start(t)
		for range 5 {
			if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(a.cfg.IdleTimeout - time.Second)
		}
		if n := len(a.Sessions()); n != 1 {
			t.Fatalf("%d sessions while in use", n)
		}
		if e := seen.all(); len(e) == 0 || !e[0].up || e[0].peer.ID != b.Self().ID {
			t.Errorf("events %v", e)
		}
		time.Sleep(2 * time.Second)
		if n := len(a.Sessions()) + len(b.Sessions()) + w.Conns(); n != 0 {
			t.Errorf("%d sessions and connections after the idle time", n)
		}
		if e := seen.all(); e[len(e)-1].up {
			t.Errorf("the end was not told: %v", e)
		}
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestBothDialAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 6 {
			w := newWorld(t)
			w.n = 2 * i // other keys, so that either NodeID is the smaller one
			w.SetLatency(func(from, _ netip.Addr) time.Duration { return 50 * time.Millisecond })
			a, b := answering(w.idle(privateAddr(1))), answering(w.idle(privateAddr(2)))
			a.start(t)
			b.start(t)
			errs := make(chan error, 2)
			for _, p := range [][2]*node{{a, b}, {b, a}} {
				go func() {
					_, err := p[0].Request(t.Context(), p[1].peer(), wire.FindNode{})
					errs <- err
				}()
			}
			for range 2 {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			time.Sleep(2 * drainTime)
			as, bs := a.Sessions(), b.Sessions()
			if len(as) != 1 || len(bs) != 1 || as[0].Inbound == bs[0].Inbound {
				t.Fatalf("sessions after the dust settled: %d and %d", len(as), len(bs))
			}
			smaller := a.Self().ID.String() < b.Self().ID.String()
			if as[0].Inbound == smaller {
				t.Error("the session that the smaller NodeID dialled did not stay")
			}
		}
	})
}

func TestConcurrentRequestsShareOneDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.SetLatency(func(_, _ netip.Addr) time.Duration { return 50 * time.Millisecond })
		dials := 0
		a := w.idle(privateAddr(1))
		dial := a.cfg.Dial
		a.cfg.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			dials++
			return dial(ctx, to)
		}
		a.start(t)
		b := answering(w.idle(privateAddr(2)))
		b.start(t)
		errs := make(chan error, 100)
		for range cap(errs) {
			go func() {
				_, err := a.Request(t.Context(), b.peer(), wire.FindNode{})
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if dials != 1 {
			t.Errorf("%d dials", dials)
		}
	})
}

func TestFirstReplyComesOneRoundTripAfterTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const rtt = 100 * time.Millisecond
		w.SetLatency(func(_, _ netip.Addr) time.Duration { return rtt / 2 })
		a, b := w.node(privateAddr(1)), answering(w.idle(privateAddr(2)))
		b.start(t)
		start := time.Now()
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		// TCP one, the handshake's first two messages one, then the third with
		// Hello and the request.
		if d := time.Since(start); d != 3*rtt {
			t.Errorf("cold request took %v, want three round trips", d)
		}
		start = time.Now()
		if _, err := a.Request(t.Context(), b.peer(), wire.FindNode{}); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != rtt {
			t.Errorf("warm request took %v, want one round trip", d)
		}
	})
}

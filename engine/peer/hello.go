package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"altnet/engine/wire"
)

// greet says Hello on a session that was dialled here, on its first stream. The
// session is in use meanwhile: who the peer is, the handshake has shown. The
// function it returns waits for the peer's Hello.
func (s *session) greet() (wait func(), err error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.host.cfg.HandshakeTimeout)
	st, err := s.openHello(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return func() {
		defer cancel()
		if err := s.finishHello(st); err != nil && !errors.Is(err, ErrSessionLost) {
			s.shut(err) // a session that is lost knows its own cause
		}
	}, nil
}

// sayHello says Hello again.
func (s *session) sayHello(ctx context.Context) error {
	st, err := s.openHello(ctx)
	if err != nil {
		return err
	}
	return s.finishHello(st)
}

// openHello opens a stream and sends Hello.
func (s *session) openHello(ctx context.Context) (*Stream, error) {
	st, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := st.Write(s.host.hello(s.remote)); err != nil {
		_ = st.Close()
		return nil, err
	}
	return st, nil
}

// finishHello learns from the Hello that answers ours.
func (s *session) finishHello(st *Stream) error {
	defer st.finish()
	m, err := st.Read()
	if err != nil {
		return err
	}
	hello, ok := m.(wire.Hello)
	if !ok {
		return fmt.Errorf("hello answered by %v: %w", m.Type(), wire.ErrMalformed)
	}
	return s.learn(hello)
}

// answerHello learns from a Hello and says Hello too.
func (s *session) answerHello(st *Stream, hello wire.Hello) {
	if err := s.learn(hello); err != nil {
		s.log.Debug("bad hello", "err", err)
		s.shut(err)
		return
	}
	_ = st.Write(s.host.hello(s.remote))
}

// hello is what this host says of itself to a peer at remote.
func (h *Host) hello(remote netip.AddrPort) wire.Hello {
	seen, err := wire.EncodeAddr(wire.AddrOf(remote))
	if err != nil {
		seen = nil // an address without a port: nothing to tell
	}
	return wire.Hello{
		Record:   h.Self().Raw,
		Observed: seen,
		Agent:    h.cfg.Agent,
		Time:     uint64(time.Now().UnixMilli()),
	}
}

// learn takes in what the peer says of itself and of us.
func (s *session) learn(hello wire.Hello) error {
	p, err := wire.ParsePeer(hello.Record)
	if err != nil {
		return fmt.Errorf("peer record: %w", err)
	}
	if p.ID != s.id {
		return fmt.Errorf("the record of %s in a session with %s: %w", p.ID.Short(), s.id.Short(), wire.ErrMalformed)
	}
	if seen, err := wire.DecodeAddr(hello.Observed); err == nil && seen.Kind != wire.AddrRelay {
		s.host.observe(s.remote, seen.IP.Addr())
	}
	s.keep(p, hello, time.Now())
	s.host.learned(s)
	return nil
}

// keep remembers the record. One that is not valid now (whose clock is wrong
// is hard to say) leaves a peer without addresses; an older one changes nothing.
func (s *session) keep(p wire.Peer, hello wire.Hello, now time.Time) {
	if p.Valid(now) != nil {
		p = wire.Peer{Key: s.key, ID: s.id, Puzzle: s.puzzle}
	}
	p.Addrs = slices.DeleteFunc(p.Addrs, func(a wire.Addr) bool {
		return !dialable(a.IP.Addr()) || !wire.IsPublic(a.IP.Addr()) && (s.host.cfg.Public || wire.IsPublic(s.remote.Addr()))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Seq >= s.peer.Seq {
		s.peer = p
	}
	s.agent = printable(hello.Agent, wire.MaxAgent)
	s.offset = clockOffset(hello.Time, now)
	if !s.hello {
		s.hello = true
		close(s.ready)
	}
}

// clockOffset is how far a peer's clock is ahead of ours, whatever number it sent.
func clockOffset(theirs uint64, now time.Time) time.Duration {
	ours := now.UnixMilli()
	most := maxOffset.Milliseconds()
	if theirs > uint64(ours+most) {
		return maxOffset
	}
	return time.Duration(max(int64(theirs)-ours, -most)) * time.Millisecond
}

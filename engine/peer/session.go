package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

const (
	// outStreams is how many streams a session opens at once; more wait. It is
	// below what any peer allows us, so that no honest stream is refused.
	outStreams = 64
	// idleGrace is how much longer the dialled side keeps an idle session, so
	// that only one side closes it.
	idleGrace = 10 * time.Second
	// drainTime is how long a session that was replaced stays once it is idle.
	drainTime = 5 * time.Second
	// longestWait is how long a request waits for the rate limit before its
	// stream is refused.
	longestWait = time.Second
	// maxMischief is how many malformed requests a session survives.
	maxMischief = 16
	// maxOffset bounds what a peer's clock can make of ours.
	maxOffset = 100 * 365 * 24 * time.Hour
)

// maxFrame is the largest frame, header included: what one record carries.
const (
	maxFrame  = 1<<16 - 1 - 16 // Noise's largest message less its tag
	frameHead = 12
)

var (
	errNoHello  = errors.New("the first stream of a session must be Hello")
	errIdle     = errors.New("nothing to do")
	errReplaced = errors.New("replaced by another session")
	errEvicted  = errors.New("its place was needed")
)

// session is an authenticated connection to a peer, with many streams on it.
//
//	handshake → running ─────────────→ closed
//	               │ replaced, or in doubt    ↑ idle, lost, evicted, offline
//	               └────→ draining ───────────┘ takes streams, opens none
type session struct {
	host    *Host
	log     *slog.Logger
	conn    *meter
	mux     *yamux.Session
	id      identity.NodeID
	key     identity.PublicKey
	puzzle  uint64
	remote  netip.AddrPort
	group   *group
	inbound bool
	since   time.Time
	ctx     context.Context // ends with the session
	cancel  context.CancelCauseFunc
	slots   chan struct{} // a place for each stream opened here
	ready   chan struct{} // closed once the peer said Hello

	draining atomic.Bool
	doubted  atomic.Bool
	mischief atomic.Int32

	mu     sync.Mutex
	hello  bool
	peer   wire.Peer
	agent  string
	offset time.Duration // the peer's clock less ours
	active int           // streams of both directions
	used   time.Time     // when active last fell to 0
	idle   *time.Timer
}

// newSession puts a multiplexer on a connection whose peer is known.
func (h *Host) newSession(c *secure.Conn, remote netip.AddrPort, inbound bool, g *group) (*session, error) {
	s := &session{
		host: h, conn: newMeter(c, &h.traffic), group: g,
		id: c.RemoteID(), key: c.RemoteKey(), puzzle: c.RemotePuzzle(),
		remote: remote, inbound: inbound, since: time.Now(), used: time.Now(),
		slots: make(chan struct{}, outStreams), ready: make(chan struct{}),
	}
	s.peer = wire.Peer{Key: s.key, ID: s.id, Puzzle: s.puzzle}
	s.log = h.cfg.Log.With("peer", s.id.Short(), "remote", remote)
	budget := &sessionBudget{all: &h.windows}
	var err error
	if cfg := h.cfg.mux(); inbound {
		s.mux, err = yamux.Server(s.conn, cfg, budget.manager)
	} else {
		s.mux, err = yamux.Client(s.conn, cfg, budget.manager)
	}
	if err != nil {
		return nil, fmt.Errorf("start streams: %w", err)
	}
	s.ctx, s.cancel = context.WithCancelCause(h.ctx)
	s.idle = time.AfterFunc(h.cfg.HandshakeTimeout, s.expire)
	return s, nil
}

// mux is how streams share a connection. Sessions that are idle are closed,
// so they need no keepalive, and the round trip is measured once.
func (c Config) mux() *yamux.Config {
	return &yamux.Config{
		AcceptBacklog:           min(c.MaxStreamsPerSession, outStreams),
		PingBacklog:             4,
		MeasureRTTInterval:      24 * time.Hour,
		ConnectionWriteTimeout:  min(10*time.Second, c.StreamTimeout),
		MaxIncomingStreams:      uint32(c.MaxStreamsPerSession),
		InitialStreamWindowSize: baseWindow,
		MaxStreamWindowSize:     maxWindow,
		LogOutput:               io.Discard, // peers could fill a log with it
		MaxMessageSize:          maxFrame,
	}
}

// serve answers the peer's streams until the session ends.
func (s *session) serve() { s.close(s.verdict(s.run())) }

// verdict adds what the end of a session may mean that never heard from a peer
// it dialled: a peer that refuses our proof can only hang up.
func (s *session) verdict(err error) error {
	if s.inbound || s.conn.down.Load() > 0 {
		return err
	}
	return fmt.Errorf("closed before a first answer, as by a peer of another network: %w: %w", secure.ErrHandshake, err)
}

func (s *session) run() error {
	if s.inbound {
		if err := s.answerFirst(); err != nil {
			return err
		}
	}
	for {
		st, err := s.mux.AcceptStream()
		if err != nil {
			return err
		}
		s.accept(st)
	}
}

// answerFirst answers the first stream, which must be the peer's Hello: no
// request is answered before it is known who asks.
func (s *session) answerFirst() error {
	st, err := s.mux.AcceptStream()
	if err != nil {
		return err
	}
	if !s.host.groups.begin(s.group) {
		return ErrFull
	}
	s.begin()
	s.answer(s.wrap(st, nil))
	if _, hello := s.greeted(); !hello {
		return errNoHello
	}
	if err := s.host.publish(s); err != nil {
		return err
	}
	s.host.learned(s)
	return nil
}

// accept starts answering a stream, or refuses it.
func (s *session) accept(st *yamux.Stream) {
	if !s.pace() || !s.host.groups.begin(s.group) {
		_ = st.ResetWithError(resetBusy)
		return
	}
	s.begin()
	s.host.wg.Go(func() { s.answer(s.wrap(st, nil)) })
}

// pace holds the peer's group to its rate: it waits a little, which fills the
// peer's own backlog, and says no when that does not help.
func (s *session) pace() bool {
	r := s.group.rate.Reserve()
	wait := r.Delay()
	if wait == 0 {
		return true
	}
	if wait > longestWait {
		r.Cancel()
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// answer reads a request and lets its handler answer it.
func (s *session) answer(st *Stream) {
	defer s.host.groups.end(s.group)
	defer st.abort(resetFailed) // unless it was finished
	m, err := st.Read()
	switch {
	case errors.Is(err, wire.ErrUnknownType):
		_ = st.Write(wire.Error{Code: wire.CodeUnsupported})
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrNotCanonical), errors.Is(err, wire.ErrTooLarge):
		s.misbehaved(err)
		_ = st.Write(wire.Error{Code: wire.CodeBadRequest})
	case err != nil:
		return
	default:
		s.dispatch(st, m)
	}
	st.finish()
}

func (s *session) dispatch(st *Stream, m wire.Message) {
	if hello, ok := m.(wire.Hello); ok {
		s.answerHello(st, hello)
		return
	}
	if ping, ok := m.(wire.Ping); ok {
		_ = st.Write(wire.Pong{Nonce: ping.Nonce})
		return
	}
	if !s.acquainted() {
		s.misbehaved(errNoHello)
		_ = st.Write(wire.Error{Code: wire.CodeBadRequest, Text: errNoHello.Error()})
		return
	}
	handle := s.host.handlers[m.Type()]
	if handle == nil {
		_ = st.Write(wire.Error{Code: wire.CodeUnsupported})
		return
	}
	defer s.recovered(st, m)
	handle(s.ctx, &Request{Peer: s.record(), Remote: s.remote, Message: m, Stream: st})
}

// acquainted reports whether the peer has said Hello. On a session dialled here
// its requests may overtake the end of that exchange, so they wait for it.
func (s *session) acquainted() bool {
	if s.inbound {
		_, hello := s.greeted()
		return hello
	}
	select {
	case <-s.ready:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// recovered keeps a fault in one handler from ending the node.
func (s *session) recovered(st *Stream, m wire.Message) {
	if r := recover(); r != nil {
		s.log.Error("handler failed", "type", m.Type(), "panic", r)
		st.abort(resetFailed)
	}
}

func (s *session) misbehaved(err error) {
	s.log.Debug("malformed request", "err", err)
	if s.mischief.Add(1) >= maxMischief {
		s.shut(err)
	}
}

// open opens a stream for an exchange that ends with ctx.
func (s *session) open(ctx context.Context) (*Stream, error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.ctx.Done():
		return nil, s.lost()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	st, err := s.mux.OpenStream(ctx)
	if err != nil {
		<-s.slots
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrSessionLost, err)
	}
	s.begin()
	return s.wrap(st, ctx), nil
}

// wrap makes a Stream; ctx is nil for a stream that the peer opened.
func (s *session) wrap(mux *yamux.Stream, ctx context.Context) *Stream {
	st := &Stream{mux: mux, session: s, timeout: s.host.cfg.StreamTimeout, ctx: ctx, release: s.end}
	if ctx != nil {
		stop := context.AfterFunc(ctx, func() { _ = mux.ResetWithError(resetAbandoned) })
		st.release = func() {
			stop()
			<-s.slots
			s.end()
		}
	}
	return st
}

// begin counts a stream in.
func (s *session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
}

// end counts a stream out; after the last the session's idle time begins.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active--; s.active == 0 {
		s.used = time.Now()
		s.idle.Reset(s.patience())
	}
}

// patience is how long the session stays without streams.
func (s *session) patience() time.Duration {
	switch {
	case s.draining.Load():
		return drainTime
	case s.inbound:
		return s.host.cfg.IdleTimeout + idleGrace
	default:
		return s.host.cfg.IdleTimeout
	}
}

// expire closes the session if it is idle, or never got to its Hello.
func (s *session) expire() {
	s.mu.Lock()
	keep := s.hello && (s.active > 0 || time.Since(s.used) < s.patience())
	s.mu.Unlock()
	if !keep {
		s.shut(errIdle)
	}
}

// drain lets the session finish what it does and then close.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Swap(true); s.active == 0 {
		s.idle.Reset(drainTime)
	}
}

// doubt asks whether the peer is still there, and closes the session if not.
// Meanwhile requests prefer a new one.
func (s *session) doubt() {
	if s.doubted.Swap(true) {
		return
	}
	s.host.spawn(func() {
		if _, err := s.mux.Ping(); err != nil {
			s.shut(err)
			return
		}
		s.doubted.Store(false)
	})
}

// silentSince reports whether nothing came from the peer after t.
func (s *session) silentSince(t time.Time) bool { return !s.conn.heard().After(t) }

// usable reports whether new streams should be opened here.
func (s *session) usable() bool {
	return !s.draining.Load() && !s.doubted.Load() && s.ctx.Err() == nil
}

// record returns the peer's record as far as it is known and valid.
func (s *session) record() wire.Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

// greeted returns the record and whether the peer has said Hello.
func (s *session) greeted() (wire.Peer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer, s.hello
}

// lost is what became of a session that has ended.
func (s *session) lost() error {
	return fmt.Errorf("%w: %w", ErrSessionLost, context.Cause(s.ctx))
}

// shut ends the session without waiting; serve then cleans up.
func (s *session) shut(cause error) {
	s.cancel(cause)
	_ = s.conn.Close()
}

// close ends the session and waits for the multiplexer's loops.
func (s *session) close(cause error) {
	s.shut(cause)
	_ = s.mux.Close()
	s.idle.Stop()
	s.host.remove(s)
	s.log.Debug("session ended", "cause", context.Cause(s.ctx))
}

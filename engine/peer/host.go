// Package peer is a node's place in the network: it listens and dials, keeps
// authenticated sessions with other peers, carries requests to them and hands
// theirs to handlers.
//
// A session is a connection secured by package secure with streams multiplexed
// on it by yamux; a stream is one exchange. Each side says Hello once: its
// signed record, and the address it sees the other at. From what several
// peers see, a host learns its own address and signs it into its record.
//
// Peers are hostile until shown otherwise, and after: nothing they send or
// open is without a limit, per session, per IP group and in all. What a new
// identity could multiply is counted by IP group, since identities are free.
package peer

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

// Host is a node's listening, dialling and sessions. Its methods are safe for
// concurrent use; Handle and OnPeer come before Start.
type Host struct {
	cfg       Config
	secure    secure.Config
	admission *secure.Admission
	groups    *groups
	memory    *dialMemory
	windows   windows
	traffic   traffic
	dials     chan struct{} // a place for each dial under way
	handlers  map[wire.Type]Handler
	observers []func(wire.Peer, bool)
	kick      chan struct{} // there is news
	changed   chan struct{} // the own record changed
	self      atomic.Pointer[wire.Peer]
	signing   sync.Mutex // held while the own record is signed

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	offline  bool
	closed   bool
	sessions map[*session]struct{}
	peers    map[identity.NodeID][]*session // with Hello done, or dialled here
	news     map[identity.NodeID]struct{}   // peers the observers must hear of
	told     map[identity.NodeID]wire.Peer  // peers the observers think are up
	flights  map[identity.NodeID]*flight
	votes    votes
	role     wire.Role
}

// New makes a host; Start lets it listen.
func New(cfg Config) (*Host, error) {
	cfg = cfg.withDefaults()
	if cfg.Self.Key.IsZero() {
		return nil, errors.New("a host needs a key")
	}
	handshakes, err := cfg.secure()
	if err != nil {
		return nil, err
	}
	h := &Host{
		cfg:       cfg,
		secure:    handshakes,
		admission: secure.NewAdmission(secure.AdmissionConfig{}),
		memory:    newDialMemory(),
		dials:     make(chan struct{}, cfg.MaxDials),
		handlers:  make(map[wire.Type]Handler),
		kick:      make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		sessions:  make(map[*session]struct{}),
		peers:     make(map[identity.NodeID][]*session),
		news:      make(map[identity.NodeID]struct{}),
		told:      make(map[identity.NodeID]wire.Peer),
		flights:   make(map[identity.NodeID]*flight),
		role:      cfg.Role,
	}
	h.groups = newGroups(&h.cfg)
	h.windows.limit = cfg.WindowMemory
	h.traffic.ring = cfg.Alarm
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if err := h.signRecord(); err != nil {
		return nil, err
	}
	return h, nil
}

// Handle sets who answers requests of a type. Hello and Ping answer themselves.
func (h *Host) Handle(t wire.Type, f Handler) { h.handlers[t] = f }

// OnPeer adds an observer that is told, in order, when the first session with
// a peer is there or the peer's record changed (up), and when the last session
// is gone. It may use the host, but the next event waits for it.
func (h *Host) OnPeer(f func(p wire.Peer, up bool)) { h.observers = append(h.observers, f) }

// Start accepts connections and keeps the own record fresh, until Close.
func (h *Host) Start() {
	for _, l := range h.cfg.Listen {
		h.wg.Go(func() { h.accept(l) })
	}
	h.wg.Go(h.keepRecord)
	h.wg.Go(h.tell)
}

// Close ends all sessions and waits for everything the host started.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	var errs []error
	for _, l := range h.cfg.Listen {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	h.shutAll(ErrClosed)
	h.wg.Wait()
	return errors.Join(errs...)
}

// SetOnline false closes every session and dials and accepts none until it is
// set true again. What was learned about addresses is forgotten: a node comes
// back on another network.
func (h *Host) SetOnline(online bool) {
	h.mu.Lock()
	same := h.offline == !online
	h.offline = !online
	if !same {
		h.votes = votes{}
	}
	h.mu.Unlock()
	if same {
		return
	}
	h.memory.forget()
	if !online {
		h.shutAll(ErrOffline)
	}
}

func (h *Host) shutAll(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.shut(cause)
	}
	for _, f := range h.flights {
		f.cancel()
	}
}

// refusal says why the host takes no session now, or nil.
func (h *Host) refusalLocked() error {
	switch {
	case h.closed:
		return ErrClosed
	case h.offline:
		return ErrOffline
	}
	return nil
}

// spawn starts a goroutine that Close waits for, unless the host is closed.
func (h *Host) spawn(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.wg.Go(f)
	}
}

// SessionInfo describes a session for people and programs.
type SessionInfo struct {
	Peer        wire.Peer
	Remote      netip.AddrPort
	Inbound     bool
	Agent       string // as the peer says, printable
	Since       time.Time
	Streams     int
	RTT         time.Duration // 0: not measured yet
	ClockOffset time.Duration // the peer's clock less ours
	Up, Down    uint64        // bytes sent and received
}

// Sessions lists the sessions, the oldest first.
func (h *Host) Sessions() []SessionInfo {
	h.mu.Lock()
	var list []*session
	for _, ss := range h.peers {
		list = append(list, ss...)
	}
	h.mu.Unlock()
	out := make([]SessionInfo, len(list))
	for i, s := range list {
		out[i] = s.info()
	}
	slices.SortFunc(out, func(a, b SessionInfo) int { return a.Since.Compare(b.Since) })
	return out
}

// Remote returns where a peer in session really is, as the connection shows
// it: what its own record says of that is only its word.
func (h *Host) Remote(id identity.NodeID) (netip.AddrPort, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.usableLocked(id)
	if ss := h.peers[id]; s == nil && len(ss) > 0 {
		s = ss[len(ss)-1]
	}
	if s == nil {
		return netip.AddrPort{}, false
	}
	return s.remote, true
}

func (s *session) info() SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionInfo{
		Peer: s.peer, Remote: s.remote, Inbound: s.inbound, Agent: s.agent, Since: s.since,
		Streams: s.active, RTT: s.mux.RTT(), ClockOffset: s.offset,
		Up: s.conn.up.Load(), Down: s.conn.down.Load(),
	}
}

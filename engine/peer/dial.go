package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

// stagger is how long the next address of a peer waits for the one before it
// (RFC 8305 section 5).
const stagger = 250 * time.Millisecond

// flight is a dial to a peer that all who want the peer share.
type flight struct {
	cancel  context.CancelFunc
	done    chan struct{} // closed when one of the two is set
	session *session
	err     error
}

// finishLocked lets those who wait have the session, or the error.
func (f *flight) finishLocked(s *session, err error) {
	select {
	case <-f.done:
	default:
		f.session, f.err = s, err
		close(f.done)
	}
}

// session returns a session with a peer: one that is there (used is true), or
// a new one. Addresses that failed rest for at most most.
func (h *Host) session(ctx context.Context, to wire.Peer, most time.Duration) (s *session, used bool, err error) {
	s, f, err := h.find(to, most)
	if s != nil || err != nil {
		return s, true, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	if f.err == nil {
		return f.session, false, nil
	}
	if s := h.lastResort(to.ID); s != nil {
		return s, true, nil
	}
	return nil, false, f.err
}

// find returns a session that can be used, or else the flight to wait for.
func (h *Host) find(to wire.Peer, most time.Duration) (*session, *flight, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refusalLocked(); err != nil {
		return nil, nil, err
	}
	if to.ID == h.Self().ID {
		return nil, nil, ErrSelf
	}
	if s := h.usableLocked(to.ID); s != nil {
		return s, nil, nil
	}
	f := h.flights[to.ID]
	if f == nil {
		f = h.flyLocked(to, most)
	}
	return nil, f, nil
}

// usableLocked returns the newest session with a peer that takes new streams.
func (h *Host) usableLocked(id identity.NodeID) *session {
	ss := h.peers[id]
	for i := range ss {
		if s := ss[len(ss)-1-i]; s.usable() {
			return s
		}
	}
	return nil
}

// lastResort returns a session that is about to go, where no better one can be had.
func (h *Host) lastResort(id identity.NodeID) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.peers[id] {
		if s.ctx.Err() == nil {
			return s
		}
	}
	return nil
}

// flyLocked starts dialling a peer.
func (h *Host) flyLocked(to wire.Peer, most time.Duration) *flight {
	ctx, cancel := context.WithCancel(h.ctx)
	f := &flight{cancel: cancel, done: make(chan struct{})}
	h.flights[to.ID] = f
	h.wg.Go(func() {
		defer cancel()
		s, err := h.dialPeer(ctx, to, most)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.flights, to.ID)
		f.finishLocked(s, err)
	})
	return f
}

// dialPeer dials a peer at its addresses.
func (h *Host) dialPeer(ctx context.Context, to wire.Peer, most time.Duration) (*session, error) {
	addrs, err := h.candidates(to.Addrs, most)
	if err != nil {
		return nil, err
	}
	return h.race(ctx, addrs, to.ID)
}

// candidates returns the addresses to dial, the most promising first.
func (h *Host) candidates(addrs []wire.Addr, most time.Duration) ([]netip.AddrPort, error) {
	var direct []netip.AddrPort
	relayed := 0
	for _, a := range addrs[:min(len(addrs), wire.MaxAddrs)] {
		switch {
		case a.Kind == wire.AddrRelay:
			relayed++
		case h.mayDial(a.IP):
			direct = append(direct, a.IP)
		}
	}
	if len(direct) == 0 && relayed > 0 {
		return nil, fmt.Errorf("reached through a relay only, which this node cannot use: %w", ErrUnreachable)
	}
	if len(direct) == 0 {
		return nil, fmt.Errorf("it has no address to dial: %w", ErrUnreachable)
	}
	try, wait := h.memory.promising(direct, time.Now(), most)
	if len(try) == 0 {
		return nil, fmt.Errorf("it did not answer before, next try in %v: %w", wait.Round(time.Second), ErrUnreachable)
	}
	return try, nil
}

// mayDial reports whether an address may be dialled at all.
func (h *Host) mayDial(a netip.AddrPort) bool {
	return a.Port() != 0 && dialable(a.Addr()) && (!h.cfg.Public || wire.IsPublic(a.Addr()))
}

// race dials addresses one after the other, each with a head start of stagger
// on the next, and keeps the first that turns out to be the peer.
func (h *Host) race(ctx context.Context, addrs []netip.AddrPort, want identity.NodeID) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		s   *session
		err error
	}
	results := make(chan result, len(addrs))
	next := time.NewTimer(0)
	defer next.Stop()
	var errs []error
	for started := 0; ; {
		select {
		case <-next.C:
			if started < len(addrs) {
				addr := addrs[started]
				started++
				h.wg.Go(func() {
					s, err := h.dialAddr(ctx, addr, want)
					results <- result{s, err}
				})
				next.Reset(stagger)
			}
		case r := <-results:
			if r.err == nil {
				return r.s, nil
			}
			if errs = append(errs, r.err); len(errs) == len(addrs) {
				return nil, fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(errs...))
			}
			next.Reset(0)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// dialAddr dials one address and starts a session with whom it finds there.
func (h *Host) dialAddr(ctx context.Context, addr netip.AddrPort, want identity.NodeID) (*session, error) {
	select {
	case h.dials <- struct{}{}:
		defer func() { <-h.dials }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c, err := h.handshake(ctx, addr, want)
	if err == nil {
		h.memory.succeeded(addr, time.Now())
		return h.begin(c, addr, false)
	}
	if ctx.Err() == nil && !ourFault(err) {
		h.memory.failed(addr, time.Now())
	}
	return nil, fmt.Errorf("%v: %w", addr, err)
}

func (h *Host) handshake(ctx context.Context, addr netip.AddrPort, want identity.NodeID) (*secure.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, h.cfg.DialTimeout)
	raw, err := h.cfg.Dial(dialCtx, addr)
	cancel()
	if err != nil {
		return nil, err
	}
	c, err := secure.Client(ctx, raw, h.secure, want)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return c, nil
}

// ourFault reports whether a dial failed for a reason of this computer, which
// says nothing about the address.
func ourFault(err error) bool {
	for _, e := range []error{syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// begin starts a session on a secured connection and serves it.
func (h *Host) begin(c *secure.Conn, remote netip.AddrPort, inbound bool) (*session, error) {
	s, err := h.admit(c, remote, inbound)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	if !inbound {
		if err := h.beginDialled(s); err != nil {
			s.close(s.verdict(err))
			return nil, s.lost()
		}
	}
	h.wg.Go(s.serve)
	return s, nil
}

// beginDialled says Hello before anybody else can open a stream, then makes
// the session known.
func (h *Host) beginDialled(s *session) error {
	wait, err := s.greet()
	if err != nil {
		return err
	}
	h.wg.Go(wait)
	return h.publish(s)
}

// admit counts a session in, or says why not.
func (h *Host) admit(c *secure.Conn, remote netip.AddrPort, inbound bool) (*session, error) {
	if c.RemoteID() == h.Self().ID {
		return nil, ErrSelf
	}
	g, ok := h.groups.join(wire.GroupOf(remote), inbound)
	if !ok {
		return nil, ErrFull
	}
	s, err := h.newSession(c, remote, inbound, g)
	if err == nil {
		if err = h.register(s); err != nil {
			s.shut(err)
			_ = s.mux.Close()
			s.idle.Stop()
		}
	}
	if err != nil {
		h.groups.leave(g, inbound)
		return nil, err
	}
	return s, nil
}

// Connect dials one address, whatever failed there before, and returns the
// peer's record once it has said Hello. A want of zero accepts any peer.
func (h *Host) Connect(ctx context.Context, addr netip.AddrPort, want identity.NodeID) (wire.Peer, error) {
	s, err := h.connect(ctx, addr, want)
	if err != nil {
		return wire.Peer{}, err // whoever asked says for what
	}
	select {
	case <-s.ready:
		return s.record(), nil
	case <-s.ctx.Done():
		return wire.Peer{}, fmt.Errorf("connect to %v: %w", addr, s.lost())
	case <-ctx.Done():
		return wire.Peer{}, fmt.Errorf("connect to %v: %w", addr, context.Cause(ctx))
	}
}

// connect returns the session with an address that is there, or a new one.
func (h *Host) connect(ctx context.Context, addr netip.AddrPort, want identity.NodeID) (*session, error) {
	h.mu.Lock()
	if err := h.refusalLocked(); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	for s := range h.sessions {
		if s.usable() && (s.id == want || want.IsZero() && !s.inbound && s.remote == addr) {
			h.mu.Unlock()
			return s, nil
		}
	}
	h.wg.Add(1)
	h.mu.Unlock()
	defer h.wg.Done()
	if !h.mayDial(addr) {
		return nil, fmt.Errorf("not an address to dial: %w", ErrUnreachable)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.ctx, func() { cancel(ErrClosed) })()
	return h.dialAddr(ctx, addr, want)
}

// remoteOf returns the address of a connection's far end, the zero AddrPort
// where it has none.
func remoteOf(c net.Conn) netip.AddrPort {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

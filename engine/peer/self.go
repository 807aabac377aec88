package peer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"altnet/engine/wire"
)

const (
	// maxRecordLife is how far ahead a record may expire.
	maxRecordLife = wire.MaxPeerLife
	// settle is how long the own record rests before a change is told to all
	// sessions, since changes come together.
	settle = 100 * time.Millisecond
	// tellBurst changes are told as they come, then one every tellEvery: a peer
	// that sees us at another address every moment must not make us talk to
	// everybody all the time.
	tellBurst = 5
	tellEvery = 30 * time.Second
	// tellers is how many sessions are told of it at once.
	tellers = 16
)

// Self returns the own record, signed.
func (h *Host) Self() wire.Peer { return *h.self.Load() }

// SetRole changes what the own record says this node does for others.
func (h *Host) SetRole(r wire.Role) {
	h.mu.Lock()
	h.role = r
	h.mu.Unlock()
	h.refresh()
}

// observe counts the address a peer at remote sees us at.
func (h *Host) observe(remote netip.AddrPort, seen netip.Addr) {
	h.mu.Lock()
	h.votes.add(remote, seen)
	h.mu.Unlock()
	h.refresh()
}

// refresh signs the own record again if it says anything else now.
func (h *Host) refresh() {
	role, addrs := h.claims()
	if old := h.Self(); old.Role == role && slices.Equal(old.Addrs, addrs) {
		return
	}
	if err := h.signRecord(); err != nil {
		h.cfg.Log.Error("sign the own record", "err", err)
		return
	}
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// claims is what the own record should say.
func (h *Host) claims() (wire.Role, []wire.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.cfg.Announce) > 0 || h.cfg.ListenPort == 0 {
		return h.role, h.cfg.Announce
	}
	var addrs []wire.Addr
	for _, ip := range h.votes.addrs() {
		if !h.cfg.Public || wire.IsPublic(ip) {
			addrs = append(addrs, wire.AddrOf(netip.AddrPortFrom(ip, h.cfg.ListenPort)))
		}
	}
	return h.role, addrs
}

// signRecord signs the own record under a higher sequence.
func (h *Host) signRecord() error {
	h.signing.Lock()
	defer h.signing.Unlock()
	role, addrs := h.claims()
	now := time.Now()
	p := wire.Peer{
		Puzzle:  h.cfg.Self.Puzzle,
		Seq:     uint64(max(now.UnixMilli(), 1)),
		Expires: uint64(now.Add(h.cfg.RecordLife).UnixMilli()),
		Role:    role,
		Addrs:   addrs,
	}
	if old := h.self.Load(); old != nil {
		p.Seq = max(p.Seq, old.Seq+1)
	}
	signed, err := wire.SignPeer(h.cfg.Self.Key, p)
	if err != nil {
		return fmt.Errorf("sign the own record: %w", err)
	}
	h.self.Store(&signed)
	return nil
}

// keepRecord renews the own record at half of its life, and tells every peer
// of the session when it has changed.
func (h *Host) keepRecord() {
	renew := time.NewTicker(h.cfg.RecordLife / 2)
	defer renew.Stop()
	tells := rate.NewLimiter(rate.Every(tellEvery), tellBurst)
	for {
		select {
		case <-renew.C:
			if err := h.signRecord(); err != nil {
				h.cfg.Log.Error("renew the own record", "err", err)
			}
		case <-h.changed:
			h.rest(max(settle, tells.Reserve().Delay()))
		case <-h.ctx.Done():
			return
		}
		h.tellAll()
	}
}

func (h *Host) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.ctx.Done():
	}
}

// tellAll says Hello again on every session.
func (h *Host) tellAll() {
	h.mu.Lock()
	var list []*session
	for _, ss := range h.peers {
		list = append(list, ss...)
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.HandshakeTimeout)
	defer cancel()
	var wg sync.WaitGroup
	places := make(chan struct{}, tellers)
	for _, s := range list {
		if !s.usable() {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			if err := s.sayHello(ctx); err != nil {
				s.log.Debug("hello again", "err", err)
			}
			<-places
		})
	}
	wg.Wait()
}

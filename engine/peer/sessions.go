package peer

import (
	"bytes"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

const (
	// simultaneous is how close two sessions of opposite direction begin when
	// both peers dialled at once.
	simultaneous = 10 * time.Second
	// maxPerPeer bounds the sessions with one peer, those that drain included.
	maxPerPeer = 4
	// evictAfter is how long a session must be idle to give its place away.
	evictAfter = 10 * time.Second
)

// register takes a session into the host's count, making room if it must.
func (h *Host) register(s *session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refusalLocked(); err != nil {
		return err
	}
	if s.inbound && h.inboundLocked() >= h.cfg.MaxSessions*3/4 && !h.evictLocked(true) {
		return ErrFull
	}
	if len(h.sessions) >= h.cfg.MaxSessions && !h.evictLocked(false) {
		return ErrFull
	}
	h.sessions[s] = struct{}{}
	return nil
}

func (h *Host) inboundLocked() (n int) {
	for s := range h.sessions {
		if s.inbound {
			n++
		}
	}
	return n
}

// evictLocked ends the session that has been idle the longest, if any has for
// long enough.
func (h *Host) evictLocked(inbound bool) bool {
	var oldest *session
	since := time.Now().Add(-evictAfter)
	for s := range h.sessions {
		if inbound && !s.inbound {
			continue
		}
		if used, idle := s.idleSince(); idle && used.Before(since) {
			oldest, since = s, used
		}
	}
	if oldest == nil {
		return false
	}
	oldest.shut(errEvicted)
	delete(h.sessions, oldest)
	return true
}

// idleSince says since when the session has had no streams, if it has none.
func (s *session) idleSince() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, s.active == 0
}

// publish makes the session known by its peer. Of several sessions with one
// peer one is kept and the others drain.
func (h *Host) publish(s *session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refusalLocked(); err != nil {
		return err
	}
	if _, registered := h.sessions[s]; !registered {
		return errEvicted
	}
	for _, o := range h.peers[s.id] {
		if !o.draining.Load() {
			h.loser(o, s).drain()
		}
	}
	h.peers[s.id] = append(h.peers[s.id], s)
	if ss := h.peers[s.id]; len(ss) > maxPerPeer {
		ss[0].shut(errReplaced)
	}
	if f := h.flights[s.id]; f != nil && s.usable() {
		f.finishLocked(s, nil)
	}
	return nil
}

// loser says which of two sessions with one peer drains. When both peers
// dialled at once both must choose the same: what the smaller NodeID dialled
// stays. Else the newer stays, since whoever dials anew has lost the older.
func (h *Host) loser(older, newer *session) *session {
	if older.inbound == newer.inbound || newer.since.Sub(older.since) > simultaneous {
		return older
	}
	self := h.Self().ID
	smallerIsPeer := bytes.Compare(older.id[:], self[:]) < 0
	if older.inbound == smallerIsPeer {
		return newer
	}
	return older
}

// remove forgets a session that has ended.
func (h *Host) remove(s *session) {
	h.groups.leave(s.group, s.inbound)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
	ss := slices.DeleteFunc(h.peers[s.id], func(o *session) bool { return o == s })
	if h.peers[s.id] = ss; len(ss) > 0 {
		return
	}
	delete(h.peers, s.id)
	if _, known := h.told[s.id]; known {
		h.markLocked(s.id)
	} else {
		delete(h.news, s.id)
	}
}

// learned follows a Hello on a published session: the peer's addresses
// deserve another try, and the observers hear of its record.
func (h *Host) learned(s *session) {
	for _, a := range s.record().Addrs {
		h.memory.forgive(a.IP)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Contains(h.peers[s.id], s) {
		h.markLocked(s.id)
	}
}

// markLocked has the observers told of a peer. What they have not heard yet is
// kept as a set of peers, not as a queue, so it cannot outgrow the sessions.
func (h *Host) markLocked(id identity.NodeID) {
	h.news[id] = struct{}{}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// tell brings the news to the observers.
func (h *Host) tell() {
	for {
		select {
		case <-h.kick:
		case <-h.ctx.Done():
			return
		}
		for p, up := range h.takeNews {
			for _, f := range h.observers {
				f(p, up)
			}
		}
	}
}

// takeNews yields what observers must be told, one at a time.
func (h *Host) takeNews(yield func(p wire.Peer, up bool) bool) {
	for h.ctx.Err() == nil {
		p, up, any := h.nextNews()
		if !any || !yield(p, up) {
			return
		}
	}
}

func (h *Host) nextNews() (p wire.Peer, up, any bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.news {
		delete(h.news, id)
		for _, s := range h.peers[id] {
			if r, hello := s.greeted(); hello {
				h.told[id] = r
				return r, true, true
			}
		}
		if last, known := h.told[id]; known {
			delete(h.told, id)
			return last, false, true
		}
	}
	return wire.Peer{}, false, false
}

package peer

import (
	"errors"
	"net"
	"time"

	"altnet/engine/secure"
	"altnet/engine/wire"
)

// acceptRest bounds how long a listener rests after a failure, such as having
// no file descriptors left.
const acceptRest = time.Second

// accept takes connections until the listener or the host is closed.
func (h *Host) accept(l net.Listener) {
	rest := time.Duration(0)
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			rest = 0
			h.wg.Go(func() { h.welcome(c) })
			continue
		case errors.Is(err, net.ErrClosed) || h.ctx.Err() != nil:
			return
		}
		rest = min(max(2*rest, 5*time.Millisecond), acceptRest)
		h.cfg.Log.Warn("accept a connection", "err", err, "rest", rest)
		t := time.NewTimer(rest)
		select {
		case <-t.C:
		case <-h.ctx.Done():
			t.Stop()
			return
		}
	}
}

// welcome admits a connection, shakes hands and serves the session. Cheap
// refusals come first: no key is exchanged with whom there is no room for.
func (h *Host) welcome(c net.Conn) {
	remote := remoteOf(c)
	h.mu.Lock()
	refused := h.refusalLocked()
	h.mu.Unlock()
	if refused != nil || h.groups.full(wire.GroupOf(remote)) {
		_ = c.Close()
		return
	}
	release, ok := h.admission.Admit(remote.Addr())
	if !ok {
		_ = c.Close()
		return
	}
	sc, err := secure.Server(h.ctx, c, h.secure)
	release()
	if err != nil {
		h.cfg.Log.Debug("handshake", "remote", remote, "err", err)
		_ = c.Close()
		return
	}
	if _, err := h.begin(sc, remote, true); err != nil {
		h.cfg.Log.Debug("session refused", "remote", remote, "err", err)
	}
}

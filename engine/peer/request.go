package peer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"altnet/engine/wire"
)

// Handler answers one request. The stream is closed when it returns.
type Handler func(context.Context, *Request)

// Request is a request from a peer.
type Request struct {
	Peer    wire.Peer      // who asks; Raw is empty where its record is not valid now
	Remote  netip.AddrPort // of the connection; its IP group is what quotas count
	Message wire.Message
	Stream  *Stream
}

// Reply sends the answer.
func (r *Request) Reply(m wire.Message) error { return r.Stream.Write(m) }

// Refuse answers with an error.
func (r *Request) Refuse(code wire.ErrorCode, text string) error {
	return r.Stream.Write(wire.Error{Code: code, Text: text})
}

// Request sends m to a peer and returns its reply; an Error is a *RemoteError.
// It uses a session that is there, whoever dialled it, or dials.
func (h *Host) Request(ctx context.Context, to wire.Peer, m wire.Message) (wire.Message, error) {
	reply, again, err := h.tryRequest(ctx, to, m)
	if err != nil && again && ctx.Err() == nil {
		reply, _, err = h.tryRequest(ctx, to, m)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for %v: %w", to.ID.Short(), m.Type(), err)
	}
	return reply, nil
}

// tryRequest makes one attempt. again says that the session was an old one
// that turned out to be closed: the peer may have closed it just when it was
// taken, so a new one deserves a try. Requests can be repeated without harm.
func (h *Host) tryRequest(ctx context.Context, to wire.Peer, m wire.Message) (reply wire.Message, again bool, err error) {
	start := time.Now()
	st, used, err := h.open(ctx, to, m, lastBackoff)
	if err != nil {
		return nil, used && errors.Is(err, ErrSessionLost), err
	}
	defer st.finish()
	if err := st.CloseWrite(); err != nil {
		return nil, used && errors.Is(err, ErrSessionLost), err
	}
	reply, err = st.Read()
	if err == nil {
		return reply, false, nil
	}
	if errors.Is(err, context.DeadlineExceeded) && st.session.silentSince(start) {
		st.session.doubt()
	}
	if _, answered := errors.AsType[*RemoteError](err); !answered {
		st.abort(resetAbandoned)
	}
	return nil, used && errors.Is(err, ErrSessionLost), err
}

// Open starts an exchange with a peer by m. The stream ends with ctx; whoever
// opens it must close it.
func (h *Host) Open(ctx context.Context, to wire.Peer, m wire.Message) (*Stream, error) {
	st, used, err := h.open(ctx, to, m, eagerBackoff)
	if err != nil && used && errors.Is(err, ErrSessionLost) && ctx.Err() == nil {
		st, _, err = h.open(ctx, to, m, eagerBackoff)
	}
	if err != nil {
		return nil, fmt.Errorf("open %v with %s: %w", m.Type(), to.ID.Short(), err)
	}
	return st, nil
}

// open takes a session, opens a stream and writes the first message. used says
// that the session was there before.
func (h *Host) open(ctx context.Context, to wire.Peer, m wire.Message, most time.Duration) (st *Stream, used bool, err error) {
	s, used, err := h.session(ctx, to, most)
	if err != nil {
		return nil, used, err
	}
	st, err = s.open(ctx)
	if err != nil {
		return nil, used, err
	}
	if err := st.Write(m); err != nil {
		st.abort(resetAbandoned)
		return nil, used, err
	}
	return st, used, nil
}

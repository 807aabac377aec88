package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"altnet/engine/wire"
)

// Codes with which a stream is reset. 0 is what yamux itself uses when it
// refuses a stream, so it means the same as resetBusy.
const (
	resetBusy      = 1 // a quota or rate is used up
	resetAbandoned = 2 // whoever opened it no longer wants the answer
	resetFailed    = 3 // the handler failed
)

// busyRetry is when to try again after a stream was refused.
const busyRetry = time.Second

// batches is where Streams get the memory in which they collect blocks: as
// much as one frame carries.
var batches = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, maxFrame-frameHead) }}

// Stream is one exchange with a peer. One goroutine may read and one may
// write; Close and SetDeadline may be called from any. A stream that makes no
// progress for Config.StreamTimeout is an error that matches
// os.ErrDeadlineExceeded, until SetDeadline takes over.
type Stream struct {
	mux     *yamux.Stream
	session *session
	timeout time.Duration
	ctx     context.Context // of Open; nil for inbound streams
	release func()

	manual  atomic.Bool // SetDeadline was called
	done    atomic.Bool // the far end has closed
	closing sync.Once

	reading, writing time.Time     // when each deadline was last set
	batch            *bufio.Writer // blocks not sent yet; nil where there are none
}

// Read reads the next message. io.EOF says that the peer has finished; a
// message of a type this version does not know is wire.ErrUnknownType, after
// which reading can go on; an Error from the peer is a *RemoteError.
func (s *Stream) Read() (wire.Message, error) {
	if err := s.beforeRead(); err != nil {
		return nil, err
	}
	m, err := wire.Read(s.mux)
	return m, s.afterRead(m, err)
}

// ReadBlock reads a Block or a Missing. The block is in buf where that is big
// enough; ok is false for Missing. An Error is a *RemoteError, any other
// message, such as End, a *wire.OtherError that carries it.
func (s *Stream) ReadBlock(buf []byte) (data []byte, ok bool, err error) {
	if err := s.beforeRead(); err != nil {
		return nil, false, err
	}
	data, err = wire.ReadBlock(s.mux, buf)
	if errors.Is(err, wire.ErrMissing) {
		return nil, false, nil
	}
	if other, ok := errors.AsType[*wire.OtherError](err); ok {
		if e, ok := other.Message.(wire.Error); ok {
			return nil, false, remoteError(s.session.id, e)
		}
		return nil, false, err
	}
	return data, err == nil, s.afterRead(nil, err)
}

// Write sends a message, and the blocks written before it. A Block or a
// Missing is collected as WriteBlock does.
func (s *Stream) Write(m wire.Message) error {
	switch m := m.(type) {
	case wire.Block:
		return s.WriteBlock(m.Data)
	case wire.Missing:
		return s.afterWrite(wire.Write(s.collect(), m))
	}
	if s.batch == nil {
		s.beforeWrite()
		return s.afterWrite(wire.Write(s.mux, m))
	}
	if err := s.afterWrite(wire.Write(s.collect(), m)); err != nil {
		return err
	}
	return s.Flush()
}

// WriteBlock sends a block. Small blocks are collected: they leave with a
// frame's worth of them, or with the next Write, Read, Flush or CloseWrite.
func (s *Stream) WriteBlock(data []byte) error {
	return s.afterWrite(wire.WriteBlock(s.collect(), data))
}

// collect returns where blocks are collected.
func (s *Stream) collect() *bufio.Writer {
	s.beforeWrite()
	if s.batch == nil {
		s.batch = batches.Get().(*bufio.Writer)
		s.batch.Reset(s.mux)
	}
	return s.batch
}

// Flush sends the blocks collected so far.
func (s *Stream) Flush() error {
	if s.batch == nil {
		return nil
	}
	s.beforeWrite()
	w := s.batch
	s.batch = nil
	err := w.Flush()
	w.Reset(nil)
	batches.Put(w)
	return s.afterWrite(err)
}

// CloseWrite says that nothing more will be written.
func (s *Stream) CloseWrite() error {
	if err := s.Flush(); err != nil {
		return err
	}
	return s.afterWrite(s.mux.CloseWrite())
}

// Close ends the stream. What the peer was still sending is dropped, and the
// peer told to stop.
func (s *Stream) Close() error {
	s.closing.Do(func() {
		if s.done.Load() {
			_ = s.mux.Close()
		} else {
			_ = s.mux.ResetWithError(resetAbandoned)
		}
		s.release()
	})
	return nil
}

// finish ends the stream after the exchange is complete: what was written is
// still delivered.
func (s *Stream) finish() {
	s.closing.Do(func() {
		_ = s.Flush()
		_ = s.mux.Close()
		s.release()
	})
}

// abort ends the stream with a code.
func (s *Stream) abort(code uint32) {
	s.closing.Do(func() {
		_ = s.mux.ResetWithError(code)
		s.release()
	})
}

// SetDeadline sets when reads and writes fail, in place of the timeout that
// begins anew with every step; the zero time means never. For exchanges whose
// next message may take long.
func (s *Stream) SetDeadline(t time.Time) error {
	s.manual.Store(true)
	return s.mux.SetDeadline(t)
}

// beforeRead sends what was collected, so that two ends never wait for one
// another, and gives the read its time.
func (s *Stream) beforeRead() error {
	if s.batch != nil {
		if err := s.Flush(); err != nil {
			return err
		}
	}
	if now := time.Now(); s.due(now, &s.reading) {
		_ = s.mux.SetReadDeadline(now.Add(s.timeout + s.timeout/4))
	}
	return nil
}

func (s *Stream) beforeWrite() {
	if now := time.Now(); s.due(now, &s.writing) {
		_ = s.mux.SetWriteDeadline(now.Add(s.timeout + s.timeout/4))
	}
}

// due says whether a deadline must move. It moves once in a quarter of the
// timeout, since each move costs a timer.
func (s *Stream) due(now time.Time, last *time.Time) bool {
	if s.manual.Load() || now.Sub(*last) < s.timeout/4 {
		return false
	}
	*last = now
	return true
}

func (s *Stream) afterRead(m wire.Message, err error) error {
	if e, ok := m.(wire.Error); ok && err == nil {
		return remoteError(s.session.id, e)
	}
	if err == io.EOF { // not errors.Is: the end of the connection wraps it too
		s.done.Store(true)
		return err
	}
	return s.explain("read", err)
}

func (s *Stream) afterWrite(err error) error { return s.explain("write", err) }

// explain says what happened in terms of this package.
func (s *Stream) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	if s.ctx != nil && s.ctx.Err() != nil {
		return fmt.Errorf("%s %s: %w", op, s.session.id.Short(), context.Cause(s.ctx))
	}
	var reset *yamux.StreamError
	var gone *yamux.GoAwayError
	switch {
	case errors.As(err, &reset) && reset.Remote:
		s.done.Store(true)
		return s.resetError(reset.ErrorCode)
	case errors.As(err, &gone), s.session.mux.IsClosed():
		return fmt.Errorf("%s %s: %w", op, s.session.id.Short(), ErrSessionLost)
	case errors.Is(err, yamux.ErrTimeout):
		s.session.doubt()
		return fmt.Errorf("%s %s: no progress: %w", op, s.session.id.Short(), os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("%s %s: %w", op, s.session.id.Short(), err)
}

func (s *Stream) resetError(code uint32) error {
	e := &RemoteError{From: s.session.id, Code: wire.CodeInternal, Text: "stream reset"}
	if code == 0 || code == resetBusy {
		e.Code, e.RetryAfter = wire.CodeBusy, busyRetry
	}
	return e
}

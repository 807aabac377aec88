package peer

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// What Request, Open and Connect may fail with, beside the errors of ctx.
var (
	ErrClosed      = errors.New("the host is closed")
	ErrOffline     = errors.New("this node is set offline")
	ErrSelf        = errors.New("the peer is this node itself")
	ErrUnreachable = errors.New("the peer cannot be reached")
	ErrSessionLost = errors.New("the connection to the peer was lost")
	ErrFull        = errors.New("too many connections")
)

// What a RemoteError unwraps to, by its code.
var (
	ErrBadRequest  = errors.New("the peer did not understand the request")
	ErrUnsupported = errors.New("the peer does not know such requests")
	ErrBusy        = errors.New("the peer is busy")
	ErrNotFound    = errors.New("the peer does not have it")
	ErrRefused     = errors.New("the peer refused")
	ErrInternal    = errors.New("the peer failed")
)

// maxRetryAfter bounds how long a peer can make us wait.
const maxRetryAfter = time.Hour

// RemoteError is an error the peer answered with.
type RemoteError struct {
	From       identity.NodeID
	Code       wire.ErrorCode
	Text       string        // the peer's words, without control characters
	RetryAfter time.Duration // 0: do not retry; at most an hour
}

// Error names the peer and gives its words.
func (e *RemoteError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%v (%s)", e.Unwrap(), e.From.Short())
	}
	return fmt.Sprintf("%v (%s): %s", e.Unwrap(), e.From.Short(), e.Text)
}

// Remote tells the DHT that the peer is there: it replied, if with an error.
func (e *RemoteError) Remote() bool { return true }

// Unwrap returns the sentinel of the code; an unknown code is ErrInternal.
func (e *RemoteError) Unwrap() error {
	switch e.Code {
	case wire.CodeBadRequest:
		return ErrBadRequest
	case wire.CodeUnsupported:
		return ErrUnsupported
	case wire.CodeBusy:
		return ErrBusy
	case wire.CodeNotFound:
		return ErrNotFound
	case wire.CodeRefused:
		return ErrRefused
	default:
		return ErrInternal
	}
}

// remoteError turns a peer's message into an error, trusting none of it.
func remoteError(from identity.NodeID, m wire.Error) *RemoteError {
	return &RemoteError{
		From:       from,
		Code:       m.Code,
		Text:       printable(m.Text, 256),
		RetryAfter: time.Duration(min(m.RetryAfter, uint64(maxRetryAfter/time.Millisecond))) * time.Millisecond,
	}
}

// printable drops what could play tricks in a log or a terminal.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

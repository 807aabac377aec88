package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Whoever is no operator may ask whether the node is online, and may not get in
// the way of who is: so many of their requests are answered at a time, none of
// them is waited for, and no connection of theirs is kept.
const (
	maxStrangers    = 16
	strangerTimeout = 10 * time.Second
	strangerBody    = 4 << 10 // bytes of a request, which say nothing
)

var errStrangers = errors.New("too many requests of other users, try again later")

// bounded holds strangers to their limits.
func (s *server) bounded(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if CallerFrom(r.Context()).Operator {
			f(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		select {
		case s.strangers <- struct{}{}:
			defer func() { <-s.strangers }()
		default:
			fail(w, Mark(ErrDenied, errStrangers))
			return
		}
		if err := drain(w, r); err != nil {
			fail(w, Mark(ErrInvalid, fmt.Errorf("read the request: %w", err)))
			return
		}
		f(&hasty{w}, r)
	}
}

// drain reads a body within strangerTimeout.
func drain(w http.ResponseWriter, r *http.Request) error {
	c := http.NewResponseController(w)
	if err := c.SetReadDeadline(time.Now().Add(strangerTimeout)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, strangerBody)); err != nil {
		return err
	}
	return c.SetReadDeadline(time.Time{})
}

// hasty gives up on a reader who does not read.
type hasty struct{ http.ResponseWriter }

// Write implements io.Writer.
func (h *hasty) Write(p []byte) (int, error) {
	if err := http.NewResponseController(h.ResponseWriter).SetWriteDeadline(time.Now().Add(strangerTimeout)); err != nil {
		return 0, err
	}
	return h.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (h *hasty) Unwrap() http.ResponseWriter { return h.ResponseWriter }

package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Whom the node does not work for may ask whether it is online, and may not get
// in the way of others: so many of their requests are answered at a time, none
// of them is waited for, and no connection of theirs is kept. A user who is no
// operator has places of their own, which no other user can take.
const (
	maxOfUser = 64

	maxStrangers    = 16
	strangerTimeout = 10 * time.Second
	strangerBody    = 4 << 10 // bytes of a request, which say nothing
)

var (
	errStrangers = errors.New("too many requests of other users, try again later")
	errOfUser    = errors.New("too many requests at once, try again later")
)

// tally counts what each user has under way.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

// enter counts one more of a user, unless that is too many.
func (t *tally) enter(user string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[user] >= maxOfUser {
		return false
	}
	if t.of == nil {
		t.of = map[string]int{}
	}
	t.of[user]++
	return true
}

func (t *tally) leave(user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[user]--; t.of[user] == 0 {
		delete(t.of, user)
	}
}

// bounded holds callers to their limits.
func (s *server) bounded(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch c := CallerFrom(r.Context()); {
		case c.Operator:
			f(w, r)
		case c.Local:
			s.ofUser(w, r, c.User, f)
		default:
			s.ofStranger(w, r, f)
		}
	}
}

func (s *server) ofUser(w http.ResponseWriter, r *http.Request, user string, f http.HandlerFunc) {
	if !s.users.enter(user) {
		w.Header().Set("Connection", "close") // its body is not read
		fail(w, Mark(ErrDenied, errOfUser))
		return
	}
	defer s.users.leave(user)
	f(w, r)
}

func (s *server) ofStranger(w http.ResponseWriter, r *http.Request, f http.HandlerFunc) {
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

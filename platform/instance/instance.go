// Package instance sees to it that one agent runs for one user and data
// folder, and carries requests to it: "show the window" from a second start,
// "move the data" from the window.
//
// A lock decides who is the one; it is the operating system's and falls with
// the process, however that ends. Requests go over a socket beside it, and
// only the same user's are heard.
package instance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"altnet/platform"
	"altnet/platform/ipc"
)

var (
	// ErrRunning is returned by Claim when another process is the one.
	ErrRunning = errors.New("AltNet runs already")
	// ErrNobody is returned by Send when there is nobody to ask.
	ErrNobody = errors.New("AltNet does not run in this session")
)

// RequestError is what the agent said instead of doing it.
type RequestError struct{ Code, Text string }

// Error implements error.
func (e *RequestError) Error() string { return e.Text }

const (
	lockName    = "agent.lock"
	maxRequest  = 1 << 20
	readTimeout = 10 * time.Second // for the request, not for doing it
	startupWait = 5 * time.Second  // between taking the lock and listening
)

// Request asks the agent for something.
type Request struct {
	Do   string            `json:"do"`
	Args []string          `json:"args,omitempty"`
	Env  map[string]string `json:"env,omitempty"` // of the one who asks: which display to use
}

// Reply is one line of the answer. The last one has Done set, or Error.
type Reply struct {
	Text  string `json:"text,omitempty"`
	Now   int64  `json:"now,omitempty"` // progress, in bytes
	Total int64  `json:"total,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
}

// Handler does what a request asks and reports on the way. Its error goes to
// the one who asked; a *RequestError keeps its code.
type Handler func(ctx context.Context, r Request, report func(Reply)) error

// Instance is the claim of being the one.
type Instance struct {
	lock     *flock.Flock
	listener net.Listener
	cancel   context.CancelFunc
	done     sync.WaitGroup
	once     sync.Once
}

// Claim makes this process the one for dir, a folder of this user alone that
// is made where it is missing, and serves requests until Close. It returns
// ErrRunning where another process is.
func Claim(dir string, handle Handler, log *slog.Logger) (*Instance, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := platform.Private(dir); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !held {
		return nil, ErrRunning
	}
	l, err := ipc.Listen(dir)
	if err != nil {
		lock.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := &Instance{lock: lock, listener: l, cancel: cancel}
	i.done.Go(func() { i.accept(ctx, handle, log) })
	return i, nil
}

// Close ends the requests under way and gives the claim up.
func (i *Instance) Close() {
	i.once.Do(func() {
		i.cancel()
		i.listener.Close()
		i.done.Wait()
		i.lock.Close()
	})
}

func (i *Instance) accept(ctx context.Context, handle Handler, log *slog.Logger) {
	for {
		conn, err := i.listener.Accept()
		if err != nil {
			return
		}
		i.done.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			if err := serve(ctx, conn, handle); err != nil {
				log.Warn("request to the agent", "err", err)
			}
		})
	}
}

// serve answers one connection's one request. The request ends when the one
// who asked goes away.
func serve(ctx context.Context, conn net.Conn, handle Handler) error {
	conn.SetReadDeadline(time.Now().Add(readTimeout))
	in := bufio.NewReader(io.LimitReader(conn, maxRequest))
	if _, err := in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // it only looked whether anybody is here
		}
		return fmt.Errorf("read: %w", err)
	}
	if who, err := ipc.Identify(conn); err != nil || !who.Same { // before anything is kept for them
		return errors.Join(errors.New("refused: it is not this user's"), err)
	}
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	conn.SetReadDeadline(time.Time{})
	var r Request
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, in) // returns when the other end closes
		cancel()
	}()
	var mu sync.Mutex
	enc := json.NewEncoder(conn)
	send := func(reply Reply) {
		mu.Lock()
		defer mu.Unlock()
		enc.Encode(reply)
	}
	send(lastReply(handle(ctx, r, send)))
	return nil
}

func lastReply(err error) Reply {
	if err == nil {
		return Reply{Done: true}
	}
	reply := Reply{Done: true, Error: err.Error()}
	if e, ok := errors.AsType[*RequestError](err); ok {
		reply.Code = e.Code
	}
	return reply
}

// Send asks the one for dir, calling report for every line of the answer but
// the last. It returns ErrNobody where there is none, and a *RequestError
// where it could not do it.
func Send(ctx context.Context, dir string, r Request, report func(Reply)) error {
	conn, err := dial(ctx, dir)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	replies := json.NewDecoder(conn)
	for {
		var reply Reply
		if err := replies.Decode(&reply); err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("ask the agent: it went away: %w", err))
		}
		switch {
		case reply.Error != "":
			return &RequestError{Code: reply.Code, Text: reply.Error}
		case reply.Done:
			return nil
		case report != nil:
			report(reply)
		}
	}
}

// Answers reports whether the one for dir listens just now. It takes no lock,
// not even to look: that would be in the way of a process that claims it.
func Answers(ctx context.Context, dir string) bool {
	conn, err := ipc.Dial(ctx, dir)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// dial reaches the one, waiting a little for one that is starting.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, startupWait)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := ipc.Dial(ctx, dir)
		if !errors.Is(err, ipc.ErrNobody) {
			return conn, err
		}
		if !locked(dir) {
			return nil, ErrNobody
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: one is starting and does not answer", ErrNobody)
		case <-retry.C:
		}
	}
}

// locked reports whether somebody is the one for dir.
func locked(dir string) bool {
	lock := flock.New(filepath.Join(dir, lockName), flock.SetFlag(0))
	held, err := lock.TryRLock()
	lock.Close()
	return err == nil && !held
}

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"altnet/engine/wire"
)

// ServerConfig says how Serve treats its callers.
type ServerConfig struct {
	// Identify tells who is at the other end of a connection. It is called
	// once, when the first request has arrived. nil: everybody is the node's
	// own process, which suits in-memory listeners only.
	Identify func(net.Conn) (Caller, error)
	// Log takes what goes wrong; nil discards it.
	Log *slog.Logger
}

func (c ServerConfig) withDefaults() ServerConfig {
	if c.Identify == nil {
		c.Identify = func(net.Conn) (Caller, error) { return self, nil }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 2 * time.Second // for requests that do not heed their context
)

// Serve answers clients on l until ctx ends, which also ends what they asked
// for. It closes l and returns nil when ctx ended it.
func Serve(ctx context.Context, l net.Listener, c Control, cfg ServerConfig) error {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler:           newServer(c, cfg),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			who := sync.OnceValues(func() (Caller, error) { return cfg.Identify(conn) })
			return context.WithValue(ctx, identifyKey{}, who)
		},
	}
	var stopped sync.WaitGroup
	stopped.Go(func() {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(late) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	cancel()
	stopped.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the control socket: %w", err)
}

type identifyKey struct{}

// server is the http.Handler of the control socket.
type server struct {
	control Control
	log     *slog.Logger
	mux     *http.ServeMux
	// strangers holds a place for each request of whom the node does not work
	// for, users the number of those of each user who is no operator.
	strangers chan struct{}
	users     tally
}

func newServer(c Control, cfg ServerConfig) *server {
	s := &server{control: c, log: cfg.Log, mux: http.NewServeMux(), strangers: make(chan struct{}, maxStrangers)}
	s.network(c)
	s.sites(c)
	s.person(c)
	s.open("status", anybody, s.status)
	s.open("events", anybody, s.events)
	s.open("have", users, s.have)
	s.open("blocks", users, s.blocks)
	s.open("archive", users, s.archive)
	s.open("put", operators, s.put)
	s.open("get", operators, s.get)
	return s
}

// ServeHTTP lets in only what the Client sends: a browser always tells on
// itself by Host, Origin or Referer.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != host || r.Method != http.MethodPost || r.Header.Get("Origin") != "" || r.Header.Get("Referer") != "" {
		_ = drain(w, r) // whatever it is
		http.Error(w, "this is AltNet's control socket, not a web server", http.StatusForbidden)
		return
	}
	who, ok := r.Context().Value(identifyKey{}).(func() (Caller, error))
	if !ok {
		fail(w, fmt.Errorf("an unidentified connection: %w", ErrDenied))
		return
	}
	caller, err := who()
	if err != nil {
		s.log.Warn("could not identify a caller", "err", err)
		_ = drain(w, r)
		fail(w, fmt.Errorf("find out who is calling: %w", ErrDenied))
		return
	}
	s.mux.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
}

// right is who may use a method.
type right int

const (
	anybody   right = iota // what they are shown is the method's own business
	users                  // whom the node works for, with what is theirs
	operators              // who may change what concerns everybody
)

// refuses returns why a caller may not use a method, nil where they may.
func (r right) refuses(c Caller, method string) error {
	switch {
	case r == users && !c.mayUse():
		return fmt.Errorf("%s: this node works for the user who runs it alone: %w", method, ErrDenied)
	case r == operators && !c.Operator:
		return fmt.Errorf("%s: only who operates this node, or an administrator, may: %w", method, ErrDenied)
	}
	return nil
}

// open registers a method for those who have a right.
func (s *server) open(method string, need right, f http.HandlerFunc) {
	s.mux.HandleFunc(prefix+method, s.bounded(func(w http.ResponseWriter, r *http.Request) {
		if err := need.refuses(CallerFrom(r.Context()), method); err != nil {
			fail(w, err)
			return
		}
		f(w, r)
	}))
}

// handle registers a method that takes and returns JSON.
func handle[In, Out any](s *server, method string, need right, f func(context.Context, In) (Out, error)) {
	s.open(method, need, func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readJSON(w, r, &in); err != nil {
			fail(w, err)
			return
		}
		out, err := f(r.Context(), in)
		reply(w, out, err)
	})
}

// readJSON reads the whole body, which also lets the server notice from then
// on when the client goes away.
func readJSON(w http.ResponseWriter, r *http.Request, in any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		err = json.Unmarshal(body, in)
	}
	if err != nil {
		return Mark(ErrInvalid, fmt.Errorf("read the request: %w", err))
	}
	return nil
}

func fail(w http.ResponseWriter, err error) { reply(w, nil, err) }

// reply writes result and error; either may be nil.
func reply(w http.ResponseWriter, result any, err error) {
	a := answer{Error: failureOf(err)}
	if result != nil {
		a.Result, _ = json.Marshal(result)
	}
	body, merr := json.Marshal(a)
	if merr != nil {
		http.Error(w, merr.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(statusOf(err))
	w.Write(body)
}

func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	for _, c := range crossing {
		if errors.Is(err, c.err) {
			return c.status
		}
	}
	return http.StatusInternalServerError
}

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.control.Status(r.Context())
	reply(w, shown(CallerFrom(r.Context()), st), err)
}

// shown is what a caller may see of the status. What the users together hold
// and move would tell one of them about the others.
func shown(c Caller, s Status) Status {
	s.User, s.Operator = c.User, c.Operator
	switch {
	case c.Operator:
		return s
	case !c.Local:
		return Status{Version: s.Version, Online: s.Online}
	}
	s.Sites, s.Traffic, s.MonthUsed, s.Data = 0, Traffic{}, 0, ""
	s.Listen, s.Addresses = nil, nil
	s.Store = Store{Budget: s.Store.Budget}
	return s
}

// shownEvent is what a caller may see of an event; false: nothing. The node
// itself tells each user of their own sites alone.
func shownEvent(c Caller, e Event) (Event, bool) {
	if e.Status != nil {
		st := shown(c, *e.Status)
		return Event{Kind: EventStatus, Time: e.Time, Status: &st}, true
	}
	return e, c.mayUse()
}

// events streams events, a line each.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	caller := CallerFrom(r.Context())
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for e, err := range s.control.Events(r.Context()) {
		a := answer{Error: failureOf(err)}
		if err == nil {
			e, visible := shownEvent(caller, e)
			if !visible {
				continue
			}
			a.Result, _ = json.Marshal(e)
		}
		if lines.Encode(a) != nil || out.Flush() != nil {
			return
		}
	}
}

// have answers a list of hashes with a byte for each.
func (s *server) have(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsked*int64(len(wire.Hash{}))))
	if err != nil || len(body)%len(wire.Hash{}) != 0 {
		fail(w, fmt.Errorf("a list of hashes of %d bytes: %w", len(body), ErrInvalid))
		return
	}
	hashes := make([]wire.Hash, 0, len(body)/len(wire.Hash{}))
	for ; len(body) > 0; body = body[len(wire.Hash{}):] {
		hashes = append(hashes, wire.Hash(body[:len(wire.Hash{})]))
	}
	have, err := s.control.HaveBlocks(r.Context(), hashes)
	if err != nil {
		fail(w, err)
		return
	}
	out := make([]byte, len(have))
	for i, h := range have {
		if h {
			out[i] = 1
		}
	}
	w.Write(out)
}

func (s *server) put(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBlock))
	if err != nil {
		fail(w, fmt.Errorf("a block has at most %d bytes: %w", wire.MaxBlock, ErrInvalid))
		return
	}
	hash, err := s.control.Put(r.Context(), data)
	reply(w, hash.String(), err)
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	hash, err := readHash(r.Body)
	if err != nil {
		fail(w, err)
		return
	}
	data, err := s.control.Get(r.Context(), hash)
	if err != nil {
		fail(w, err)
		return
	}
	w.Write(data)
}

func readHash(r io.Reader) (h wire.Hash, err error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(len(h))+1))
	if err != nil || len(body) != len(h) {
		return h, fmt.Errorf("a hash of %d bytes: %w", len(body), ErrInvalid)
	}
	return wire.Hash(body), nil
}

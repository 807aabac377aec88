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
	// strangers holds a place for each request of who is no operator.
	strangers chan struct{}
}

func newServer(c Control, cfg ServerConfig) *server {
	s := &server{control: c, log: cfg.Log, mux: http.NewServeMux(), strangers: make(chan struct{}, maxStrangers)}
	handle(s, "peers", func(ctx context.Context, _ nothing) ([]Peer, error) { return c.Peers(ctx) })
	handle(s, "online", func(ctx context.Context, in onlineIn) (nothing, error) { return nothing{}, c.SetOnline(ctx, in.Online) })
	handle(s, "publish", func(ctx context.Context, in PublishRequest) (Receipt, error) { return c.Publish(ctx, in) })
	handle(s, "withdraw", func(ctx context.Context, in recordIn) (Receipt, error) { return c.Withdraw(ctx, in.Record) })
	handle(s, "receipt", func(ctx context.Context, in nameIn) (Receipt, error) { return c.Receipt(ctx, in.Name) })
	handle(s, "sites", func(ctx context.Context, _ nothing) ([]Site, error) { return c.Sites(ctx) })
	handle(s, "versions", func(ctx context.Context, in nameIn) ([]Version, error) { return c.Versions(ctx, in.Name) })
	handle(s, "drop-version", func(ctx context.Context, in versionIn) (nothing, error) {
		return nothing{}, c.DropVersion(ctx, in.Name, in.Seq)
	})
	handle(s, "resolve", func(ctx context.Context, in nameIn) (Resolution, error) { return c.Resolve(ctx, in.Name) })
	handle(s, "accept", func(ctx context.Context, in nameIn) (nothing, error) { return nothing{}, c.Accept(ctx, in.Name) })
	handle(s, "pin", func(ctx context.Context, in pinIn) (nothing, error) {
		return nothing{}, c.SetPinned(ctx, in.Name, in.Pinned)
	})
	handle(s, "connect", func(ctx context.Context, in nameIn) (Peer, error) { return c.Connect(ctx, in.Name) })
	handle(s, "ping", func(ctx context.Context, in nameIn) (Pong, error) { return c.Ping(ctx, in.Name) })
	handle(s, "find", func(ctx context.Context, in nameIn) (Found, error) { return c.Find(ctx, in.Name) })
	s.person(c)
	s.open("status", s.status)
	s.open("events", s.events)
	s.operators("have", s.have)
	s.operators("blocks", s.blocks)
	s.operators("archive", s.archive)
	s.operators("put", s.put)
	s.operators("get", s.get)
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

// open registers a method for everybody; what strangers see is the method's
// own business.
func (s *server) open(method string, f func(http.ResponseWriter, *http.Request)) {
	s.mux.HandleFunc(prefix+method, s.bounded(f))
}

// operators registers a method for operators.
func (s *server) operators(method string, f func(http.ResponseWriter, *http.Request)) {
	s.open(method, func(w http.ResponseWriter, r *http.Request) {
		if !CallerFrom(r.Context()).Operator {
			fail(w, fmt.Errorf("%s: only the user who runs this node, or an administrator, may: %w", method, ErrDenied))
			return
		}
		f(w, r)
	})
}

// handle registers a method that takes and returns JSON.
func handle[In, Out any](s *server, method string, f func(context.Context, In) (Out, error)) {
	s.operators(method, func(w http.ResponseWriter, r *http.Request) {
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

// shown is what a caller may see of the status.
func shown(c Caller, s Status) Status {
	if c.Operator {
		return s
	}
	return Status{Version: s.Version, Online: s.Online}
}

// events streams events, a line each. Strangers see the status events alone,
// and of these what they are shown.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	caller := CallerFrom(r.Context())
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	for e, err := range s.control.Events(r.Context()) {
		if err == nil && !caller.Operator {
			if e.Status == nil {
				continue
			}
			st := shown(caller, *e.Status)
			e = Event{Kind: EventStatus, Time: e.Time, Status: &st}
		}
		a := answer{Error: failureOf(err)}
		if err == nil {
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

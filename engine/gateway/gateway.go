package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"altnet/engine/ca"
	"altnet/engine/wire"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Config says what the gateway shows and how. Only Resolve is required.
type Config struct {
	Suffix string // default "alt"

	// Resolve finds the site of a host name such as "www.pg.alt", asking the
	// network where it must. Its errors are *Problem; any other is shown as
	// a fault of AltNet.
	Resolve func(ctx context.Context, name string) (Site, error)
	// Refused returns why this node refuses a block, for the page that says
	// so. Nil: no reason is shown.
	Refused func(wire.Hash) string
	// Local returns the last known site of a name as far as it can be opened
	// without the network, at once. Nil: none ever.
	Local func(name string) (Site, bool)
	// Progress tells what is being done for a name at the moment, at once.
	Progress func(name string) Progress
	// Accept makes owner (as in Problem.Owner) the known owner of a name. Nil:
	// the page offers no such thing.
	Accept func(ctx context.Context, name, owner string) error
	// Section returns where a block lies on disk, in a file that is the
	// caller's to close, so that the kernel copies it. Nil or an error: it is
	// read through the FS.
	Section func(hash wire.Hash) (f *os.File, offset, length int64, err error)
	// Visit is told of every answer from a site. It must not wait.
	Visit func(Visit)

	CA *ca.CA // nil: no https
	// Trusted reports whether the reader's browsers trust CA: then http is
	// redirected to https. Nil: never.
	Trusted func() bool
	// TLSPort is where https is served to who comes by DNS; 0: nowhere.
	TLSPort uint16
	// Tunnels reports whether https goes through the proxy. Where it does not,
	// because nobody trusts CA here, a tunnel is refused at once, with the
	// reason, instead of leading to a warning that people learn to click away.
	// Nil: as long as there is a CA.
	Tunnels func() bool
	// Secret is a secret of this node that outlives a restart. What has to
	// outlive it is derived from it: the marks of browsers that were cleared of
	// a former owner's data, the path of the proxy configuration, the answers
	// that prove this gateway to be itself. Default: one of this run.
	Secret []byte
	// Origin is where the gateway's own pages are, "http://127.0.0.1:8080".
	// Default: the first address that Serve was given.
	Origin string
	// Door is the port of this machine at which http://name-alt.localhost is
	// served. Default: that of the first Serve on 127.0.0.1.
	Door uint16

	WaitAfter  time.Duration // until a page gives way to the waiting page; default 1.2 s
	Timeout    time.Duration // for the first byte of anything; default 30 s
	StallAfter time.Duration // a browser that takes nothing for so long is hung up on; default 2 min
	Log        *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Suffix = strings.ToLower(strings.Trim(c.Suffix, "."))
	if c.Suffix == "" {
		c.Suffix = "alt"
	}
	if c.Local == nil {
		c.Local = func(string) (Site, bool) { return Site{}, false }
	}
	if c.Progress == nil {
		c.Progress = func(string) Progress { return Progress{Stage: StageLooking} }
	}
	if c.Visit == nil {
		c.Visit = func(Visit) {}
	}
	if c.Trusted == nil {
		c.Trusted = func() bool { return false }
	}
	if c.Tunnels == nil {
		c.Tunnels = func() bool { return true }
	}
	if c.Refused == nil {
		c.Refused = func(wire.Hash) string { return "" }
	}
	if c.WaitAfter <= 0 {
		c.WaitAfter = 1200 * time.Millisecond
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.StallAfter <= 0 {
		c.StallAfter = 2 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Site is what a name stands for.
type Site struct {
	Name  string    // of its owner, "pg.alt" also for "www.pg.alt"
	Owner string    // the owner's key, as people compare it
	Root  wire.Hash // content root
	Seq   uint64    // version
	// FS is the content. Of a *site.FS each request uses its own context.
	FS fs.FS
	// Date is when this version was published; Stale says that it may have
	// been replaced since, because the network could not be asked.
	Date  time.Time
	Stale bool
	// OwnerChanged says that the reader once accepted this owner in place of
	// another: browsers clear what they hold of the former one.
	OwnerChanged bool
}

// Stage is what is being done for a name.
type Stage string

// The stages, in order. Their names are keys of texts.
const (
	StageStart      Stage = "start"
	StageLooking    Stage = "looking"
	StageConnecting Stage = "connecting"
	StageFetching   Stage = "fetching"
)

// Progress tells how far a site has come. Total is 0 where it is not known.
type Progress struct {
	Stage       Stage
	Peers       int
	Done, Total int64 // bytes
}

// Visit is one answer from a site. Who asked is not in it.
type Visit struct {
	Site   Site
	Path   string // as in the URL, without query
	Status int
	Bytes  int64
	Time   time.Time
	Took   time.Duration
	// Page says that a reader opened it in a tab, and Here that this was on
	// this machine. Title is what the page calls itself, "" where that is not
	// known.
	Page, Here bool
	Title      string
}

// Gateway is the http.Handler of every door. It is safe for concurrent use.
type Gateway struct {
	cfg     Config
	log     *slog.Logger
	pages   *pages
	tokens  tokens
	marks   [32]byte // key of the marks of clean.go
	waits   *waits
	known   *lru.Cache[string, struct{}]  // names the reader opened in this run
	wiped   *lru.Cache[string, time.Time] // pages about to be shown after clearing, see clean.go
	quick   *lru.Cache[string, time.Time] // pages that were there at once, and when
	own     http.Handler
	buffers buffers
	proof   proof
	looked  previews

	base    context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	servers []*http.Server
	origin  string
	door    string   // port at which *.localhost is served
	tunnels *tunnels // made at the first CONNECT
}

// maxKnown bounds the names remembered; forgetting one costs a waiting page.
const maxKnown = 4096

// New returns a gateway that serves nothing yet: use it as a handler, or call
// Serve and ServeTLS.
func New(cfg Config) (*Gateway, error) {
	cfg = cfg.withDefaults()
	if cfg.Resolve == nil {
		return nil, errors.New("open the gateway: no Resolve")
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("open the gateway: %w", err)
	}
	shown, err := newPages(cfg.Suffix)
	if err != nil {
		return nil, fmt.Errorf("open the gateway: %w", err)
	}
	g := &Gateway{cfg: cfg, log: cfg.Log, pages: shown, tokens: tokens{secret: secret}, waits: newWaits(), origin: cfg.Origin}
	lasting := cmp.Or(string(cfg.Secret), string(secret[:]))
	g.marks = sha256.Sum256(append([]byte("marks\x00"), lasting...))
	g.proof = newProof([]byte(lasting))
	if cfg.Door != 0 {
		g.door = itoa(cfg.Door)
	}
	known, err1 := lru.New[string, struct{}](maxKnown)
	wiped, err2 := lru.New[string, time.Time](maxKnown)
	quick, err3 := lru.New[string, time.Time](maxKnown)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("open the gateway: %w", err)
	}
	g.known, g.wiped, g.quick = known, wiped, quick
	g.own = g.ownPages()
	g.base, g.stop = context.WithCancel(context.Background())
	return g, nil
}

// Serve answers http and proxy requests on l until Close, which it reports as
// nil. It may be called for several listeners.
func (g *Gateway) Serve(l net.Listener) error {
	g.mu.Lock()
	if g.origin == "" {
		g.origin = "http://" + reachable(l.Addr())
	}
	if at, err := netip.ParseAddrPort(reachable(l.Addr())); err == nil && g.door == "" && at.Addr() == loopback {
		g.door = itoa(at.Port())
	}
	g.mu.Unlock()
	return g.serve(l, nil)
}

// loopback is where browsers find *.localhost.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// doorPort is the port of the second door, "" where it is not served.
func (g *Gateway) doorPort() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.door
}

// ServeTLS answers https requests on l until Close. It needs Config.CA.
func (g *Gateway) ServeTLS(l net.Listener) error {
	if g.cfg.CA == nil {
		return errors.New("serve https: no certificate authority")
	}
	return g.serve(l, g.cfg.CA.TLSConfig())
}

func (g *Gateway) serve(l net.Listener, conf *tls.Config) error {
	srv, err := g.newServer(g)
	if errors.Is(err, errClosed) {
		return l.Close()
	}
	l = patientListener{l, g.cfg.StallAfter}
	if conf == nil {
		err = srv.Serve(l)
	} else {
		srv.TLSConfig = conf
		err = srv.ServeTLS(l, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the gateway on %s: %w", l.Addr(), err)
}

var errClosed = errors.New("the gateway is closed")

// newServer makes a server that Close ends.
func (g *Gateway) newServer(h http.Handler) (*http.Server, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed
	}
	srv := &http.Server{
		Handler: h,
		// No limit on a whole answer: a film may take an evening.
		ReadHeaderTimeout: 15 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
	g.servers = append(g.servers, srv)
	return srv, nil
}

// Close ends every connection and waits for what was under way.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.closed = true
	servers, open := g.servers, g.tunnels
	g.mu.Unlock()
	g.stop()
	g.EndPreviews(nil)
	if open != nil {
		open.Close()
	}
	for _, srv := range servers {
		srv.Close()
	}
	g.running.Wait()
	return nil
}

// reachable turns a listener's address into one that a browser on this
// machine can open.
func reachable(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err == nil && ap.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port()).String()
	}
	return addr.String()
}

// ServeHTTP answers one request of any door.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.route(w, r, r.Method == http.MethodConnect || r.URL.IsAbs())
}

// bodyTimeout is how long the body of a request may take.
const bodyTimeout = 15 * time.Second

// boundBody keeps a client that announces a body and sends none from holding a
// connection for ever: the server would wait for it before it answers. No site
// takes bodies, so that such a connection is not worth keeping.
func boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout)) // not in tests without a connection
}

// route picks the site by the host. proxied: by way of the proxy.
func (g *Gateway) route(w http.ResponseWriter, r *http.Request, proxied bool) {
	boundBody(w, r)
	at := locate(r.Host, g.cfg.Suffix, localAddr(r))
	req := &request{Request: r, place: at, proxied: proxied}
	switch {
	case at.kind != hostSite && proxied, at.door && proxied:
		g.fail(w, req, &Problem{Kind: kindProxy})
	case at.kind == hostOwn:
		g.own.ServeHTTP(w, r)
	case at.kind == hostPreview:
		g.preview(w, req)
	case at.kind == hostNone:
		g.fail(w, req, &Problem{Kind: kindMisdirected})
	case r.Method == http.MethodConnect:
		g.connect(w, req)
	case r.URL.IsAbs() && r.URL.Scheme != "http":
		g.fail(w, req, &Problem{Kind: kindProxy})
	case at.bad:
		g.fail(w, req, &Problem{Kind: BadName, Name: at.name})
	default:
		g.site(w, req)
	}
}

func localAddr(r *http.Request) netip.AddrPort {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// request is a request with what was found out about it.
type request struct {
	*http.Request
	place
	proxied bool
	intent  intent
}

// onDNS reports whether a browser came by a name under the suffix that its
// resolver pointed here: without the proxy, and without https.
func (r *request) onDNS() bool { return !r.proxied && !r.door && r.TLS == nil && r.kind == hostSite }

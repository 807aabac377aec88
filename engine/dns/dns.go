// Package dns answers DNS queries: names under .alt at once with the gateway's
// address and never a word to anybody else, everything else by asking the
// system's own servers. It listens on UDP and TCP.
//
// The way of a query: a socket, the rate limit, respond (pure), else the
// forwarder with its cache.
package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/semaphore"
)

const (
	maxTCPConns = 128
	tcpTimeout  = 5 * time.Second
	// udpWake is how often an idle reader wakes up; its only purpose would be
	// to notice a shutdown, which interrupts it anyway.
	udpWake = time.Hour
)

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Config says where to listen and what to answer.
type Config struct {
	Addrs     []string     // host:port; each is bound over UDP and TCP
	TLD       string       // default "alt"
	IPs       []netip.Addr // what names resolve to; default 127.0.0.1
	Upstream  []string     // host or host:port; default the system's servers
	NoForward bool         // only the TLD is routed here: refuse everything else
	Open      bool         // forward for clients outside private networks too
	Rate      int          // queries per second and network (/24, /48); default 50; loopback is exempt
	Burst     int          // default 4 times Rate
	Log       *slog.Logger

	systemUpstreams func() []string // tests
}

func (c Config) withDefaults() Config {
	c.TLD = strings.ToLower(strings.Trim(c.TLD, "."))
	if c.TLD == "" {
		c.TLD = "alt"
	}
	if len(c.IPs) == 0 {
		c.IPs = []netip.Addr{loopback4}
	}
	if c.Rate <= 0 {
		c.Rate = 50
	}
	if c.Burst <= 0 {
		c.Burst = 4 * c.Rate
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.systemUpstreams == nil {
		c.systemUpstreams = systemUpstreams
	}
	return c
}

// Server answers on its sockets until Close.
type Server struct {
	cfg     Config
	zone    *zone
	limit   *limiter
	forward *forwarder
	addrs   []netip.AddrPort
	servers []*dns.Server
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
}

// Listen binds every address over UDP and TCP and begins to answer.
func Listen(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	answers, err := newCache()
	if err != nil {
		return nil, fmt.Errorf("make the DNS cache: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, zone: newZone(cfg), limit: newLimiter(cfg.Rate, cfg.Burst), cancel: cancel}
	for _, addr := range cfg.Addrs {
		if err := s.bind(addr); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.forward = &forwarder{
		ctx: ctx, log: cfg.Log, cache: answers, slots: semaphore.NewWeighted(maxForwards),
		upstreams: newUpstreams(cfg, s.addrs).at,
	}
	s.start()
	return s, nil
}

// Addrs returns the addresses that are bound, each over UDP and TCP.
func (s *Server) Addrs() []netip.AddrPort { return s.addrs }

// Close stops answering and waits until every query under way has ended.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.cancel()
		for _, srv := range s.servers {
			if err := srv.Shutdown(); err != nil { // never started
				closeSockets(srv)
			}
		}
	})
	s.running.Wait()
	return nil
}

func closeSockets(srv *dns.Server) {
	if srv.PacketConn != nil {
		srv.PacketConn.Close()
	}
	if srv.Listener != nil {
		srv.Listener.Close()
	}
}

// bind takes addr over both protocols. With port 0 the system's choice for UDP
// may be taken over TCP: then it chooses again.
func (s *Server) bind(addr string) error {
	for attempt := 0; ; attempt++ {
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			return fmt.Errorf("listen for DNS: %w", err)
		}
		at := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		tcp, err := net.Listen("tcp", at.String())
		if err == nil {
			s.add(udp, tcp, at)
			return nil
		}
		udp.Close()
		if !strings.HasSuffix(addr, ":0") || attempt == 9 {
			return fmt.Errorf("listen for DNS: %w", err)
		}
	}
}

func (s *Server) add(udp net.PacketConn, tcp net.Listener, at netip.AddrPort) {
	s.addrs = append(s.addrs, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	s.servers = append(s.servers,
		&dns.Server{PacketConn: udp, Handler: s, UDPSize: udpSize, ReadTimeout: udpWake, MsgAcceptFunc: accept},
		&dns.Server{Listener: netutil.LimitListener(tcp, maxTCPConns), Handler: s, MsgAcceptFunc: accept,
			ReadTimeout: tcpTimeout, WriteTimeout: tcpTimeout, IdleTimeout: func() time.Duration { return tcpTimeout }})
}

// start returns once every server runs, so that Close can stop them all.
func (s *Server) start() {
	var started sync.WaitGroup
	for _, srv := range s.servers {
		started.Add(1)
		once := sync.OnceFunc(started.Done)
		srv.NotifyStartedFunc = once
		s.running.Go(func() {
			defer once()
			if err := srv.ActivateAndServe(); err != nil {
				s.cfg.Log.Error("DNS stopped", "err", err)
			}
		})
	}
	started.Wait()
}

// accept lets malformed and odd messages end before they are parsed: replies
// are ignored, anything but a plain query is refused with a bare header.
func accept(h dns.Header) dns.MsgAcceptAction {
	if h.Bits>>11&0xf == dns.OpcodeNotify && h.Bits>>15 == 0 {
		return dns.MsgRejectNotImplemented
	}
	return dns.DefaultMsgAcceptFunc(h)
}

// ServeDNS answers one query.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	client, udp := remote(w)
	switch s.limit.admit(client, time.Now()) {
	case dropped:
		if !udp {
			w.Close()
		}
		return
	case slipped:
		if udp {
			s.send(w, s.zone.truncated(q))
		} else {
			w.Close()
		}
		return
	}
	if m := s.zone.respond(q); m != nil {
		s.send(w, m)
		return
	}
	if !s.cfg.Open && !atHome(client) {
		s.send(w, s.zone.fail(q, dns.RcodeRefused))
		return
	}
	s.relay(w, q, udp)
}

// relay answers q from elsewhere.
func (s *Server) relay(w dns.ResponseWriter, q *dns.Msg, udp bool) {
	a, err := s.forward.lookup(q, time.Now())
	if err != nil {
		s.cfg.Log.Debug("query not forwarded", "name", q.Question[0].Name, "err", err)
		s.send(w, s.unreachable(q, err))
		return
	}
	size := dns.MaxMsgSize
	if udp {
		size = clientSize(q)
	}
	out := a.render(q, size, time.Now())
	if out == nil {
		if out, err = shorten(a, q, size); err != nil {
			s.send(w, s.zone.truncated(q))
			return
		}
	}
	_, _ = w.Write(out) // a client that is gone is no error of ours
}

// unreachable is SERVFAIL with the reason (RFC 8914) for clients with EDNS.
func (s *Server) unreachable(q *dns.Msg, err error) *dns.Msg {
	m := s.zone.fail(q, dns.RcodeServerFailure)
	if opt := m.IsEdns0(); opt != nil {
		code := dns.ExtendedErrorCodeNetworkError
		if errors.Is(err, errNoUpstream) {
			code = dns.ExtendedErrorCodeNoReachableAuthority
		}
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code})
	}
	return m
}

// shorten fits an answer into size bytes with the truncation bit set.
func shorten(a *answer, q *dns.Msg, size int) ([]byte, error) {
	m := new(dns.Msg)
	if err := m.Unpack(a.render(q, dns.MaxMsgSize, time.Now())); err != nil {
		return nil, err
	}
	m.Truncate(size)
	return m.Pack()
}

// clientSize is the largest datagram the client takes and the path carries.
func clientSize(q *dns.Msg) int {
	opt := q.IsEdns0()
	if opt == nil {
		return dns.MinMsgSize
	}
	return int(min(max(opt.UDPSize(), dns.MinMsgSize), udpSize))
}

func (s *Server) send(w dns.ResponseWriter, m *dns.Msg) {
	if err := w.WriteMsg(m); err != nil {
		s.cfg.Log.Debug("DNS answer not sent", "err", err)
	}
}

func remote(w dns.ResponseWriter) (addr netip.Addr, udp bool) {
	switch a := w.RemoteAddr().(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr(), true
	case *net.TCPAddr:
		return a.AddrPort().Addr(), false
	}
	return netip.Addr{}, false
}

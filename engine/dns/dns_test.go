package dns

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// upstream is a DNS server on loopback that counts what it is asked.
type upstream struct {
	t     testing.TB
	addr  string
	mu    sync.Mutex
	asked []string        // "udp a.example. A"
	gate  <-chan struct{} // answers wait until it is closed
}

func newUpstream(t testing.TB) *upstream {
	open := make(chan struct{})
	close(open)
	return newGatedUpstream(t, open)
}

func newGatedUpstream(t testing.TB, gate <-chan struct{}) *upstream {
	u := &upstream{t: t, gate: gate}
	s := &Server{cfg: Config{}.withDefaults()}
	if err := s.bind("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.addr = s.addrs[0].String()
	for _, srv := range s.servers {
		srv.Handler = u
	}
	_, s.cancel = context.WithCancel(t.Context())
	s.start()
	t.Cleanup(func() { s.Close() })
	return u
}

func (u *upstream) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name, network := q.Question[0].Name, "udp"
	if _, udp := remote(w); !udp {
		network = "tcp"
	}
	u.mu.Lock()
	u.asked = append(u.asked, network+" "+name)
	u.mu.Unlock()
	<-u.gate
	m := new(dns.Msg)
	m.SetReply(q)
	switch {
	case strings.HasPrefix(name, "silent."):
		return
	case strings.HasPrefix(name, "refuse."):
		m.Rcode = dns.RcodeRefused
	case strings.HasPrefix(name, "old.") && q.IsEdns0() != nil:
		m.Rcode = dns.RcodeFormatError
	case strings.HasPrefix(name, "wrong."):
		m.Question[0].Name = "other.example."
	case strings.HasPrefix(name, "big."):
		for range 20 {
			m.Answer = append(m.Answer, rr(u.t, name+" 60 IN TXT "+strings.Repeat("x", 200)))
		}
		if network == "udp" {
			m.Truncate(512)
		}
	default:
		m.Answer = append(m.Answer, rr(u.t, name+" 60 IN A 192.0.2.7"))
	}
	_ = w.WriteMsg(m)
}

func (u *upstream) log() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked)
}

func listen(t testing.TB, cfg Config) (*Server, string) {
	t.Helper()
	cfg.Addrs = []string{"127.0.0.1:0"}
	s, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, s.Addrs()[0].String()
}

func do(t testing.TB, network, addr string, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 10 * time.Second, UDPSize: dns.MaxMsgSize}
	m, _, err := c.ExchangeContext(t.Context(), q, addr)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestServer(t *testing.T) {
	up := newUpstream(t)
	_, addr := listen(t, Config{Upstream: []string{up.addr}})
	for _, network := range []string{"udp", "tcp"} {
		if got := summary(do(t, network, addr, ask("pg.alt.", dns.TypeA))); got != "127.0.0.1" {
			t.Errorf("%s: pg.alt is %s", network, got)
		}
		if got := summary(do(t, network, addr, ask("WWW.example.", dns.TypeA))); got != "192.0.2.7" {
			t.Errorf("%s: www.example is %s", network, got)
		}
	}
	if got := up.log(); len(got) != 1 || got[0] != "udp www.example." {
		t.Errorf("upstream was asked %q", got)
	}
}

func TestAltIsNeverForwarded(t *testing.T) {
	up := newUpstream(t)
	_, addr := listen(t, Config{Upstream: []string{up.addr}})
	for qtype := range dns.TypeToString {
		for _, name := range []string{"alt.", "pg.alt.", "a.b.PG.ALT."} {
			if qtype != dns.TypeNone && qtype != dns.TypeReserved {
				do(t, "tcp", addr, ask(name, qtype))
			}
		}
	}
	if got := up.log(); len(got) != 0 {
		t.Errorf("upstream was asked %q", got)
	}
}

func TestTruncationAndTCPRetry(t *testing.T) {
	up := newUpstream(t)
	_, addr := listen(t, Config{Upstream: []string{up.addr}})
	q := ask("big.example.", dns.TypeTXT)
	short := do(t, "udp", addr, q)
	if !short.Truncated || len(short.Answer) >= 20 || short.Len() > 512 {
		t.Errorf("over UDP: truncated %v, %d records, %d bytes", short.Truncated, len(short.Answer), short.Len())
	}
	q.SetEdns0(4096, false)
	if m := do(t, "udp", addr, q); !m.Truncated || m.Len() > udpSize || len(m.Answer) <= len(short.Answer) {
		t.Errorf("with EDNS: truncated %v, %d records, %d bytes", m.Truncated, len(m.Answer), m.Len())
	}
	if full := do(t, "tcp", addr, q); full.Truncated || len(full.Answer) != 20 {
		t.Errorf("over TCP: truncated %v, %d records", full.Truncated, len(full.Answer))
	}
	if got := up.log(); !slices.Contains(got, "tcp big.example.") {
		t.Errorf("no retry over TCP upstream: %q", got)
	}
}

func TestUpstreamTroubles(t *testing.T) {
	up := newUpstream(t)
	dead := "127.0.0.1:1" // nothing listens: refused at once
	_, addr := listen(t, Config{Upstream: []string{dead, up.addr}})
	for name, want := range map[string]int{
		"ok.example.": dns.RcodeSuccess, "old.example.": dns.RcodeSuccess,
		"refuse.example.": dns.RcodeRefused, "wrong.example.": dns.RcodeServerFailure,
	} {
		if m := do(t, "tcp", addr, ask(name, dns.TypeA)); m.Rcode != want {
			t.Errorf("%s: %s", name, dns.RcodeToString[m.Rcode])
		}
	}
	_, lonely := listen(t, Config{systemUpstreams: func() []string { return nil }})
	q := ask("example.com.", dns.TypeA)
	q.SetEdns0(1232, false)
	m := do(t, "udp", lonely, q)
	ede, ok := m.IsEdns0().Option[0].(*dns.EDNS0_EDE)
	if m.Rcode != dns.RcodeServerFailure || !ok || ede.InfoCode != dns.ExtendedErrorCodeNoReachableAuthority {
		t.Errorf("without upstream: %v", m)
	}
}

// A server that is its own upstream, through another, must not go round and round.
func TestLoopEnds(t *testing.T) {
	var back atomic.Value
	back.Store("")
	a, _ := listen(t, Config{systemUpstreams: func() []string { return []string{back.Load().(string)} }})
	var passed atomic.Int64
	b, addrB := listen(t, Config{systemUpstreams: func() []string { passed.Add(1); return []string{a.Addrs()[0].String()} }})
	back.Store(b.Addrs()[0].String())
	if m := do(t, "udp", addrB, ask("loop.example.", dns.TypeA)); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("a loop answered %v", m)
	}
	if n := passed.Load(); n != 1 {
		t.Errorf("the query came by %d times", n)
	}
}

func TestIdenticalQueriesShareOneExchange(t *testing.T) {
	gate := make(chan struct{})
	up := newGatedUpstream(t, gate)
	_, addr := listen(t, Config{Upstream: []string{up.addr}})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := dns.Exchange(ask("same.example.", dns.TypeA), addr); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	if got := up.log(); len(got) != 1 {
		t.Errorf("upstream was asked %d times", len(got))
	}
}

// fakeWriter is a client at any address.
type fakeWriter struct {
	dns.ResponseWriter
	from net.Addr
	sent []*dns.Msg
}

func (w *fakeWriter) RemoteAddr() net.Addr { return w.from }

func (w *fakeWriter) WriteMsg(m *dns.Msg) error {
	w.sent = append(w.sent, m)
	return nil
}

func TestNoOpenResolver(t *testing.T) {
	s, _ := listen(t, Config{systemUpstreams: func() []string { return nil }})
	for from, want := range map[string]int{
		"203.0.113.9:5": dns.RcodeRefused, "[2001:db8::1]:5": dns.RcodeRefused,
		"192.168.1.5:5": dns.RcodeServerFailure, "[::ffff:10.0.0.1]:5": dns.RcodeServerFailure,
	} {
		w := &fakeWriter{from: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from))}
		s.ServeDNS(w, ask("example.com.", dns.TypeA))
		if len(w.sent) != 1 || w.sent[0].Rcode != want {
			t.Errorf("%s got %v", from, w.sent)
		}
	}
}

func TestFloodFromOutsideGetsLittle(t *testing.T) {
	s, _ := listen(t, Config{Rate: 1, Burst: 5})
	w := &fakeWriter{from: net.UDPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.9:5"))}
	for range 1000 {
		s.ServeDNS(w, ask("pg.alt.", dns.TypeA))
	}
	answered := 0
	for _, m := range w.sent {
		if len(m.Answer) > 0 {
			answered++
		} else if !m.Truncated {
			t.Fatalf("neither answer nor truncated: %v", m)
		}
	}
	if answered > 10 || len(w.sent) > 600 {
		t.Errorf("%d answers, %d packets for 1000 queries", answered, len(w.sent))
	}
}

func TestGarbageDoesNotStopTheServer(t *testing.T) {
	_, addr := listen(t, Config{})
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, junk := range []string{"", "x", strings.Repeat("\xff", 600), strings.Repeat("\x00", 12), "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"} {
		if _, err := conn.Write([]byte(junk)); err != nil {
			t.Fatal(err)
		}
	}
	if got := summary(do(t, "udp", addr, ask("pg.alt.", dns.TypeA))); got != "127.0.0.1" {
		t.Error(got)
	}
}

func TestListenReportsABusyPort(t *testing.T) {
	_, addr := listen(t, Config{})
	if _, err := Listen(Config{Addrs: []string{addr}}); err == nil {
		t.Error("one port was bound twice")
	}
}

func TestDig(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Skip("no dig here")
	}
	up := newUpstream(t)
	_, addr := listen(t, Config{Upstream: []string{up.addr}})
	_, port, _ := net.SplitHostPort(addr)
	for _, tc := range []struct{ args, want string }{
		{"+short pg.alt", "127.0.0.1"}, {"+short +tcp pg.alt", "127.0.0.1"},
		{"+short +noedns pg.alt", "127.0.0.1"}, {"+short example.com", "192.0.2.7"},
		{"pg.alt AAAA", "status: NOERROR"}, {"+dnssec pg.alt", "flags: do; udp: 1232"},
		{"big.example TXT", "Truncated, retrying in TCP mode"},
	} {
		args := append([]string{"@127.0.0.1", "-p", port}, strings.Fields(tc.args)...)
		out, err := exec.Command(dig, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), tc.want) {
			t.Errorf("dig %s: %v\n%s", tc.args, err, out)
		}
	}
}

//go:build linux

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// smallSite makes a site of one page.
func smallSite(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte(body), 0o644))
	return dir
}

// TestDNS asks the node's DNS server as dig does: .alt here, the rest upstream.
func TestDNS(t *testing.T) {
	needE2E(t)
	upstream := fakeUpstream(t)
	addr := freeAddr(t)
	start(t, "A", nil, "-dns", addr, "-dns-upstream", upstream)
	host, port, _ := net.SplitHostPort(addr)
	dig := func(args ...string) string {
		out, err := exec.Command("dig", append([]string{"@" + host, "-p", port, "+time=3", "+tries=1"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("dig %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"alt over UDP", []string{"pg.alt"}, []string{"status: NOERROR", "127.0.0.1"}},
		{"alt over TCP", []string{"+tcp", "pg.alt"}, []string{"status: NOERROR", "127.0.0.1"}},
		{"no IPv6 for alt", []string{"pg.alt", "AAAA"}, []string{"status: NOERROR", "ANSWER: 0"}},
		{"the rest goes upstream", []string{"example.com"}, []string{"status: NOERROR", "192.0.2.7"}},
		{"with EDNS", []string{"+bufsize=4096", "example.com"}, []string{"192.0.2.7", "EDNS"}},
		{"truncated, so over TCP", []string{"+ignore", "+notcp", "+noedns", "big.example.com", "TXT"}, []string{"flags: qr tc"}},
		{"whole over TCP", []string{"big.example.com", "TXT"}, []string{"ANSWER: 40"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := dig(tt.args...)
			for _, w := range tt.want {
				if !strings.Contains(out, w) {
					t.Errorf("dig %v: no %q in\n%s", tt.args, w, out)
				}
			}
		})
	}
}

// fakeUpstream answers on UDP and TCP, and is told nothing about .alt.
func fakeUpstream(t *testing.T) string {
	t.Helper()
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		switch {
		case strings.HasSuffix(strings.ToLower(name), "alt."):
			t.Errorf("%s was forwarded", name)
		case q.Question[0].Qtype == dns.TypeTXT:
			for i := range 40 {
				m.Answer = append(m.Answer, &dns.TXT{
					Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
					Txt: []string{fmt.Sprintf("%03d %s", i, strings.Repeat("x", 100))},
				})
			}
			if w.RemoteAddr().Network() == "udp" {
				m.Truncate(512)
			}
		default:
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
				A:   net.IPv4(192, 0, 2, 7),
			}}
		}
		w.WriteMsg(m)
	})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	check(t, err)
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: answer}, {Listener: l, Handler: answer}} {
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

// TestTLS opens a site over https with the node's own root, which can vouch
// for nothing else.
func TestTLS(t *testing.T) {
	needE2E(t)
	tlsAddr := freeAddr(t)
	caDir := filepath.Join(t.TempDir(), "ca")
	a := start(t, "A", nil, "-gateway-tls", tlsAddr, "-ca-dir", caDir)
	start(t, "B", a)
	a.waitPeers(1)
	a.do("publish", smallSite(t, "<h1>over tls</h1>"), "pg.alt")
	_, port, _ := net.SplitHostPort(tlsAddr)
	ca := filepath.Join(caDir, "ca.pem")
	out, err := exec.Command("curl", "-sS", "--cacert", ca, "--resolve", "pg.alt:"+port+":127.0.0.1", "https://pg.alt:"+port+"/").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "over tls") {
		t.Fatalf("curl: %v\n%s", err, out)
	}
	refusesOtherNames(t, caDir)
	a.stop()
}

// refusesOtherNames signs a certificate for example.com with the node's root,
// as a thief of its key would, and shows that nobody believes it.
func refusesOtherNames(t *testing.T, caDir string) {
	t.Helper()
	dir := t.TempDir()
	key, csr, crt := filepath.Join(dir, "k.pem"), filepath.Join(dir, "c.csr"), filepath.Join(dir, "c.pem")
	ext := filepath.Join(dir, "ext")
	check(t, os.WriteFile(ext, []byte("subjectAltName=DNS:example.com\nextendedKeyUsage=serverAuth\n"), 0o600))
	openssl := func(args ...string) (string, error) {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{
		{"req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", csr, "-subj", "/CN=example.com"},
		{"x509", "-req", "-in", csr, "-CA", filepath.Join(caDir, "ca.pem"), "-CAkey", filepath.Join(caDir, "ca-key.pem"), "-CAcreateserial", "-CAserial", filepath.Join(dir, "serial"), "-out", crt, "-days", "30", "-extfile", ext},
	} {
		if out, err := openssl(args...); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	if out, err := openssl("verify", "-CAfile", filepath.Join(caDir, "ca.pem"), crt); err == nil || !strings.Contains(out, "permitted subtree violation") {
		t.Errorf("openssl believes example.com: %v\n%s", err, out)
	}
	pair, err := tls.LoadX509KeyPair(crt, key)
	check(t, err)
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(caDir, "ca.pem"))
	check(t, err)
	pool.AppendCertsFromPEM(pem)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	check(t, err)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.com"}); err == nil {
		t.Error("Go believes example.com")
	}
}

// chromium runs a headless Chromium on a new profile and returns what it
// prints.
func chromium(t *testing.T, profile string, args ...string) string {
	t.Helper()
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + profile,
	}, args...)
	cmd := exec.CommandContext(t.Context(), "chromium", args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium %v: %v", args, err)
	}
	return string(out)
}

// TestChromium opens sites as a person's browser does: through the proxy
// configuration alone, and by the .localhost door.
func TestChromium(t *testing.T) {
	needE2E(t)
	a := start(t, "A", nil)
	b := start(t, "B", a)
	a.waitPeers(1)
	page := `<!doctype html><body><h1 id=h>a page of %s</h1><p id=c></p><script>
		document.getElementById('c').textContent = 'cookies: [' + document.cookie + ']';
		document.cookie = 'secret=%s; max-age=3600';</script>`
	for _, name := range []string{"one", "two"} {
		a.do("publish", smallSite(t, fmt.Sprintf(page, name, name)), name+".alt")
	}
	pac := "--proxy-pac-url=http://" + b.gateway + "/proxy.pac"
	dump := []string{"--virtual-time-budget=15000", "--dump-dom"}

	shot := filepath.Join(t.TempDir(), "pg.png")
	chromium(t, t.TempDir(), pac, "--virtual-time-budget=15000", "--window-size=800,600", "--screenshot="+shot, "http://one.alt/")
	if info, err := os.Stat(shot); err != nil || info.Size() < 3000 {
		t.Errorf("screenshot: %v, %v", info, err)
	}
	profile := t.TempDir()
	for _, step := range []struct{ url, want string }{
		{"http://one.alt/", "cookies: []"},
		{"http://two.alt/", "cookies: []"},
		{"http://one.alt/", "cookies: [secret=one]"},
	} {
		if dom := chromium(t, profile, append(dump, pac, step.url)...); !strings.Contains(dom, step.want) {
			t.Errorf("%s: want %q in\n%s", step.url, step.want, dom)
		}
	}
	port := netip.MustParseAddrPort(b.gateway).Port()
	profile = t.TempDir()
	for _, step := range []struct{ name, want string }{
		{"one", "a page of one"}, {"two", "cookies: []"}, {"two", "cookies: [secret=two]"},
	} {
		url := fmt.Sprintf("http://%s-alt.localhost:%d/", step.name, port)
		if dom := chromium(t, profile, append(dump, url)...); !strings.Contains(dom, step.want) {
			t.Errorf("%s: want %q in\n%s", url, step.want, dom)
		}
	}
	embedFetchesNothing(t, a, b)
}

// embedFetchesNothing shows a page outside .alt that embeds a site: the node
// must not fetch it.
func embedFetchesNothing(t *testing.T, a, b *node) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "ad.png"), []byte("not really a picture"), 0o644))
	r := ask[receipt](a, "publish", dir, "tracked.alt")
	c := start(t, "C", b, "-no-volunteer")
	c.waitPeers(1)
	var asked atomic.Int32
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "text/html")
		port := netip.MustParseAddrPort(c.gateway).Port()
		fmt.Fprintf(w, `<img src="http://tracked.alt/ad.png"><img src="http://tracked-alt.localhost:%d/ad.png"><p>an ordinary page`, port)
	}))
	defer outside.Close()
	before := ask[storeStatus](c, "status").Store.Used
	cPAC := "--proxy-pac-url=http://" + c.gateway + "/proxy.pac"
	if dom := chromium(t, t.TempDir(), cPAC, "--virtual-time-budget=8000", "--dump-dom", outside.URL); !strings.Contains(dom, "an ordinary page") {
		t.Fatalf("the outside page did not open: %s", dom)
	}
	if asked.Load() == 0 {
		t.Fatal("the outside page was never asked for")
	}
	if after := ask[storeStatus](c, "status").Store.Used; after != before {
		t.Errorf("an outside page made the node store %d bytes of %s", after-before, r.Root)
	}
}

type storeStatus struct {
	Store struct {
		Used int64 `json:"used"`
	} `json:"store"`
}

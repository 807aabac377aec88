package gateway

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// Where a browser goes that came by DNS or by the proxy, as the root is trusted
// or not.
func TestWhereBrowsersAreSent(t *testing.T) {
	const chrome, safari = "User-Agent: Mozilla/5.0 (X11) Chrome/150 Safari/537.36", "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.3 Safari/605.1.15"
	image := []string{chrome, "Accept: image/*", "Referer: http://pg.alt/"}
	trusted := false
	g, _ := one(t, fstest.MapFS{"index.html": {Data: []byte("site")}, "a.png": {}}, func(c *Config) {
		c.CA, c.Trusted, c.TLSPort = newCA(t), func() bool { return trusted }, 8443
	})
	g.door = "8080"
	for _, tc := range []struct {
		trusted bool
		what    string
		headers []string
		want    string
	}{
		{true, "http://pg.alt/a?b=c", []string{chrome, "Accept: text/html"}, "307 https://pg.alt:8443/a?b=c"},
		{true, "http://pg.alt/a.png", image, "307 https://pg.alt:8443/a.png"},
		{true, "http://pg.alt/", nil, "307 https://pg.alt:8443/"},
		{true, "http://pg-alt.localhost:8080/", []string{chrome, "Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, "200 "},
		{true, "http://pg.alt/", []string{safari, "Accept: text/html"}, "307 https://pg.alt:8443/"},
		{false, "http://pg.alt/a?b=c", []string{chrome, "Accept: text/html"}, "307 http://pg-alt.localhost:8080/a?b=c"},
		{false, "http://www.pg.alt:80/", []string{chrome, "Accept: text/html"}, "307 http://www.pg-alt.localhost:8080/"},
		{false, "http://pg.alt/a.png", image, "307 http://pg-alt.localhost:8080/a.png"},
		{false, "http://pg.alt/", nil, "200 "}, // no browser: no page that could reach anything
		{false, "http://pg.alt/", []string{safari, "Accept: text/html"}, "403 "},
		{false, "http://pg.alt/", []string{strings.Replace(safari, "18.3", "26.0", 1), "Accept: text/html"}, "307 http://pg-alt.localhost:8080/"},
	} {
		trusted = tc.trusted
		w := get(g, tc.what, tc.headers...)
		if got := fmt.Sprintf("%d %s", w.Code, w.Header().Get("Location")); got != tc.want {
			t.Errorf("trusted %v, %s %v: %s, want %s", tc.trusted, tc.what, tc.headers, got, tc.want)
		}
		if w.Code == 307 && w.Header().Get("Cache-Control") != "no-store" {
			t.Error("the browser keeps the redirection when trust ends")
		}
	}
	trusted = false
	r := httptest.NewRequest("GET", "http://pg.alt/", nil)
	r.URL.Scheme, r.URL.Host, r.RemoteAddr = "", "", "192.168.1.9:1234"
	r.Header.Set("User-Agent", "Mozilla/5.0 Chrome")
	w := httptest.NewRecorder()
	if g.ServeHTTP(w, r); w.Code == 307 {
		t.Errorf("another machine is sent to its own localhost: %s", w.Header().Get("Location"))
	}
}

// By the proxy http is served as it is, with the header that keeps a page out
// of local services.
func TestProxiedPagesStay(t *testing.T) {
	g, _ := one(t, fstest.MapFS{"index.html": {Data: []byte("site")}}, func(c *Config) { c.CA = newCA(t) })
	g.door = "8080"
	r := httptest.NewRequest("GET", "http://pg.alt/", nil)
	for _, h := range append(asPlain, "Referer: http://pg.alt/x") {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "treat-as-public-address") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// Where nobody trusts the root, https through the proxy fails at once and says
// why, before any certificate is shown.
func TestDeclinedCertificate(t *testing.T) {
	var on atomic.Bool
	_, addr := startGateway(t, Config{Resolve: troubles().Resolve, Tunnels: on.Load})
	connect := func(port string) (string, net.Conn) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "CONNECT fine.alt:%[1]s HTTP/1.1\r\nHost: fine.alt:%[1]s\r\n\r\n", port)
		b := make([]byte, 4096)
		n, err := io.ReadAtLeast(c, b, 39)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n]), c
	}
	began := time.Now()
	if got, _ := connect("443"); !strings.HasPrefix(got, "HTTP/1.1 403") || !strings.Contains(got, "Altnet-Problem: nohttps") || time.Since(began) > 5*time.Second {
		t.Errorf("declined: %s", got)
	}
	got, c := connect("80")
	if !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Fatalf("plain http: %s", got)
	}
	if err := tls.Client(c, &tls.Config{ServerName: "fine.alt", InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("TLS by port 80 goes through")
	}
	on.Store(true)
	if got, _ := connect("443"); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("trusted: %s", got)
	}
}

func TestNowhere(t *testing.T) {
	g, _ := one(t, nil, nil)
	w := get(g, home+"/no/such", asPage...)
	if w.Code != 404 || !strings.Contains(w.Body.String(), "AltNet has no such page") || !strings.Contains(w.Body.String(), `href="/"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(g, home+"/ca.pem", asPage...); w.Code != 404 || !strings.Contains(w.Body.String(), "no such page") {
		t.Errorf("no certificate: %d", w.Code)
	}
	if w := ask(g, httptest.NewRequest("DELETE", home+"/open", nil)); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestHomeShowsTheFingerprint(t *testing.T) {
	authority := newCA(t)
	g, _ := one(t, nil, func(c *Config) { c.CA = authority })
	if body := get(g, home+"/", asPage...).Body.String(); !strings.Contains(body, authority.FingerprintText()) || len(authority.FingerprintText()) != 95 {
		t.Errorf("%s not in %s", authority.FingerprintText(), body)
	}
}

func TestNamesAsPeopleReadThem(t *testing.T) {
	g, _ := one(t, nil, nil)
	g.cfg.Resolve = troubles().Resolve
	body := get(g, "http://xn--bcher-kva.alt/", asPage...).Body.String()
	if !strings.Contains(body, `bücher.alt <small>xn--bcher-kva.alt</small>`) || !strings.Contains(body, "no record of it") {
		t.Error(body)
	}
	body = get(g, "http://xn--80ak6aa92e.alt/", asPage...).Body.String() // apple in Cyrillic
	if strings.Contains(body, "аррӏе") || !strings.Contains(body, "look like Latin ones") {
		t.Error(body)
	}
}

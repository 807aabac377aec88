package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"altnet/engine/site"
	"altnet/engine/wire"
)

func TestLocate(t *testing.T) {
	local := netip.MustParseAddrPort("127.0.0.1:8080")
	lan := netip.MustParseAddrPort("192.168.1.5:8080")
	for _, tc := range []struct {
		host  string
		local netip.AddrPort
		want  string
	}{
		{"pg.alt", local, "pg.alt"}, {"PG.Alt:8080", local, "pg.alt"}, {"www.pg.alt", local, "www.pg.alt"},
		{"pg.alt.", local, "pg.alt moved"}, {"pg-alt.localhost:8080", local, "pg.alt door"},
		{"www.my-site-alt.localhost", local, "www.my-site.alt door"},
		{"a_b.alt", local, "a_b.alt bad"}, {".alt", local, ".alt bad"}, {"-a.alt", local, "-a.alt bad"},
		{"a..b.alt", local, "a..b.alt bad"}, {"-alt.localhost", local, ".alt door bad"},
		{strings.Repeat("a", 64) + ".alt", local, strings.Repeat("a", 64) + ".alt bad"},
		{"127.0.0.1:8080", local, "own"}, {"127.0.0.2", local, "own"}, {"[::1]:8080", local, "own"}, {"localhost", local, "own"},
		{"192.168.1.5:8080", lan, "own"}, {"192.168.1.6", lan, "none"}, {"127.0.0.1", lan, "none"},
		{"", local, "none"}, {"alt", local, "none"}, {"evil.com", local, "none"}, {"pg.alt.evil.com", local, "none"},
		{"evilalt", local, "none"}, {"pg.alt@evil.com", local, "none"}, {"pg.localhost", local, "none"},
		{"pg-alt.localhost.evil.com", local, "none"}, {"pg.alt:80:80", local, "none"}, {"pg.alt:x", local, "none"},
		{"0.0.0.0", local, "none"}, {"2130706433", local, "none"}, {"bücher.alt", local, "bücher.alt bad"},
	} {
		p := locate(tc.host, "alt", tc.local)
		got := map[hostKind]string{hostNone: "none", hostOwn: "own", hostSite: p.name}[p.kind]
		for flag, on := range map[string]bool{" door": p.door, " moved": p.moved, " bad": p.bad} {
			if on != strings.Contains(tc.want, flag) {
				t.Errorf("%q:%s is %v", tc.host, flag, on)
			}
		}
		if want, _, _ := strings.Cut(tc.want, " "); got != want {
			t.Errorf("%q: %s, want %s", tc.host, got, want)
		}
	}
}

func TestOwnerName(t *testing.T) {
	for name, want := range map[string]string{"pg.alt": "pg.alt", "www.pg.alt": "pg.alt", "a.b.pg.alt": "pg.alt", "alt": "alt", "": ""} {
		if got := ownerName(name); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func TestIntent(t *testing.T) {
	const browser = "User-Agent: Mozilla/5.0\n"
	const page = "Accept: text/html,*/*\n"
	for name, tc := range map[string]struct {
		headers string
		want    intent
	}{
		"curl":                         {"User-Agent: curl/8\nAccept: */*", intentOwn},
		"typed, https":                 {browser + "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", intentOwn},
		"own image, https":             {browser + "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", intentOwn},
		"link, https":                  {browser + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", intentLink},
		"frame, https":                 {browser + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", intentEmbed},
		"object, https":                {browser + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: object", intentEmbed},
		"image, https":                 {browser + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", intentEmbed},
		"fetch, https":                 {browser + page + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors\nOrigin: http://evil.com", intentEmbed},
		"prerender, https":             {browser + "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nSec-Purpose: prefetch;prerender", intentEmbed},
		"typed, http":                  {browser + page, intentUnsure},
		"link, http":                   {browser + page + "Referer: http://evil.com/", intentUnsure},
		"link within, http":            {browser + page + "Referer: http://pg.alt/a", intentOwn},
		"link from its www, http":      {browser + page + "Referer: http://www.pg.alt/a", intentOwn},
		"link from its door":           {browser + page + "Referer: http://pg-alt.localhost:8080/a", intentOwn},
		"own image, http":              {browser + "Accept: image/*\nReferer: http://pg.alt/a", intentOwn},
		"image, http":                  {browser + "Accept: image/*\nReferer: http://evil.com/a", intentEmbed},
		"image without referrer, http": {browser + "Accept: image/*", intentHidden},
		"other site's image, http":     {browser + "Accept: image/*\nReferer: http://evil.alt/", intentEmbed},
		"lookalike's image, http":      {browser + "Accept: image/*\nReferer: http://pg.alt.evil.com/", intentEmbed},
		"fetch as a page, http":        {browser + page + "Origin: http://evil.com", intentEmbed},
		"sandboxed, http":              {browser + page + "Origin: null", intentEmbed},
		"prefetch, http":               {browser + page + "Purpose: prefetch", intentEmbed},
		"agent hidden":                 {"User-Agent: x\nAccept-Language: en\nAccept: image/*", intentHidden},
	} {
		r := httptest.NewRequest("GET", "http://pg.alt/", nil)
		for line := range strings.Lines(tc.headers) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
			r.Header.Set(k, v)
		}
		if got := intentOf(r, "pg.alt", "alt"); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func TestFind(t *testing.T) {
	plain := fstest.MapFS{
		"index.html": {}, "a.txt": {}, "about.html": {}, "dir/index.html": {}, "dir/x y.txt": {}, "empty/a.txt": {}, "v1.2": {},
		"odd/index.html/x": {}, "dir2/about.html/x": {},
	}
	with404 := fstest.MapFS{"index.html": {}, "404.html": {}, "empty/a.txt": {}}
	with200 := fstest.MapFS{"index.html": {}, "200.html": {}}
	for _, tc := range []struct {
		fs   fstest.MapFS
		path string
		page bool
		want string
	}{
		{plain, "/", true, "200 index.html"}, {plain, "", true, "200 index.html"}, {plain, "/index.html", true, "200 index.html"},
		{plain, "/a.txt", true, "200 a.txt"}, {plain, "/a.txt/", true, "missing"}, {plain, "/about", true, "200 about.html"},
		{plain, "/dir", true, "to /dir/"}, {plain, "/dir/", true, "200 dir/index.html"}, {plain, "/dir/x y.txt", true, "200 dir/x y.txt"},
		{plain, "/dir//x y.txt", false, "200 dir/x y.txt"}, {plain, "/dir/../a.txt", false, "200 a.txt"},
		{plain, "/empty/", true, "no index"}, {plain, "/empty", true, "to /empty/"}, {plain, "/odd/", true, "no index"},
		{plain, "/nothing.png", true, "missing"}, {plain, "/nothing", false, "missing"}, {plain, "/app/route", true, "200 index.html"},
		{plain, "/../../etc/passwd", false, "missing"}, {plain, "/..\\..\\a.txt", true, "missing"}, {plain, "/a.txt\x00.png", true, "missing"},
		{plain, "/dir\\index.html", true, "missing"}, {plain, "/v1.2", true, "200 v1.2"}, {plain, "/v1.3", true, "missing"},
		{with404, "/app/route", true, "404 404.html"}, {with404, "/no.png", false, "404 404.html"}, {with404, "/empty/", true, "404 404.html"},
		{with200, "/app/route", true, "200 200.html"}, {with200, "/no.png", true, "missing"}, {with200, "/app/route", false, "missing"},
		{fstest.MapFS{}, "/", true, "no index"},
	} {
		f, err := find(t.Context(), Site{FS: tc.fs}, tc.path, tc.page)
		got := fmt.Sprintf("%d %s", f.status, f.name)
		switch {
		case errors.Is(err, errNoIndex):
			got = "no index"
		case err != nil && asProblem(t.Context(), err, "").Kind == kindNotFound:
			got = "missing"
		case err != nil:
			got = err.Error()
		case f.redirect != "":
			got = "to " + f.redirect
		}
		if got != tc.want {
			t.Errorf("%q: %s, want %s", tc.path, got, tc.want)
		}
		f.Close()
	}
}

// one is a gateway for one site, and what it was asked to resolve.
func one(t testing.TB, files fstest.MapFS, change func(*Config)) (*Gateway, *[]string) {
	t.Helper()
	asked := new([]string)
	cfg := Config{Resolve: func(_ context.Context, name string) (Site, error) {
		*asked = append(*asked, name)
		return Site{Name: "pg.alt", Owner: keyNew, FS: hashed(files)}, nil
	}}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g, asked
}

// get asks as a program does; headers are "Key: value" lines.
func get(g http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	return ask(g, httptest.NewRequest("GET", target, nil), headers...)
}

func ask(g http.Handler, r *http.Request, headers ...string) *httptest.ResponseRecorder {
	if r.Host != "" && r.Method != http.MethodConnect {
		r.URL.Scheme, r.URL.Host = "", "" // origin-form, as a server gets it
	}
	r.RemoteAddr = "127.0.0.1:5555"
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

var (
	asPage  = []string{"User-Agent: Mozilla/5.0", "Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	asPlain = []string{"User-Agent: Mozilla/5.0", "Accept: text/html"} // a browser on plain http
)

func TestContent(t *testing.T) {
	text := strings.Repeat("0123456789", 20000)
	g, _ := one(t, fstest.MapFS{
		"index.html": {Data: []byte("<h1>hi</h1>")}, "old.html": {Data: []byte(`<meta charset="latin1">`)}, "big.txt": {Data: []byte(text)},
		"404.html": {Data: []byte("mine")}, "README": {Data: []byte("plain words")}, "a.wasm": {}, "x.js": {Data: []byte("1")},
	}, nil)
	w := get(g, "http://pg.alt/")
	h := w.Header()
	if w.Code != 200 || w.Body.String() != "<h1>hi</h1>" || h.Get("Content-Type") != "text/html; charset=utf-8" ||
		h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-cache" || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("%d %v %s", w.Code, h, w.Body)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("<h1>hi</h1>")))
	if h.Get("Etag") != `"`+sum+`"` {
		t.Errorf("ETag %s", h.Get("Etag"))
	}
	if w := get(g, "http://pg.alt/", `If-None-Match: "`+sum+`"`); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d", w.Code)
	}
	if w := get(g, "http://pg.alt/?v="+sum[:16]); !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("named by its hash: %s", w.Header().Get("Cache-Control"))
	}
	for path, want := range map[string]string{
		"old.html": "text/html", "README": "text/plain; charset=utf-8", "a.wasm": "application/wasm", "x.js": "text/javascript; charset=utf-8",
	} {
		if got := get(g, "http://pg.alt/"+path).Header().Get("Content-Type"); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	for ranges, want := range map[string]string{
		"bytes=0-9": "206 0123456789", "bytes=199995-": "206 56789", "bytes=-3": "206 789", "bytes=300000-": "416",
	} {
		w := get(g, "http://pg.alt/big.txt", "Range: "+ranges)
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.40s", ranges, got)
		}
	}
	if w := get(g, "http://pg.alt/no/such"); w.Code != 404 || w.Body.String() != "mine" || w.Header().Get("Etag") != "" {
		t.Errorf("404.html: %d %s", w.Code, w.Body)
	}
	w = ask(g, httptest.NewRequest("HEAD", "http://pg.alt/big.txt", nil))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "200000" {
		t.Errorf("HEAD: %d %v", w.Code, w.Header())
	}
	w = ask(g, httptest.NewRequest("POST", "http://pg.alt/", strings.NewReader("x")))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestPolicy(t *testing.T) {
	g, _ := one(t, fstest.MapFS{"index.html": {}}, nil)
	plain := get(g, "http://pg.alt/").Header().Get("Content-Security-Policy")
	if strings.Contains(plain, "treat-as-public-address") || !strings.Contains(plain, "frame-ancestors 'self'") {
		t.Errorf("http: %s", plain)
	}
	proxied := httptest.NewRecorder()
	g.ServeHTTP(proxied, httptest.NewRequest("GET", "http://pg.alt/", nil)) // absolute-form
	if got := proxied.Header().Get("Content-Security-Policy"); !strings.Contains(got, "treat-as-public-address") {
		t.Errorf("proxy: %s", got)
	}
	r := httptest.NewRequest("GET", "http://pg.alt/", nil)
	r.TLS = &tls.ConnectionState{ServerName: "pg.alt"}
	if got := ask(g, r).Header().Get("Content-Security-Policy"); !strings.Contains(got, "treat-as-public-address") {
		t.Errorf("https: %s", got)
	}
	if got := strings.Count(plain, "frame-ancestors"); got != 1 {
		t.Errorf("policy is sent %d times", got)
	}
}

// One host, one site; nothing but sites; no other door.
func TestHostsAreKeptApart(t *testing.T) {
	g, asked := one(t, fstest.MapFS{"index.html": {Data: []byte("site")}}, nil)
	for target, want := range map[string]int{
		"http://evil.com/": 421, "http://pg.alt.evil.com/": 421, "http://10.0.0.1/": 421, "http://alt/": 421,
		"http://a_b.alt/": 400, "http://pg.alt/": 200, "http://pg-alt.localhost:8080/": 200,
	} {
		if w := get(g, target); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if fmt.Sprint(*asked) != "[pg.alt pg.alt]" {
		t.Errorf("resolved %v", *asked)
	}
	if w := get(g, "http://pg.alt.:8080/x?y=1"); w.Code != 307 || w.Header().Get("Location") != "http://pg.alt:8080/x?y=1" {
		t.Errorf("final dot: %d %s", w.Code, w.Header().Get("Location"))
	}
	for _, target := range []string{"http://evil.com/", "http://127.0.0.1:8080/proxy.pac", "http://localhost/accept", "http://pg-alt.localhost/", "ftp://pg.alt/", "https://pg.alt/"} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", target, nil)) // as a proxy
		if w.Code != 403 {
			t.Errorf("proxied %s: %d", target, w.Code)
		}
	}
	for sni, want := range map[string]int{"other.alt": 421, "": 421, "www.pg.alt": 200, "PG.alt": 200} {
		r := httptest.NewRequest("GET", "http://pg.alt/", nil)
		r.TLS = &tls.ConnectionState{ServerName: sni}
		if w := ask(g, r); w.Code != want {
			t.Errorf("certificate of %q: %d", sni, w.Code)
		}
	}
}

// A page outside .alt cannot make the node look anything up, let alone fetch.
func TestForeignPagesCannotMakeReadersFetch(t *testing.T) {
	g, asked := one(t, fstest.MapFS{"index.html": {Data: []byte("site")}, "a.png": {}}, nil)
	browser := "User-Agent: Mozilla/5.0"
	for name, headers := range map[string][]string{
		"image":                  {browser, "Accept: image/*", "Referer: http://evil.com/"},
		"image without referrer": {browser, "Accept: image/*"},
		"image over https":       {browser, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"},
		"frame over https":       {browser, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
		"frame":                  {browser, "Accept: text/html", "Referer: http://evil.com/"},
		"fetch as a page":        {browser, "Accept: text/html"},
		"prefetch":               {browser, "Accept: text/html", "Sec-Purpose: prefetch"},
		"poll without token":     {browser, "Accept: " + progressType, "Altnet-Open: x"},
	} {
		for _, host := range []string{"pg.alt", "pg-alt.localhost:8080"} {
			w := get(g, "http://"+host+"/a.png", headers...)
			framed := !strings.Contains(w.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'")
			if w.Code == 200 && framed && w.Header().Get("Content-Type") != progressType {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
		}
	}
	if len(*asked) != 0 {
		t.Errorf("the node looked up %v", *asked)
	}
	link := []string{browser, "Accept: text/html", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	if w := get(g, "http://pg.alt/", link...); w.Body.String() != "site" {
		t.Errorf("a link was refused: %d", w.Code)
	}
	// Now the reader knows the site: nothing new is learnt or held.
	if w := get(g, "http://pg.alt/", asPlain...); w.Body.String() != "site" {
		t.Errorf("a known site waits: %d", w.Code)
	}
}

func TestWaitingPageOpensTheSite(t *testing.T) {
	g, asked := one(t, fstest.MapFS{"index.html": {Data: []byte("site")}}, nil)
	w := get(g, "http://pg.alt/a?b=c", asPlain...)
	if w.Header().Get("Altnet-Problem") != "waiting" || len(*asked) != 0 {
		t.Fatalf("no waiting page: %v, asked %v", w.Header(), *asked)
	}
	page := w.Body.String()
	token := between(t, page, `data-token="`, `"`)
	w = get(g, "http://pg.alt/a?b=c", "User-Agent: Mozilla/5.0", "Accept: "+progressType, "Altnet-Open: "+token)
	if !strings.Contains(w.Body.String(), `"ready":true`) || len(*asked) == 0 {
		t.Errorf("poll: %s, asked %v", w.Body, *asked)
	}
	if w := get(g, "http://pg.alt/", asPlain...); w.Body.String() != "site" {
		t.Errorf("after the poll: %d", w.Code)
	}
	other, _ := one(t, fstest.MapFS{"index.html": {}}, nil)
	other.tokens = g.tokens
	link := strings.ReplaceAll(between(t, page, `button main" href="`, `"`), "&amp;", "&")
	w = get(other, "http://pg.alt"+link, asPlain...)
	if w.Code != 303 || w.Header().Get("Location") != "/a?b=c" {
		t.Errorf("without scripts: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w := get(other, "http://other.alt"+link, asPlain...); w.Code == 303 {
		t.Error("the token of one site opens another")
	}
}

func between(t testing.TB, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	if !ok {
		t.Fatalf("no %q in %s", from, s)
	}
	out, _, _ := strings.Cut(rest, to)
	return out
}

func TestSlowSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrive := make(chan struct{})
		g, _ := one(t, nil, func(c *Config) {
			c.Resolve = func(ctx context.Context, name string) (Site, error) {
				select {
				case <-arrive:
					return Site{Name: name, FS: fstest.MapFS{"index.html": {Data: []byte("site")}}}, nil
				case <-ctx.Done():
					return Site{}, context.Cause(ctx)
				}
			}
		})
		began := time.Now()
		w := get(g, "http://pg.alt/", asPage...)
		if w.Header().Get("Altnet-Problem") != "waiting" || time.Since(began) > 2*time.Second {
			t.Fatalf("after %v: %v", time.Since(began), w.Header())
		}
		token := between(t, w.Body.String(), `data-token="`, `"`)
		poll := func() string {
			return get(g, "http://pg.alt/", append(asPage[:2:2], "Accept: "+progressType, "Altnet-Open: "+token)...).Body.String()
		}
		if p := poll(); !strings.Contains(p, `"ready":false`) {
			t.Errorf("too early: %s", p)
		}
		close(arrive)
		if p := poll(); !strings.Contains(p, `"ready":true`) {
			t.Errorf("not told: %s", p)
		}
		if w := get(g, "http://pg.alt/", asPage...); w.Body.String() != "site" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestSiteThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := one(t, nil, func(c *Config) {
			c.Resolve = func(ctx context.Context, _ string) (Site, error) { <-ctx.Done(); return Site{}, ctx.Err() }
		})
		if w := get(g, "http://pg.alt/x.png"); w.Code != 504 {
			t.Errorf("a program got %d", w.Code)
		}
		w := get(g, "http://pg.alt/", asPage...)
		token := between(t, w.Body.String(), `data-token="`, `"`)
		polls := 0
		for ; polls < 100; polls++ {
			p := get(g, "http://pg.alt/", "Accept: "+progressType, "Altnet-Open: "+token).Body.String()
			if strings.Contains(p, `"ready":true`) {
				break
			}
		}
		if polls < 20 || polls > 40 {
			t.Errorf("%d polls of a second", polls)
		}
		if w := get(g, "http://pg.alt/", asPage...); w.Code != 504 || w.Header().Get("Altnet-Problem") != "timeout" {
			t.Errorf("at last: %d %v", w.Code, w.Header())
		}
	})
}

func TestLookupsLeftAloneAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := one(t, nil, func(c *Config) {
			c.Resolve = func(ctx context.Context, _ string) (Site, error) { <-ctx.Done(); return Site{}, ctx.Err() }
		})
		busy := 0
		for i := range maxWaits + 5 {
			r := httptest.NewRequest("GET", fmt.Sprintf("http://n%d.alt/", i), nil)
			ctx, cancel := context.WithCancel(r.Context())
			cancel() // the reader goes on at once
			if w := ask(g, r.WithContext(ctx), asPage...); w.Header().Get("Altnet-Problem") == "busy" {
				busy++
			}
		}
		count := func() (running, ended int) {
			g.waits.mu.Lock()
			defer g.waits.mu.Unlock()
			return len(g.waits.running), len(g.waits.ended)
		}
		if running, _ := count(); busy != 5 || running != maxWaits {
			t.Errorf("%d refused, %d running", busy, running)
		}
		time.Sleep(2 * time.Minute) // virtual
		if running, ended := count(); running != 0 || ended > maxWaits {
			t.Errorf("%d look-ups never ended, %d outcomes kept", running, ended)
		}
	})
}

func TestLocalCopyMeanwhile(t *testing.T) {
	g, _ := one(t, nil, func(c *Config) {
		c.Resolve = func(context.Context, string) (Site, error) { return Site{}, &Problem{Kind: NoPeer} }
		c.Local = func(name string) (Site, bool) {
			return Site{Name: name, Date: time.Unix(1e9, 0), FS: fstest.MapFS{"index.html": {Data: []byte("copy")}}}, true
		}
	})
	w := get(g, "http://pg.alt/", asPage...)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Fatalf("%d", w.Code)
	}
	link := strings.ReplaceAll(between(t, w.Body.String(), `class="button" href="`, `"`), "&amp;", "&")
	if w := get(g, "http://pg.alt"+link, asPage...); w.Code != 303 || w.Header().Get("Location") != "/" {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
	}
	w = get(g, "http://pg.alt/", asPage...)
	if w.Body.String() != "copy" || w.Header().Get("Altnet-Copy") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := get(g, "http://other.alt/", asPage...); w.Code != 503 {
		t.Error("another site's copy is shown too")
	}
}

func TestProblemPages(t *testing.T) {
	g, err := New(troubles())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for name, p := range problems() {
		for _, headers := range [][]string{asPage, {"Accept: */*"}} {
			w := get(g, "http://"+name+".alt/some/page", headers...)
			if w.Code != looksOf(p.Kind).status || w.Header().Get("Altnet-Problem") != string(p.Kind) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", name, w.Code, w.Header())
			}
			title := g.pages.say(g.pages.catalog.For(""), string(p.Kind)+".title", name+".alt")
			if body := html.UnescapeString(w.Body.String()); !strings.Contains(body, title) || strings.Contains(body, "{name}") || strings.Contains(body, "{suffix}") {
				t.Errorf("%s: %s", name, body)
			}
		}
	}
}

func TestEveryProblemHasItsTexts(t *testing.T) {
	g, _ := one(t, nil, nil)
	texts := g.pages.catalog.For("")
	for _, k := range []Kind{
		Unknown, NoPeer, Blocked, Conflict, OwnerChanged, Withdrawn, Expired, NotGranted, Offline, BadName, WrongClock, Corrupt, Internal,
		kindTimeout, kindNotFound, kindNoIndex, kindEmbed, kindMisdirected, kindProxy, kindMethod, kindBusy,
	} {
		keys := []string{string(k) + ".title", string(k) + ".lead"}
		for i := range looksOf(k).hints {
			keys = append(keys, fmt.Sprintf("%s.hint.%d", k, i+1))
		}
		for _, key := range keys {
			if !texts.Has(key) {
				t.Errorf("no text %s", key)
			}
		}
	}
}

func TestPagesEscapeWhatOthersWrote(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	g, _ := one(t, nil, func(c *Config) {
		c.Resolve = func(context.Context, string) (Site, error) {
			return Site{}, &Problem{Kind: Conflict, Name: evil, Reason: evil, Owner: evil, Err: errors.New(evil), Claims: []Claim{{Address: evil}, {Address: "javascript:alert(1)"}}}
		}
	})
	body := get(g, "http://pg.alt/"+url.PathEscape(evil), asPage...).Body.String()
	if strings.Contains(body, "<script>alert") || strings.Contains(body, `href="javascript:`) {
		t.Error(body)
	}
}

func TestMissingBlocksAreNotMissingPages(t *testing.T) {
	for want, err := range map[Kind]error{
		kindNoIndex: errNoIndex, kindNotFound: os.ErrNotExist, NoPeer: site.ErrMissing, Corrupt: site.ErrCorrupt, Internal: errors.New("x"), kindTimeout: context.DeadlineExceeded,
	} {
		if got := asProblem(t.Context(), fmt.Errorf("open: %w", err), "pg.alt").Kind; got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}

func TestRedirectToHTTPS(t *testing.T) {
	trusted := false
	authority := newCA(t)
	g, _ := one(t, fstest.MapFS{"index.html": {}, "a.png": {}}, func(c *Config) {
		c.CA, c.TLSPort, c.Trusted = authority, 8443, func() bool { return trusted }
	})
	if w := get(g, "http://pg.alt:8080/x?y", asPage...); w.Code == 307 {
		t.Error("redirected before the root is trusted")
	}
	trusted = true
	if w := get(g, "http://pg.alt:8080/x?y", asPage...); w.Header().Get("Location") != "https://pg.alt:8443/x?y" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "http://pg.alt/x", nil)
	r.Header.Set("Accept", "text/html")
	if g.ServeHTTP(w, r); w.Header().Get("Location") != "https://pg.alt/x" {
		t.Errorf("proxied: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w := get(g, "http://pg-alt.localhost:8080/", asPage...); w.Code != 200 {
		t.Errorf("second door: %d", w.Code)
	}
}

// sections serves blocks from a file on disk, as the store does, except odd ones.
func sections(t testing.TB, blocks *mem, odd func(wire.Hash) bool) func(wire.Hash) (*os.File, int64, int64, error) {
	pack := filepath.Join(t.TempDir(), "pack")
	var all bytes.Buffer
	at := map[wire.Hash]int64{}
	for h, data := range blocks.blocks {
		all.WriteString("header")
		at[h] = int64(all.Len())
		all.Write(data)
	}
	if err := os.WriteFile(pack, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(h wire.Hash) (*os.File, int64, int64, error) {
		if odd(h) {
			return nil, 0, 0, os.ErrNotExist
		}
		f, err := os.Open(pack)
		return f, at[h], int64(len(blocks.blocks[h])), err
	}
}

func TestSections(t *testing.T) {
	big := make([]byte, 5*site.ChunkSize+777)
	for i := range big {
		big[i] = byte(i>>8) ^ byte(i)*7
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "film.mp4"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.html"), append([]byte("<p>"), big...), 0o600); err != nil {
		t.Fatal(err)
	}
	fsys, blocks := build(t, dir)
	for name, odd := range map[string]func(wire.Hash) bool{
		"all": func(wire.Hash) bool { return false }, "none": func(wire.Hash) bool { return true },
		"some": func(h wire.Hash) bool { return h[0]%2 == 0 },
	} {
		section := sections(t, blocks, odd)
		_, addr := startGateway(t, Config{
			Resolve: func(context.Context, string) (Site, error) { return Site{Name: "pg.alt", FS: fsys}, nil },
			Section: section,
		})
		fetch := func(path, ranges string) []byte {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+path, nil)
			r.Host = "pg.alt"
			if ranges != "" {
				r.Header.Set("Range", "bytes="+ranges)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			data, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		if !bytes.Equal(fetch("/film.mp4", ""), big) {
			t.Errorf("%s: the film differs", name)
		}
		if got := fetch("/page.html", ""); !bytes.Equal(got[3:], big) {
			t.Errorf("%s: the page differs", name)
		}
		if got := fetch("/film.mp4", "262100-1000000"); !bytes.Equal(got, big[262100:1000001]) {
			t.Errorf("%s: the range differs", name)
		}
		if got := fetch("/film.mp4", "0-1,262143-262145"); !bytes.Contains(got, big[262143:262146]) {
			t.Errorf("%s: the ranges differ", name)
		}
	}
}

func TestTunnel(t *testing.T) {
	g, addr := startGateway(t, Config{Resolve: func(_ context.Context, name string) (Site, error) {
		return Site{Name: name, FS: fstest.MapFS{"index.html": {Data: []byte("site of " + name)}}}, nil
	}})
	roots := x509.NewCertPool()
	roots.AddCert(g.cfg.CA.Root())
	proxy := &url.URL{Scheme: "http", Host: addr}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	for _, target := range []string{"http://pg.alt/", "https://pg.alt/", "https://www.pg.alt/"} {
		resp, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "site of " + strings.TrimSuffix(target[strings.Index(target, "//")+2:], "/"); string(body) != want {
			t.Errorf("%s: %s", target, body)
		}
		if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "treat-as-public-address") {
			t.Errorf("%s: %s", target, resp.Header.Get("Content-Security-Policy"))
		}
	}
	for _, target := range []string{"https://example.com/", "https://127.0.0.1/", "https://localhost/", "https://pg.alt:22/"} {
		if resp, err := client.Get(target); err == nil {
			resp.Body.Close()
			t.Errorf("the proxy opened %s: %d", target, resp.StatusCode)
		}
	}
	conn := dialTunnel(t, addr, "pg.alt:80")
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: pg.alt\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("plain http in a tunnel: %v %v", resp, err)
	}
	inside := dialTunnel(t, addr, "pg.alt:80")
	fmt.Fprint(inside, "GET /accept HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(inside), nil); err != nil || resp.StatusCode != 403 {
		t.Errorf("the gateway's own pages through a tunnel: %v %v", resp, err)
	}
}

// A CONNECT with a body means one thing to whoever counts the body and another
// to whoever takes it for the tunnel's first bytes. A body that never comes
// holds up nobody.
func TestBodies(t *testing.T) {
	_, addr := startGateway(t, troubles())
	for head, want := range map[string]int{
		"CONNECT fine.alt:80 HTTP/1.1\r\nContent-Length: 200": 403, "CONNECT fine.alt:80 HTTP/1.1\r\nTransfer-Encoding: chunked": 403,
		"GET / HTTP/1.1\r\nContent-Length: 200": 200, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked": 405,
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s\r\nHost: fine.alt:80\r\n\r\nGET / HTTP/1.1\r\nHost: fine.alt\r\n\r\n", head)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: %v %v", head, resp, err)
		}
	}
}

func dialTunnel(t *testing.T, addr, target string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	head := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(conn, head); err != nil || !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
		t.Fatalf("%q %v", head, err)
	}
	return conn
}

func TestCloseEndsTunnels(t *testing.T) {
	g, addr := startGateway(t, troubles())
	silent := dialTunnel(t, addr, "fine.alt:443")
	g.Close()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel is still open")
	}
	l := listener(t)
	if err := g.Serve(l); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("a closed gateway leaves its listener open")
	}
}

func listener(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"altnet/engine/site"
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
	app := fstest.MapFS{"index.html": {}, "assets/app.js": {}, "assets/img/a.png": {}, "sitemap.xml": {}}
	deep := fstest.MapFS{"index.html": {}, "assets/app.js": {}, "docs/de/more.HTM": {}}
	wide := fstest.MapFS{"index.html": {}}
	for i := range appFolders {
		wide[fmt.Sprintf("f%d/a.txt", i)] = &fstest.MapFile{}
	}
	with200 := fstest.MapFS{"index.html": {}, "200.html": {}, "about.html": {}}
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
		{plain, "/nothing.png", true, "missing"}, {plain, "/nothing", false, "missing"}, {plain, "/app/route", true, "missing"},
		{plain, "/../../etc/passwd", false, "missing"}, {plain, "/..\\..\\a.txt", true, "missing"}, {plain, "/a.txt\x00.png", true, "missing"},
		{plain, "/dir\\index.html", true, "missing"}, {plain, "/v1.2", true, "200 v1.2"}, {plain, "/v1.3", true, "missing"},
		{with404, "/app/route", true, "404 404.html"}, {with404, "/no.png", false, "404 404.html"}, {with404, "/empty/", true, "404 404.html"},
		{with200, "/app/route", true, "200 200.html"}, {with200, "/no.png", true, "missing"}, {with200, "/app/route", false, "missing"},
		{app, "/app/route", true, "200 index.html"}, {app, "/app/route", false, "missing"}, {app, "/no.png", true, "missing"},
		{app, "/assets/", true, "no index"}, {deep, "/app/route", true, "missing"}, {wide, "/app/route", true, "missing"},
		{fstest.MapFS{}, "/", true, "no index"}, {fstest.MapFS{}, "/app/route", true, "missing"},
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

package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

const home = "http://127.0.0.1:8080"

func TestPAC(t *testing.T) {
	g, _ := one(t, nil, nil)
	w := get(g, home+"/proxy.pac")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-ns-proxy-autoconfig" ||
		!strings.Contains(w.Body.String(), `"PROXY 127.0.0.1:8080"`) || !strings.Contains(w.Body.String(), `dnsDomainIs(host, ".alt")`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := get(g, "http://localhost:1/proxy.pac"); !strings.Contains(w.Body.String(), "PROXY 127.0.0.1:8080") {
		t.Errorf("the Host header moves the proxy: %s", w.Body)
	}
}

// Pages elsewhere can neither read the gateway's own pages nor tell that they exist.
func TestOwnPagesAreNotForOthers(t *testing.T) {
	g, _ := one(t, nil, nil)
	for _, path := range []string{"/", "/proxy.pac", "/open?name=x", "/ca.pem", "/accept", "/none"} {
		for _, site := range []string{"cross-site", "same-site"} {
			if w := get(g, home+path, "Sec-Fetch-Site: "+site, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"); w.Code != 403 {
				t.Errorf("%s by a script tag (%s): %d", path, site, w.Code)
			}
			if w := get(g, home+path, "Sec-Fetch-Site: "+site, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"); w.Code != 403 {
				t.Errorf("%s in a frame (%s): %d", path, site, w.Code)
			}
		}
		if w := get(g, "http://rebound.evil.com:8080"+path); w.Code != 421 {
			t.Errorf("%s rebound: %d", path, w.Code)
		}
		h := get(g, home+path).Header()
		if h.Get("X-Frame-Options") != "DENY" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestOpen(t *testing.T) {
	g, _ := one(t, nil, nil)
	for typed, want := range map[string]string{
		"pg": "http://pg-alt.localhost:8080/", "pg.alt": "http://pg-alt.localhost:8080/", " WWW.PG.alt/ ": "http://www.pg-alt.localhost:8080/",
		"http://pg.alt/x": "http://pg-alt.localhost:8080/", "a_b": "", "": "", "evil.com@x": "", "evil.com/": "", "Bücher.alt": "http://xn--bcher-kva-alt.localhost:8080/",
	} {
		w := get(g, home+"/open?name="+url.QueryEscape(typed))
		if got := w.Header().Get("Location"); got != want || want == "" && w.Code != 200 {
			t.Errorf("%q: %d %s", typed, w.Code, got)
		}
	}
}

// changed is a gateway whose one site has another owner until it is accepted.
func changed(t *testing.T) (g *Gateway, accepted *[]string) {
	accepted = new([]string)
	g, _ = one(t, nil, func(c *Config) {
		c.Origin, c.Secret = home, []byte("of this node")
		c.Resolve = func(_ context.Context, name string) (Site, error) {
			if len(*accepted) == 0 {
				return Site{}, &Problem{Kind: OwnerChanged, Owner: keyNew, Pinned: keyOld}
			}
			return Site{Name: name, Owner: keyNew, OwnerChanged: true, FS: fstest.MapFS{"index.html": {Data: []byte("new site")}, "sw.js": {Data: []byte("new worker")}}}, nil
		}
		c.Accept = func(_ context.Context, name, owner string) error {
			*accepted = append(*accepted, name+" "+owner)
			return nil
		}
	})
	return g, accepted
}

func post(g http.Handler, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", home+"/accept", strings.NewReader(form.Encode()))
	return ask(g, r, append([]string{"Content-Type: application/x-www-form-urlencoded"}, headers...)...)
}

func fields(t *testing.T, page string) url.Values {
	form := url.Values{}
	for _, name := range []string{"name", "owner", "back", "token"} {
		form.Set(name, strings.ReplaceAll(between(t, page, `name="`+name+`" value="`, `"`), "&amp;", "&"))
	}
	return form
}

func TestNewOwnerIsAcceptedByTheReaderAlone(t *testing.T) {
	g, accepted := changed(t)
	warning := get(g, "http://pg.alt/a?b=c", asPage...)
	link := strings.ReplaceAll(between(t, warning.Body.String(), `button main" href="`, `"`), "&amp;", "&")
	if !strings.HasPrefix(link, home+"/accept?") {
		t.Fatalf("link %s", link)
	}
	question := get(g, link, append(asPage[:2:2], "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")...)
	if question.Code != 200 || !strings.Contains(question.Body.String(), keyNew) || !strings.Contains(question.Body.String(), keyOld) {
		t.Fatalf("%d %s", question.Code, question.Body)
	}
	form := fields(t, question.Body.String())
	for name, try := range map[string]func() *httptest.ResponseRecorder{
		"from a site": func() *httptest.ResponseRecorder {
			return post(g, form, "Sec-Fetch-Site: cross-site", "Origin: http://pg.alt")
		},
		"from an old page": func() *httptest.ResponseRecorder { return post(g, form, "Origin: http://evil.com") },
		"other owner":      func() *httptest.ResponseRecorder { return post(g, with(form, "owner", keyOld)) },
		"other name":       func() *httptest.ResponseRecorder { return post(g, with(form, "name", "x.alt")) },
		"led elsewhere":    func() *httptest.ResponseRecorder { return post(g, with(form, "back", "http://evil.com/")) },
		"no token":         func() *httptest.ResponseRecorder { return post(g, with(form, "token", "")) },
		"link's token": func() *httptest.ResponseRecorder {
			return post(g, with(form, "token", between(t, link, "token=", "&")))
		},
		"on a site's host": func() *httptest.ResponseRecorder {
			return ask(g, httptest.NewRequest("POST", "http://pg.alt/accept", strings.NewReader(form.Encode())))
		},
		"by GET": func() *httptest.ResponseRecorder { return get(g, home+"/accept?"+form.Encode()) },
		"through the proxy": func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest("POST", home+"/accept", strings.NewReader(form.Encode())))
			return w
		},
		"from another machine": func() *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/accept", strings.NewReader(form.Encode()))
			r.Host, r.RemoteAddr = "127.0.0.1:8080", "192.168.1.9:5"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			g.own.ServeHTTP(w, r)
			return w
		},
	} {
		if w := try(); w.Code < 400 || len(*accepted) != 0 {
			t.Fatalf("%s: %d, accepted %v", name, w.Code, *accepted)
		}
	}
	w := post(g, form, "Sec-Fetch-Site: same-origin", "Origin: "+home)
	if w.Code != 303 || w.Header().Get("Location") != "http://pg.alt/a?b=c" || fmt.Sprint(*accepted) != "[pg.alt "+keyNew+"]" {
		t.Errorf("%d %s, accepted %v", w.Code, w.Header().Get("Location"), *accepted)
	}
}

func with(form url.Values, key, value string) url.Values {
	out := url.Values{}
	for k := range form {
		out.Set(k, form.Get(k))
	}
	out.Set(key, value)
	return out
}

// The question cannot be put up by a page of somebody else's making.
func TestQuestionNeedsTheGatewaysOwnLink(t *testing.T) {
	g, _ := changed(t)
	q := url.Values{"name": {"pg.alt"}, "owner": {keyNew}, "known": {keyOld}, "back": {"http://pg.alt/"}}
	if w := get(g, home+"/accept?"+q.Encode(), asPage...); w.Code != 403 {
		t.Errorf("without token: %d", w.Code)
	}
	q.Set("token", g.tokens.mint(tokenReview, question(q), time.Now()))
	if w := get(g, home+"/accept?"+q.Encode(), asPage...); w.Code != 200 {
		t.Errorf("with token: %d", w.Code)
	}
	q.Set("known", keyNew)
	if w := get(g, home+"/accept?"+q.Encode(), asPage...); w.Code != 403 {
		t.Errorf("altered: %d", w.Code)
	}
}

func TestFormerOwnersDataIsClearedFirst(t *testing.T) {
	g, accepted := changed(t)
	*accepted = append(*accepted, "")
	w := get(g, "http://pg.alt/a", asPage...)
	if w.Header().Get("Clear-Site-Data") != clearAll || strings.Contains(w.Body.String(), "new site") {
		t.Fatalf("%v %s", w.Header(), w.Body)
	}
	// The former owner's service worker asks for an update: it ends.
	worker := get(g, "http://pg.alt/sw.js", "User-Agent: Mozilla/5.0", "Service-Worker: script", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: same-origin")
	if !strings.Contains(worker.Body.String(), "unregister") || worker.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("worker: %s", worker.Body)
	}
	next := strings.ReplaceAll(between(t, w.Body.String(), `data-next="`, `"`), "&amp;", "&")
	w = get(g, "http://pg.alt"+next, asPage...)
	cookie := w.Header().Get("Set-Cookie")
	if w.Code != 303 || w.Header().Get("Location") != "/a" || !strings.HasPrefix(cookie, cleanCookie+"=") || !strings.Contains(cookie, "HttpOnly") || w.Header().Get("Clear-Site-Data") != "" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	marked := append(asPage[:len(asPage):len(asPage)], "Cookie: "+between(t, cookie, "", ";"))
	g.wiped.Purge() // the grace is over
	if w := get(g, "http://pg.alt/", marked...); w.Body.String() != "new site" || w.Header().Get("Clear-Site-Data") != "" {
		t.Errorf("after: %v %s", w.Header(), w.Body)
	}
	if w := get(g, "http://pg.alt/sw.js", append(marked, "Service-Worker: script")...); w.Body.String() != "new worker" {
		t.Errorf("the new worker: %s", w.Body)
	}
	// The former owner's pages set what cookies they can compute, while they can.
	for _, mark := range []string{g.ownerMark("pg.alt", keyOld), g.ownerMark("other.alt", keyNew), publicMark(keyNew, 8), publicMark(keyNew, 16)} {
		forged := append(asPage[:len(asPage):len(asPage)], "Cookie: "+cleanCookie+"="+mark)
		if w := get(g, "http://pg.alt/", forged...); w.Header().Get("Clear-Site-Data") == "" {
			t.Errorf("the mark %s passes", mark)
		}
	}
	again, err := New(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if w := get(again, "http://pg.alt/", marked...); w.Body.String() != "new site" {
		t.Errorf("after a restart: %s", w.Body)
	}
	if w := get(g, "http://pg.alt/"); w.Body.String() != "new site" {
		t.Errorf("a program got %s", w.Body)
	}
}

// publicMark is a mark made of nothing but the owner's key.
func publicMark(owner string, n int) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:n])
}

// A page chooses its paths, and opens as many as it likes: what is remembered
// of each must be small.
func TestPathsAreNotRemembered(t *testing.T) {
	long := strings.Repeat("a/", 20_000)
	r := &request{Request: httptest.NewRequest("GET", "http://pg.alt/"+long, nil)}
	for _, key := range []string{waitKey(r), wipeKey(r)} {
		if len(key) > 64 {
			t.Errorf("a key of %d bytes", len(key))
		}
	}
	if waitKey(r) == waitKey(&request{Request: httptest.NewRequest("GET", "http://pg.alt/"+long+"b", nil)}) {
		t.Error("two paths, one key")
	}
}

func TestWorkersOfLostNamesEnd(t *testing.T) {
	g, err := New(troubles())
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for name, p := range problems() {
		w := get(g, "http://"+name+".alt/sw.js", "User-Agent: Mozilla/5.0", "Service-Worker: script", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: same-origin")
		if ends := strings.Contains(w.Body.String(), "unregister"); ends != looksOf(p.Kind).gone || ends != (w.Code == 200) {
			t.Errorf("%s: %d %v", name, w.Code, w.Body)
		}
	}
}

func TestTokens(t *testing.T) {
	a, b := tokens{secret: [32]byte{1}}, tokens{secret: [32]byte{2}}
	now := time.Unix(1e9, 0)
	token := a.mint("p", "s", now)
	for name, ok := range map[string]bool{
		"itself": a.valid("p", "s", token, now), "later": a.valid("p", "s", token, now.Add(tokenLife-time.Second)),
	} {
		if !ok {
			t.Errorf("%s is refused", name)
		}
	}
	for name, ok := range map[string]bool{
		"old": a.valid("p", "s", token, now.Add(tokenLife)), "other purpose": a.valid("q", "s", token, now),
		"other subject": a.valid("p", "t", token, now), "other process": b.valid("p", "s", token, now),
		"moved border": a.valid("ps", "", token, now), "short": a.valid("p", "s", token[:10], now), "empty": a.valid("p", "s", "", now),
	} {
		if ok {
			t.Errorf("%s passes", name)
		}
	}
}

package gateway

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// previewed is a gateway with one preview open.
func previewed(t *testing.T, end func()) (g *Gateway, base string) {
	g, _ = one(t, fstest.MapFS{"index.html": {Data: []byte("published")}}, nil)
	g.door = "8080"
	draft := Site{Name: "pg.alt", Owner: keyNew, FS: hashed(fstest.MapFS{
		"index.html": {Data: []byte("draft")}, "sw.js": {Data: []byte("worker")}, "dir/index.html": {Data: []byte("below")},
	})}
	base, err := g.Preview(draft, time.Hour, end)
	if err != nil {
		t.Fatal(err)
	}
	return g, base
}

func TestPreview(t *testing.T) {
	g, base := previewed(t, nil)
	u, err := url.Parse(base)
	if err != nil || !isPreview(strings.TrimSuffix(u.Hostname(), ".localhost")) || u.Port() != "8080" {
		t.Fatalf("%s, %v", base, err)
	}
	w := get(g, base, asPage...)
	if w.Code != 200 || w.Body.String() != "draft" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "treat-as-public-address; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if w := get(g, base+"dir", asPage...); w.Code != 307 || w.Header().Get("Location") != "/dir/" {
		t.Errorf("a folder: %d %s", w.Code, w.Header().Get("Location"))
	}
	for name, headers := range map[string][]string{
		"a frame":         {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"},
		"another preview": {"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"},
		"a worker":        {"Service-Worker: script", "Sec-Fetch-Site: same-origin"},
	} {
		if w := get(g, base, headers...); w.Code != 421 || strings.Contains(w.Body.String(), "draft") {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	r := httptest.NewRequest("GET", base, nil)
	r.URL.Scheme, r.URL.Host, r.RemoteAddr = "", "", "192.168.1.9:1234"
	remote := httptest.NewRecorder()
	if g.ServeHTTP(remote, r); remote.Code != 421 {
		t.Errorf("from another machine: %d", remote.Code)
	}
	proxied := httptest.NewRecorder()
	if g.ServeHTTP(proxied, httptest.NewRequest("GET", base, nil)); proxied.Code != 403 {
		t.Errorf("by the proxy: %d", proxied.Code)
	}
	if w := get(g, "http://abcdefghijklmnopqrstuvwxyz.localhost:8080/", asPage...); w.Code != 404 || !strings.Contains(w.Body.String(), "preview has ended") {
		t.Errorf("a guess: %d", w.Code)
	}
	if w := get(g, "http://pg-alt.localhost:8080/", asPage...); w.Body.String() != "published" {
		t.Errorf("readers see %s", w.Body)
	}
}

func TestPreviewIsNoVisit(t *testing.T) {
	g, base := previewed(t, nil)
	visits := 0
	g.cfg.Visit = func(Visit) { visits++ }
	get(g, base, asPage...)
	if visits != 0 {
		t.Errorf("%d visits", visits)
	}
	get(g, "http://pg-alt.localhost:8080/", asPage...)
	if visits != 1 {
		t.Errorf("%d visits", visits)
	}
}

func TestPreviewEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		g, base := previewed(t, func() { ended++ })
		time.Sleep(time.Hour - time.Second)
		if w := get(g, base, asPage...); w.Code != 200 {
			t.Errorf("within the hour: %d", w.Code)
		}
		time.Sleep(time.Minute)
		if w := get(g, base, asPage...); w.Code != 404 || ended != 1 {
			t.Errorf("after it: %d, ended %d times", w.Code, ended)
		}
		again, err := g.Preview(Site{FS: fstest.MapFS{}}, time.Hour, func() { ended++ })
		if err != nil || again == base {
			t.Errorf("%s, %v", again, err)
		}
		g.EndPreviews(func(s Site) bool { return s.Name == "other" })
		if ended != 1 {
			t.Error("a preview that was not meant has ended")
		}
		g.Close()
		if ended != 2 {
			t.Errorf("closing leaves previews open: %d", ended)
		}
	})
}

func TestPreviewsAreBounded(t *testing.T) {
	g, first := previewed(t, nil)
	for range maxPreviews {
		if _, err := g.Preview(Site{FS: fstest.MapFS{}}, time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	if w := get(g, first, asPage...); w.Code != 404 || len(g.looked.open) != maxPreviews {
		t.Errorf("%d, %d open", w.Code, len(g.looked.open))
	}
}

func TestPreviewNeedsAnAddress(t *testing.T) {
	g, _ := one(t, nil, nil)
	if _, err := g.Preview(Site{}, time.Hour, nil); err != ErrNoPreview {
		t.Error(err)
	}
}

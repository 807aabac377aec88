package gateway

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

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

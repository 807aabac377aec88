package gateway

import (
	"context"
	"encoding/json"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"altnet/engine/site"
	"altnet/engine/wire"
)

// poll asks as the script of a waiting or failing page does.
func poll(t *testing.T, g *Gateway, token, shown string) (reply progressReply) {
	t.Helper()
	w := get(g, "http://pg.alt/", "User-Agent: Mozilla/5.0", "Accept: "+progressType, "Altnet-Open: "+token, "Altnet-Shown: "+shown)
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return reply
}

// A page without a holder goes on asking, says so, and opens the site when one
// comes.
func TestFailingPageGoesOnTrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		var asked atomic.Int32
		g, _ := one(t, nil, func(c *Config) {
			c.Resolve = func(ctx context.Context, name string) (Site, error) {
				asked.Add(1)
				if !there.Load() {
					time.Sleep(4 * time.Second)
					return Site{}, &Problem{Kind: NoPeer}
				}
				return Site{Name: name, FS: fstest.MapFS{"index.html": {Data: []byte("there")}}}, nil
			}
			c.Progress = func(string) Progress { return Progress{Stage: StageFetching, Peers: 2, Done: 1000, Total: 2000} }
		})
		waiting := get(g, "http://pg.alt/", asPage...)
		token := between(t, waiting.Body.String(), `data-token="`, `"`)
		if p := poll(t, g, token, ""); p.Ready || !strings.Contains(p.Text, "2 peers") || p.Done != 1000 || p.Total != 2000 {
			t.Errorf("under way: %+v", p)
		}
		time.Sleep(5 * time.Second)
		if p := poll(t, g, token, ""); !p.Ready {
			t.Errorf("a failure is not shown: %+v", p)
		}
		failed := get(g, "http://pg.alt/", asPage...)
		if failed.Code != 503 || !strings.Contains(failed.Body.String(), `data-shown="nopeer"`) || !strings.Contains(failed.Body.String(), `<noscript><meta http-equiv="refresh"`) {
			t.Fatalf("%d %s", failed.Code, failed.Body)
		}
		token = between(t, failed.Body.String(), `data-token="`, `"`)
		for range 60 {
			if p := poll(t, g, token, "nopeer"); p.Ready || p.Text == "" {
				t.Fatalf("the same failure is news: %+v", p)
			}
			time.Sleep(250 * time.Millisecond)
		}
		if n := asked.Load(); n < 4 || n > 12 {
			t.Errorf("asked %d times in more than a minute", n)
		}
		there.Store(true)
		ready := false
		for range 30 {
			if ready = poll(t, g, token, "nopeer").Ready; ready {
				break
			}
			time.Sleep(250 * time.Millisecond)
		}
		if w := get(g, "http://pg.alt/", asPage...); !ready || w.Code != 200 || w.Body.String() != "there" {
			t.Errorf("ready %v, %d %s", ready, w.Code, w.Body)
		}
	})
}

// A block that this node refuses is said to be refused, with the reason.
func TestRefusedBlock(t *testing.T) {
	g, _ := one(t, nil, func(c *Config) {
		c.Refused = func(h wire.Hash) string { return "court order " + string(h[:2]) }
		c.Resolve = func(context.Context, string) (Site, error) { return Site{FS: refusing{}}, nil }
	})
	w := get(g, "http://pg.alt/", asPage...)
	if w.Code != 451 || !strings.Contains(w.Body.String(), "court order 12") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

type refusing struct{ fstest.MapFS }

func (refusing) Open(string) (fs.File, error) {
	return nil, &site.RefusedError{Hash: [32]byte{'1', '2'}}
}

// Who blocked a site on this computer reads when, and how to take it back.
func TestBlockedHere(t *testing.T) {
	g, _ := one(t, nil, func(c *Config) {
		c.Resolve = func(context.Context, string) (Site, error) {
			return Site{}, &Problem{Kind: Blocked, Reason: "blocked here", Since: time.Date(2026, 5, 4, 12, 0, 0, 0, time.Local)}
		}
	})
	body := get(g, "http://pg.alt/", asPage...).Body.String()
	if !strings.Contains(body, "2026-05-04 12:00") || !strings.Contains(body, "altnet unblock pg.alt") || strings.Contains(body, "blocklist") {
		t.Error(body)
	}
}

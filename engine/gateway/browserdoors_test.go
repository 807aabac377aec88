package gateway

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// reaching is a page that tries the reader's local services beside its own files.
func reaching(local string) fstest.MapFS {
	return page(`<body><script src=a.js></script><script>
		fetch("a.json").then(r => r.json()).then(v => document.body.dataset.json = v);
		fetch("` + local + `/x", {mode: "no-cors"}).then(() => document.body.dataset.local = "reached").catch(() => document.body.dataset.local = "blocked");
		new Image().src = "` + local + `/y.png"</script>`)
}

// By DNS a page comes over the second door where nobody trusts the root, and
// over https where somebody does. Either way it works and reaches no service of
// the reader's own machine.
func TestBrowserByDNSReachesNoLocalService(t *testing.T) {
	needBrowser(t)
	var hits atomic.Int32
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits.Add(1) }))
	defer local.Close()
	var trusted atomic.Bool
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, tlsPort, _ := net.SplitHostPort(l.Addr().String())
	var g *Gateway
	addr, _ := sites(t, map[string]fstest.MapFS{"pg.alt": reaching(local.URL)}, func(c *Config) {
		c.CA, c.Trusted = newCA(t), trusted.Load
		c.TLSPort = uint16(l.Addr().(*net.TCPAddr).Port)
		second, err := New(*c)
		if err != nil {
			t.Fatal(err)
		}
		g = second
	})
	done := make(chan error, 1)
	go func() { done <- g.ServeTLS(l) }()
	defer func() {
		g.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	_, port, _ := net.SplitHostPort(addr)
	for _, now := range []bool{false, true} {
		trusted.Store(now)
		out, err := chromium(t, "--host-resolver-rules=MAP pg.alt 127.0.0.1", "--ignore-certificate-errors",
			"--virtual-time-budget=8000", "--dump-dom", "http://pg.alt:"+port+"/")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, `data-script="ran"`) || !strings.Contains(out, `data-json="fetched"`) || !strings.Contains(out, `data-local="blocked"`) {
			t.Errorf("trusted %v (https at %s): %s", now, tlsPort, out)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("a local service was reached %d times", n)
	}
}

// With the certificate declined http works by the proxy, and https fails at once.
func TestBrowserWithoutTheCertificate(t *testing.T) {
	needBrowser(t)
	addr, asked := sites(t, map[string]fstest.MapFS{"pg.alt": page(`<body><script src=a.js></script>`)}, func(c *Config) {
		c.Tunnels = func() bool { return false }
	})
	if out := browse(t, addr, "http://pg.alt/"); !strings.Contains(out, `data-script="ran"`) {
		t.Error(out)
	}
	before := len(asked())
	began := time.Now()
	out, _ := chromium(t, "--proxy-pac-url=http://"+addr+"/proxy.pac", "--disable-features=HttpsUpgrades", "--dump-dom", "https://pg.alt/")
	if strings.Contains(out, `data-script`) || len(asked()) != before || time.Since(began) > 15*time.Second {
		t.Errorf("after %v: %s", time.Since(began), out)
	}
}

// A preview opens for its author, and not in another page.
func TestBrowserPreview(t *testing.T) {
	needBrowser(t)
	g, addr := startGateway(t, Config{Resolve: troubles().Resolve})
	if resp, err := http.Get("http://" + addr + "/"); err != nil { // it serves by now
		t.Fatal(err)
	} else {
		resp.Body.Close()
	}
	url, err := g.Preview(Site{Name: "pg.alt", FS: hashed(page(`<body><script src=a.js></script>`))}, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out := browse(t, addr, url); !strings.Contains(out, `data-script="ran"`) {
		t.Error(out)
	}
	framing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<body><iframe src="` + url + `"></iframe><script>onload = () => {
			let seen = "nothing"; try { seen = frames[0].document.body.dataset.script || "empty" } catch { seen = "refused" }
			document.body.dataset.seen = seen;
			fetch("` + url + `a.js").then(r => r.text()).then(v => document.body.dataset.fetched = v).catch(() => document.body.dataset.fetched = "no") }</script>`))
	}))
	defer framing.Close()
	if out := browse(t, addr, framing.URL); !strings.Contains(out, `data-seen="refused"`) || !strings.Contains(out, `data-fetched="no"`) {
		t.Error(out)
	}
}

package gateway

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"altnet/engine/wire"
)

var browser = flag.Bool("browser", false, "run the tests that need Chromium")

func needBrowser(t *testing.T) {
	t.Helper()
	if !*browser {
		t.Skip("a browser takes its time: -browser")
	}
}

// browse opens a URL in Chromium, which knows of .alt by the gateway's proxy
// configuration alone, and returns the page as it stands in the end.
func browse(t *testing.T, addr, url string, more ...string) string {
	t.Helper()
	args := append([]string{"--proxy-pac-url=http://" + addr + "/proxy.pac", "--virtual-time-budget=8000", "--dump-dom"}, more...)
	out, err := chromium(t, append(args, url)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sites serves pages of several names and notes what was looked up.
func sites(t *testing.T, pages map[string]fstest.MapFS, change func(*Config)) (addr string, asked func() []string) {
	var mu sync.Mutex
	var names []string
	cfg := Config{Resolve: func(_ context.Context, name string) (Site, error) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, name)
		if files, ok := pages[name]; ok {
			return Site{Name: name, Owner: keyOld, Root: wire.Hash{1}, FS: hashed(files)}, nil
		}
		return Site{}, &Problem{Kind: Unknown}
	}}
	if change != nil {
		change(&cfg)
	}
	_, addr = startGateway(t, cfg)
	return addr, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(names)
	}
}

func page(body string) fstest.MapFS {
	return fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html><meta charset=utf-8><title>t</title>" + body)},
		"a.js":       {Data: []byte("document.body.dataset.script = 'ran'")},
		"a.json":     {Data: []byte(`"fetched"`)},
		"a.png":      {Data: []byte("\x89PNG\r\n\x1a\n")},
	}
}

func TestBrowserThroughPAC(t *testing.T) {
	needBrowser(t)
	addr, _ := sites(t, map[string]fstest.MapFS{
		"pg.alt": page(`<body><script src=a.js></script><script>fetch("a.json").then(r => r.json()).then(v => document.body.dataset.json = v)</script>`),
	}, nil)
	for _, url := range []string{"http://pg.alt/", door("pg", addr)} {
		out := browse(t, addr, url)
		if !strings.Contains(out, `data-script="ran"`) || !strings.Contains(out, `data-json="fetched"`) {
			t.Errorf("%s: %s", url, out)
		}
	}
}

func TestBrowserHTTPS(t *testing.T) {
	needBrowser(t)
	addr, _ := sites(t, map[string]fstest.MapFS{"pg.alt": page(`<body><script src=a.js></script>`)}, nil)
	// The root is in no trust store here; what is tested is tunnel and origin.
	if out := browse(t, addr, "https://pg.alt/", "--ignore-certificate-errors"); !strings.Contains(out, `data-script="ran"`) {
		t.Error(out)
	}
}

func TestBrowserKeepsSitesApart(t *testing.T) {
	needBrowser(t)
	const show = `<body><script>document.body.dataset.cookie = document.cookie; document.body.dataset.stored = localStorage.length</script>`
	set := func(next string) fstest.MapFS {
		return page(`<body><script>
			for (const d of ["", "; domain=alt", "; domain=.alt", "; domain=localhost"]) document.cookie = "spy=1" + d;
			localStorage.x = 1; location = "` + next + `"</script>`)
	}
	addr, _ := sites(t, map[string]fstest.MapFS{"b.alt": page(show)}, nil)
	pages := map[string]fstest.MapFS{"b.alt": page(show), "a.alt": set("http://b.alt/"), "c.alt": set(door("b", addr))}
	addr2, _ := sites(t, pages, nil)
	pages["c.alt"] = set(door("b", addr2))
	for _, url := range []string{"http://a.alt/", door("c", addr2)} {
		out := browse(t, addr2, url)
		if !strings.Contains(out, `data-cookie=""`) || !strings.Contains(out, `data-stored="0"`) {
			t.Errorf("%s: %s", url, out)
		}
	}
}

// An ordinary page tries all it can to make the node look up a site.
func TestBrowserForeignPageCannotMakeReadersFetch(t *testing.T) {
	needBrowser(t)
	var log strings.Builder
	var mu sync.Mutex
	addr, asked := sites(t, map[string]fstest.MapFS{"pg.alt": page("<body>")}, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(locked{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for _, base := range []string{"http://pg.alt/", door("pg", addr), "https://pg.alt/"} {
			fmt.Fprintf(w, `<link rel=stylesheet href="%[1]sa.css"><link rel=prefetch href="%[1]s"><script src="%[1]sa.js"></script>
				<img src="%[1]sa.png"><img referrerpolicy=no-referrer src="%[1]sa.png"><video src="%[1]sa.mp4"></video>
				<iframe src="%[1]s"></iframe><iframe referrerpolicy=no-referrer src="%[1]s"></iframe><object data="%[1]s"></object>
				<script>
				fetch("%[1]s", {mode: "no-cors", headers: {Accept: "text/html"}, referrerPolicy: "no-referrer"}).catch(() => 0);
				fetch("%[1]s", {headers: {Accept: "%[2]s"}}).catch(() => 0);
				navigator.sendBeacon("%[1]s", "x"); new Image().src = "%[1]sb.png";
				</script>`, base, progressType)
		}
		fmt.Fprint(w, `<p id=end>all tried`)
	}))
	defer outside.Close()
	out := browse(t, addr, outside.URL, "--ignore-certificate-errors", "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests")
	if !strings.Contains(out, "all tried") {
		t.Fatalf("the page did not load: %s", out)
	}
	if names := asked(); len(names) != 0 {
		t.Errorf("the node looked up %v", names)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "kind=embed"); n < 6 {
		t.Errorf("only %d requests arrived to be refused", n)
	}
}

// locked is a writer for several at once.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// In real time: Chromium's virtual time stands still while data is cleared.
func TestBrowserForgetsTheFormerOwner(t *testing.T) {
	needBrowser(t)
	var replaced atomic.Bool
	said := make(chan string, 100)
	former := page(`<body><script>document.cookie = "secret=1"; localStorage.secret = 1; location = "/next"</script>`)
	present := page(`<body><script>fetch("/say/" + document.cookie + "," + localStorage.length + ".txt")</script>`)
	present["next.html"] = present["index.html"]
	addr, _ := sites(t, nil, func(c *Config) {
		c.Resolve = func(_ context.Context, name string) (Site, error) {
			if replaced.Load() {
				return Site{Name: name, Owner: keyNew, OwnerChanged: true, FS: wordy{hashed(present), said}}, nil
			}
			return Site{Name: name, Owner: keyOld, FS: hashed(former)}, nil
		}
		c.Visit = func(v Visit) { replaced.Store(replaced.Load() || v.Path == "/") }
	})
	for _, url := range []string{"http://pg.alt/", door("pg", addr), "https://pg.alt/"} {
		replaced.Store(false)
		if left := listen(t, addr, url, said); left != ",0.txt" {
			t.Errorf("%s: left behind %q", url, left)
		}
	}
}

// wordy passes on what pages say by asking for /say/WORDS.
type wordy struct {
	fs.FS
	said chan<- string
}

func (w wordy) Open(name string) (fs.File, error) {
	if words, ok := strings.CutPrefix(name, "say/"); ok {
		w.said <- words
	}
	return w.FS.Open(name)
}

// listen opens a URL and returns the first word of a page.
func listen(t *testing.T, addr, url string, said <-chan string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	gone := make(chan error, 1)
	go func() {
		gone <- command(ctx, t, "--proxy-pac-url=http://"+addr+"/proxy.pac", "--ignore-certificate-errors", "--remote-debugging-port=0", url).Run()
	}()
	select {
	case words := <-said:
		cancel()
		<-gone
		return words
	case err := <-gone:
		t.Fatalf("%s: the browser ended: %v", url, err)
	}
	return ""
}

func TestBrowserAcceptsTheNewOwner(t *testing.T) {
	needBrowser(t)
	var accepted atomic.Bool
	g, addr := startGateway(t, Config{
		Resolve: func(_ context.Context, name string) (Site, error) {
			if !accepted.Load() {
				return Site{}, &Problem{Kind: OwnerChanged, Owner: keyNew, Pinned: keyOld}
			}
			return Site{Name: name, Owner: keyNew, FS: hashed(page("<body>new site"))}, nil
		},
		Accept: func(context.Context, string, string) error { accepted.Store(true); return nil },
	})
	if out := browse(t, addr, "http://pg.alt/"); !strings.Contains(out, "Look at the change") || !strings.Contains(out, g.homeURL()+"/accept?") {
		t.Fatalf("%s", out)
	}
	// The reader's clicks, by a page that may run scripts in the question's place.
	form := strings.NewReplacer("&amp;", "&")
	link := form.Replace(between(t, get(g, door("pg", addr), asPage...).Body.String(), `button main" href="`, `"`))
	out := browse(t, addr, link)
	if !strings.Contains(out, "Accept the new owner") || !strings.Contains(out, keyOld) {
		t.Errorf("%s", out)
	}
}

//go:build linux

package splitdns

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	realBrowsers = flag.Bool("browsers", false, "open names in Chromium and Firefox through the proxy settings of a session of its own")
	inSession    = flag.String("insession", "", "with -browsers: the door to open: this process runs in such a session")
)

// TestRealBrowsers sets the proxy doors in sessions of their own and opens a
// name in every browser: what the desktop is told must be what it does.
func TestRealBrowsers(t *testing.T) {
	if !*realBrowsers {
		t.Skip("needs Chromium, Firefox and gsettings: -browsers")
	}
	if *inSession != "" {
		openInBrowsers(t, Name(*inSession))
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for door, desktop := range map[Name]string{GNOMEProxy: "GNOME", KDEProxy: "KDE"} {
		t.Run(desktop, func(t *testing.T) {
			home := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", self, "-test.run", "^TestRealBrowsers$", "-test.v", "-browsers", "-insession", string(door))
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_RUNTIME_DIR="+home, "XDG_CURRENT_DESKTOP="+desktop,
				"KDE_SESSION_VERSION=5", "http_proxy=", "https_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=", "ALL_PROXY=", "all_proxy=")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestRealBrowsers") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// asked remembers what a proxy was asked for.
type asked struct {
	mu  sync.Mutex
	all map[string]bool
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.all[r.Method+" "+r.URL.String()] = true
	a.mu.Unlock()
	if r.Method == http.MethodConnect {
		return // for Verify; the browsers ask for http
	}
	w.Header().Set("Content-Type", "text/html")
	fmt.Fprintf(w, "<p>this is %s</p>", r.URL)
}

func (a *asked) has(request string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[request]
}

func openInBrowsers(t *testing.T, name Name) {
	proxy, other := &asked{all: map[string]bool{}}, &asked{all: map[string]bool{}}
	gateway, elsewhere := httptest.NewServer(proxy), httptest.NewServer(other)
	defer gateway.Close()
	defer elsewhere.Close()
	cfg := testConfig(t, Exec)
	cfg.Want.Gateway = netip.MustParseAddrPort(strings.TrimPrefix(gateway.URL, "http://"))
	door, err := Open(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := door.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	browse(t, proxy, other, elsewhere.URL, name == GNOMEProxy) // Firefox reads GNOME's settings alone
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := chromium(t, elsewhere.URL+"/after"); !strings.Contains(out, "this is /after") {
		t.Errorf("after undo: %s", out)
	}
}

func browse(t *testing.T, proxy, other *asked, elsewhere string, firefox bool) {
	if out := chromium(t, "http://name.alt/chromium"); !strings.Contains(out, "this is http://name.alt/chromium") {
		t.Errorf("Chromium shows %s", out)
	}
	if out := chromium(t, elsewhere+"/direct"); !strings.Contains(out, "this is /direct") || proxy.has("GET "+elsewhere+"/direct") {
		t.Errorf("another address in Chromium: %s", out)
	}
	if !firefox {
		return
	}
	profile := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "firefox-esr", "--headless", "--no-remote", "--profile", profile, "--screenshot", filepath.Join(profile, "x.png"), "http://name.alt/firefox")
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil || !proxy.has("GET http://name.alt/firefox") {
		t.Errorf("Firefox did not come: %v: %s", err, out)
	}
	if other.has("GET /firefox") {
		t.Error("Firefox asked elsewhere")
	}
}

func chromium(t *testing.T, url string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--dump-dom", url)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("chromium: %v", err)
	}
	return string(out)
}

//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// person is somebody at a desktop of GNOME's kind: a home of their own, a
// session bus, settings in a file, a node.
type person struct {
	t    *testing.T
	node *node
	env  []string
}

// newPerson starts the node of a person, and another that knows it.
func newPerson(t *testing.T, flags ...string) *person {
	t.Helper()
	for _, tool := range []string{"dbus-daemon", "gsettings", "certutil"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	a := start(t, "A", nil, flags...)
	start(t, "B", a)
	a.waitPeers(1)
	p := &person{t: t, node: a}
	p.env = append(p.node.env(), "DISPLAY=:94", "XDG_CURRENT_DESKTOP=GNOME", "GSETTINGS_BACKEND=keyfile", "DBUS_SESSION_BUS_ADDRESS="+sessionBus(t))
	return p
}

// sessionBus starts a message bus of its own.
func sessionBus(t *testing.T) string {
	t.Helper()
	address := "unix:path=" + filepath.Join(t.TempDir(), "bus")
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address="+address)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line := make([]byte, 256)
	n, err := out.Read(line)
	check(t, err)
	return strings.TrimSpace(string(line[:n]))
}

// altnet runs a command as this person.
func (p *person) altnet(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), *binary, args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("altnet %v: %v\n%s\nlog:\n%s", args, err, out, p.node.log())
	}
	return string(out)
}

// chromium opens a URL in a Chromium that is told nothing of AltNet: it has
// the person's own settings and stores.
func (p *person) chromium(url string, more ...string) (dom, log string) {
	p.t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		p.t.Skip("Chromium is not installed")
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--user-data-dir=" + filepath.Join(p.node.dir, ".config", "chromium"), "--virtual-time-budget=8000", "--enable-logging=stderr", "--v=0", "--dump-dom",
	}, more...)
	cmd := exec.CommandContext(ctx, "chromium", append(args, url)...)
	cmd.Env = p.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("chromium %s: %v\n%s", url, err, said.String())
	}
	return out.String(), networkErrors(said.String())
}

// networkErrors keeps of what a Chromium says the lines about loading.
func networkErrors(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if strings.Contains(line, "net_error") || strings.Contains(line, "net::ERR") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// spy is a service on 127.0.0.1 that a page must not reach, and the page that
// tries every way it knows.
func spy(t *testing.T) (page string, reached *atomic.Int32) {
	t.Helper()
	reached = &atomic.Int32{}
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Private-Network", "true")
		fmt.Fprint(w, "secret")
	}))
	t.Cleanup(local.Close)
	return fmt.Sprintf(`<!doctype html><meta charset=utf-8><title>t</title><body><h1>hello</h1><p id=same></p><p id=end></p>
		<img src="%[1]s/a.png"><iframe src="%[1]s/frame"></iframe><script src="%[1]s/a.js"></script>
		<script>(async () => {
			document.getElementById("same").textContent = "same: " + await fetch("own.txt").then(r => r.text()).catch(() => "blocked");
			for (const mode of ["cors", "no-cors"]) await fetch("%[1]s/" + mode, {mode}).catch(() => 0);
			try { navigator.sendBeacon("%[1]s/beacon", "x") } catch (e) {}
			document.getElementById("end").textContent = "all tried";
		})()</script>`, local.URL), reached
}

// publishSpy publishes that page as spy.alt.
func (p *person) publishSpy() *atomic.Int32 {
	p.t.Helper()
	page, reached := spy(p.t)
	dir := smallSite(p.t, page)
	check(p.t, os.WriteFile(filepath.Join(dir, "own.txt"), []byte("mine"), 0o644))
	p.node.do("publish", dir, "spy.alt")
	return reached
}

const tried = `(document.getElementById("end") || {}).textContent == "all tried"`

// wantPage looks at what a browser shows of spy.alt.
func wantPage(t *testing.T, url, dom string) {
	t.Helper()
	for _, want := range []string{"hello", "same: mine", "all tried"} {
		if !strings.Contains(dom, want) {
			t.Errorf("%s: no %q in\n%s", url, want, dom)
		}
	}
}

// TestBrowsersBySetup is a person who runs altnet setup, opens sites in the
// browsers they have, and takes everything back.
func TestBrowsersBySetup(t *testing.T) {
	needE2E(t)
	p := newPerson(t)
	reached := p.publishSpy()
	startFirefox(t, p.env).quit() // so that there is a profile
	before := p.settings()
	p.altnet("setup", "-yes", "-trust")
	t.Run("chromium", func(t *testing.T) {
		for _, url := range []string{"http://spy.alt/", "https://spy.alt/"} {
			dom, _ := p.chromium(url) // a warning would stand in the page's place
			wantPage(t, url, dom)
		}
	})
	apart(t, "Chromium", reached)
	t.Run("firefox", func(t *testing.T) {
		f := startFirefox(t, p.env)
		for _, url := range []string{"http://spy.alt/", "https://spy.alt/"} {
			dom, err := f.open(url, tried)
			check(t, err)
			wantPage(t, url, dom)
		}
	})
	apart(t, "Firefox", reached)
	for range 2 {
		p.altnet("undo", "-yes")
	}
	if after := p.settings(); after != before {
		t.Errorf("left behind:\n%s\nwas:\n%s", after, before)
	}
	if dom, _ := p.chromium("http://spy.alt/"); strings.Contains(dom, "hello") {
		t.Error("after undo the site still opens")
	}
}

// apart holds a browser to having kept pages from the local service.
func apart(t *testing.T, browser string, reached *atomic.Int32) {
	t.Helper()
	if n := reached.Swap(0); n > 0 {
		t.Errorf("%s let pages reach the service on 127.0.0.1 %d times", browser, n)
	}
}

// settings is all that setup may touch of a person's: proxy settings and the
// certificates of every database.
func (p *person) settings() string {
	p.t.Helper()
	var all strings.Builder
	cmd := exec.Command("gsettings", "list-recursively", "org.gnome.system.proxy")
	cmd.Env = p.env
	proxy, err := cmd.Output()
	check(p.t, err)
	files, _ := filepath.Glob(filepath.Join(p.node.dir, ".config/altnet/*"))
	fmt.Fprintf(&all, "%s%q\n", proxy, files)
	for _, pattern := range []string{".pki/nssdb", ".local/share/pki/nssdb", ".mozilla/firefox/*", ".config/mozilla/firefox/*"} {
		dirs, _ := filepath.Glob(filepath.Join(p.node.dir, pattern, "cert9.db"))
		for _, db := range dirs {
			out, err := exec.Command("certutil", "-L", "-d", "sql:"+filepath.Dir(db)).CombinedOutput()
			check(p.t, err)
			for line := range strings.Lines(string(out)) {
				if strings.HasSuffix(strings.TrimSpace(line), ",,") {
					fmt.Fprintf(&all, "%s: %s", filepath.Dir(db), line)
				}
			}
		}
	}
	return all.String()
}

// TestBrowsersWithoutTrust: who declines the certificate opens sites by http,
// and is told at once that https is not to be had.
func TestBrowsersWithoutTrust(t *testing.T) {
	needE2E(t)
	p := newPerson(t)
	p.publishSpy()
	startFirefox(t, p.env).quit()
	p.altnet("setup", "-yes", "-no-trust")
	t.Run("chromium", func(t *testing.T) {
		dom, _ := p.chromium("http://spy.alt/")
		wantPage(t, "http://spy.alt/", dom)
		if dom, log := p.chromium("https://spy.alt/"); strings.Contains(dom, "hello") || !strings.Contains(dom+log, "ERR_TUNNEL_CONNECTION_FAILED") {
			t.Errorf("%.2000s\n%s", dom, log)
		}
	})
	t.Run("firefox", func(t *testing.T) {
		f := startFirefox(t, p.env)
		dom, err := f.open("http://spy.alt/", tried)
		check(t, err)
		wantPage(t, "http://spy.alt/", dom)
		began := time.Now()
		if _, err := f.open("https://spy.alt/", "true"); err == nil || !strings.Contains(err.Error(), "about:neterror?e=proxyConnectFailure") {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestBrowsersBelieveNoOtherName: whoever steals the key of a trusted root can
// be no other name than one under .alt.
func TestBrowsersBelieveNoOtherName(t *testing.T) {
	needE2E(t)
	p := newPerson(t)
	startFirefox(t, p.env).quit()
	p.altnet("setup", "-yes", "-trust")
	good, bad := p.forged("forged.alt"), p.forged("forged.test")
	t.Run("chromium", func(t *testing.T) {
		rules := "--host-resolver-rules=MAP forged.alt 127.0.0.1,MAP forged.test 127.0.0.1"
		if dom, log := p.chromium(good, rules, "--no-proxy-server"); !strings.Contains(dom, "forged page") {
			t.Errorf("the root does not even vouch for .alt: %s\n%s", dom, log)
		}
		if dom, log := p.chromium(bad, rules, "--no-proxy-server"); strings.Contains(dom, "forged page") || !strings.Contains(log, "net_error -2") {
			t.Errorf("%s\n%s", dom, log)
		}
	})
	t.Run("firefox", func(t *testing.T) {
		appendFile(t, filepath.Join(profileOf(t, p.node.dir), "user.js"),
			"user_pref(\"network.dns.localDomains\", \"forged.alt,forged.test\");\nuser_pref(\"network.proxy.type\", 0);\n")
		f := startFirefox(t, p.env)
		if dom, err := f.open(good, "true"); err != nil || !strings.Contains(dom, "forged page") {
			t.Errorf("the root does not even vouch for .alt: %v %s", err, dom)
		}
		if dom, err := f.open(bad, "true"); err == nil || !strings.Contains(err.Error(), "insecure certificate") {
			t.Errorf("%v %s", err, dom)
		}
	})
}

// forged serves a page under name with a certificate that the stolen key of
// the node's root signed, and returns its address.
func (p *person) forged(name string) string {
	p.t.Helper()
	dir := filepath.Join(p.node.dir, "store", "ca")
	root, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	check(p.t, err)
	parent, err := x509.ParseCertificate(root.Certificate[0])
	check(p.t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(p.t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, root.PrivateKey)
	check(p.t, err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<h1>forged page</h1>") }))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, root.Certificate[0]}, PrivateKey: key}}}
	srv.StartTLS()
	p.t.Cleanup(srv.Close)
	return fmt.Sprintf("https://%s:%d/", name, srv.Listener.Addr().(*net.TCPAddr).Port)
}

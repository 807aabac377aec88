//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// inside says that the test runs in a network of its own.
const inside = "ALTNET_E2E_INSIDE"

// TestBrowsersByDNS opens sites in browsers that know nothing but a name
// server, in a network and with a resolv.conf of the test's own.
func TestBrowsersByDNS(t *testing.T) {
	needE2E(t)
	if os.Getenv(inside) == "" {
		again(t, "TestBrowsersByDNS", "unshare", "-n", "-m", "--propagation", "private")
		return
	}
	ownResolver(t)
	p := newPerson(t, "-dns", "127.0.0.1:53", "-dns-upstream", fakeUpstream(t), "-gateway", "127.0.0.1:80", "-gateway-tls", "127.0.0.1:443")
	p.env = append(p.env, "DISPLAY=", "XDG_CURRENT_DESKTOP=") // no settings to set a proxy in
	reached := p.publishSpy()
	startFirefox(t, p.env).quit()
	p.altnet("setup", "-yes", "-trust")
	if found, err := net.DefaultResolver.LookupHost(t.Context(), "example.com"); err != nil || found[0] != "192.0.2.7" {
		t.Errorf("example.com: %v, %v", found, err)
	}
	for _, url := range []string{"http://spy.alt/", "https://spy.alt/"} { // http leads to https
		dom, _ := p.chromium(url)
		wantPage(t, url, dom)
	}
	apart(t, "Chromium", reached)
	f := startFirefox(t, p.env)
	for _, url := range []string{"http://spy.alt/", "https://spy.alt/"} {
		dom, err := f.open(url, tried)
		check(t, err)
		wantPage(t, url, dom)
	}
	apart(t, "Firefox", reached)
}

// ownResolver brings the loopback interface up and puts a resolv.conf of the
// test's in place, in this mount namespace alone.
func ownResolver(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	check(t, os.WriteFile(file, []byte("nameserver 127.0.0.1\n"), 0o644))
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	check(t, err)
	for _, args := range [][]string{{"ip", "link", "set", "lo", "up"}, {"mount", "--bind", file, target}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

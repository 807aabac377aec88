package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func open(t testing.TB, dir string) *CA {
	t.Helper()
	c, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func pool(c *CA) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.Root())
	return p
}

func TestRootIsConstrained(t *testing.T) {
	r := open(t, t.TempDir()).Root()
	if !r.IsCA || r.MaxPathLen != 0 || !r.MaxPathLenZero {
		t.Errorf("CA %v, path length %d (zero set: %v)", r.IsCA, r.MaxPathLen, r.MaxPathLenZero)
	}
	if !r.PermittedDNSDomainsCritical || fmt.Sprint(r.PermittedDNSDomains) != "[alt]" {
		t.Errorf("critical %v, permitted %v", r.PermittedDNSDomainsCritical, r.PermittedDNSDomains)
	}
	if fmt.Sprint(r.ExcludedIPRanges) != "[0.0.0.0/0 ::/0]" {
		t.Errorf("excluded addresses %v", r.ExcludedIPRanges)
	}
	if len(r.ExtKeyUsage) != 1 || r.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("extended key usage %v", r.ExtKeyUsage)
	}
	if r.KeyUsage&x509.KeyUsageDigitalSignature != 0 {
		t.Error("the root may sign handshakes")
	}
}

func TestRootSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	if first.Fingerprint() != second.Fingerprint() {
		t.Error("the second start made another root")
	}
	if open(t, t.TempDir()).Fingerprint() == first.Fingerprint() {
		t.Error("two installations share a root")
	}
	onDisk, err := os.ReadFile(first.Path())
	if err != nil || string(onDisk) != string(first.PEM()) {
		t.Errorf("file and PEM differ (%v)", err)
	}
}

func TestRootIsReplacedWhenItNoLongerFits(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	if usable(first.root, first.key, "alt", first.root.NotAfter.Add(-rootRenew)) {
		t.Error("a root close to its end passes")
	}
	if usable(first.root, first.key, "other", time.Now()) {
		t.Error("a root of another suffix passes")
	}
	if usable(first.root, first.leafKey, "alt", time.Now()) {
		t.Error("a root of another key passes")
	}
	second, err := Open(Config{Dir: dir, Suffix: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if got := second.Root().PermittedDNSDomains; fmt.Sprint(got) != "[other]" {
		t.Errorf("after a change of suffix the root permits %v", got)
	}
}

func TestKeyFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no mode bits")
	}
	dir := t.TempDir()
	open(t, dir)
	path := filepath.Join(dir, KeyFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v (%v)", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrKeyExposed) {
		t.Errorf("an exposed key gives %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("a broken key file was accepted or replaced")
	}
}

func TestLeafNames(t *testing.T) {
	c := open(t, t.TempDir())
	long := strings.Repeat("a", 63)
	for host, ok := range map[string]bool{
		"pg.alt": true, "PG.alt": true, "www.pg.alt": true, "a.b.pg.alt": true,
		"xn--bcher-kva.alt": true, long + ".alt": true,
		"": false, "alt": false, ".alt": false, "a..alt": false, "example.com": false,
		"pg.alt.": false, "alt.example.com": false, "evilalt": false, "*.alt": false,
		"-a.alt": false, "a-.alt": false, "a b.alt": false, "a\x00.alt": false, "127.0.0.1": false,
		long + "a.alt": false, strings.Repeat("a.", 130) + "alt": false, "bücher.alt": false,
	} {
		cert, err := c.Leaf(host)
		if ok != (err == nil) || !ok && !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", host, err)
		}
		if ok {
			checkLeaf(t, c, cert, strings.ToLower(host))
		}
	}
}

func checkLeaf(t *testing.T, c *CA, cert *tls.Certificate, host string) {
	t.Helper()
	for _, name := range []string{host, "www." + host} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool(c), DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore); life > maxLeafLife {
		t.Errorf("%s lives %v", host, life)
	}
}

func TestLeafIsCachedAndRenewed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := open(t, dir)
		first, err := c.Leaf("pg.alt")
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := c.Leaf("PG.alt"); again != first {
			t.Error("the second request issued another leaf")
		}
		time.Sleep(70 * 24 * time.Hour) // virtual
		later, err := c.Leaf("pg.alt")
		if err != nil || later == first || !later.Leaf.NotAfter.After(first.Leaf.NotAfter) {
			t.Errorf("no new leaf after 70 days (%v)", err)
		}
	})
}

func TestCacheOfLeavesIsBounded(t *testing.T) {
	c := open(t, t.TempDir())
	for i := range maxLeaves + 10 {
		if _, err := c.Leaf(fmt.Sprintf("n%d.alt", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.leaves.Len(); n != maxLeaves {
		t.Errorf("%d leaves kept", n)
	}
}

// rogue signs with the stolen root key what the authority itself refuses.
func rogue(t *testing.T, c *CA, template *x509.Certificate) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(7)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, c.root, &key.PublicKey, c.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// Whoever steals the root key still cannot vouch for a name outside .alt.
func TestStolenRootCannotVouchForOthers(t *testing.T) {
	c := open(t, t.TempDir())
	for _, tc := range []struct {
		name, host string
		cert       *x509.Certificate
		ok         bool
	}{
		{"inside", "pg.alt", &x509.Certificate{DNSNames: []string{"pg.alt"}}, true},
		{"outside", "example.com", &x509.Certificate{DNSNames: []string{"example.com"}}, false},
		{"both", "pg.alt", &x509.Certificate{DNSNames: []string{"pg.alt", "example.com"}}, false},
		{"lookalike", "evilalt", &x509.Certificate{DNSNames: []string{"evilalt"}}, false},
		{"IPv4", "127.0.0.1", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()}}, false},
		{"IPv6", "::1", &x509.Certificate{IPAddresses: []net.IP{net.IPv6loopback}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert := rogue(t, c, tc.cert)
			_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool(c), DNSName: tc.host})
			if tc.ok != (err == nil) {
				t.Errorf("Go: %v", err)
			}
			if out, err := opensslVerify(t, c, cert, tc.host); tc.ok != (err == nil) {
				t.Errorf("openssl: %v\n%s", err, out)
			}
		})
	}
}

func opensslVerify(t *testing.T, c *CA, cert *tls.Certificate, host string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl here")
	}
	path := filepath.Join(t.TempDir(), "leaf.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	check := "-verify_hostname"
	if net.ParseIP(host) != nil {
		check = "-verify_ip"
	}
	out, err := exec.Command("openssl", "verify", "-CAfile", c.Path(), check, host, path).CombinedOutput()
	return string(out), err
}

func TestHandshake(t *testing.T) {
	c := open(t, t.TempDir())
	for name, ok := range map[string]bool{"pg.alt": true, "www.pg.alt": true, "example.com": false, "": false} {
		client, server := net.Pipe()
		go func() {
			s := tls.Server(server, c.TLSConfig())
			_, _ = io.Copy(s, s)
			s.Close()
		}()
		conn := tls.Client(client, &tls.Config{
			RootCAs: pool(c), ServerName: name,
			InsecureSkipVerify: name == "", // without a name there is nothing to verify
		})
		err := conn.HandshakeContext(t.Context())
		if ok != (err == nil) {
			t.Errorf("%q: %v", name, err)
		}
		client.Close()
	}
}

func BenchmarkLeafIssue(b *testing.B) {
	c := open(b, b.TempDir())
	for i := 0; b.Loop(); i++ {
		if _, err := c.Leaf(fmt.Sprintf("n%d.alt", i)); err != nil {
			b.Fatal(err)
		}
	}
}

package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"
)

// newRoot makes a limited root, changed by change.
func newRoot(t *testing.T, change func(*x509.Certificate)) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, v4, _ := net.ParseCIDR("0.0.0.0/0")
	_, v6, _ := net.ParseCIDR("::/0")
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: fmt.Sprintf("AltNet .alt only, %x", serial)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"alt"}, ExcludedIPRanges: []*net.IPNet{v4, v6},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func limited(t *testing.T) Root {
	t.Helper()
	root, err := ParseRoot(newRoot(t, nil), "alt")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestParseRoot(t *testing.T) {
	root := limited(t)
	again, err := ParseRoot(root.PEM(), "alt")
	if err != nil || again.Fingerprint() != root.Fingerprint() {
		t.Errorf("%v", err)
	}
	f, err := ParseFingerprint(root.Fingerprint().String())
	if err != nil || f != root.Fingerprint() {
		t.Errorf("%v, %v", f, err)
	}
}

func TestParseRootRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		suffix string
		change func(*x509.Certificate)
	}{
		{"no authority", "alt", func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false; c.KeyUsage = 0 }},
		{"authorities below", "alt", func(c *x509.Certificate) { c.MaxPathLen = 1 }},
		{"any depth below", "alt", func(c *x509.Certificate) { c.MaxPathLenZero = false }},
		{"no constraint", "alt", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.ExcludedIPRanges, c.PermittedDNSDomainsCritical = nil, nil, false
		}},
		{"not critical", "alt", func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = false }},
		{"another suffix", "alt", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"com"} }},
		{"two suffixes", "alt", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"alt", "com"} }},
		{"empty suffix", "", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{""} }},
		{"addresses", "alt", func(c *x509.Certificate) { c.ExcludedIPRanges = nil }},
		{"IPv6 addresses", "alt", func(c *x509.Certificate) { c.ExcludedIPRanges = c.ExcludedIPRanges[:1] }},
		{"mail too", "alt", func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageEmailProtection) }},
		{"any use", "alt", func(c *x509.Certificate) { c.ExtKeyUsage = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseRoot(newRoot(t, tt.change), tt.suffix); !errors.Is(err, ErrNotLimited) {
				t.Errorf("%v", err)
			}
		})
	}
	one := newRoot(t, nil)
	for name, text := range map[string][]byte{
		"nothing": nil, "two": append(one, newRoot(t, nil)...), "a key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"}),
		"broken": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1, 2}}),
	} {
		if _, err := ParseRoot(text, "alt"); !errors.Is(err, ErrNotLimited) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

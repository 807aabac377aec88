package ca

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"time"
)

// leaf is an issued certificate and when it is to be replaced.
type leaf struct {
	cert  *tls.Certificate
	renew time.Time
}

// Leaf returns a certificate for host and for the names one label below it,
// issuing one where the cache has none with a third of its life left.
// ErrName for anything but a host name under the suffix.
func (c *CA) Leaf(host string) (*tls.Certificate, error) {
	host = strings.ToLower(host)
	if !validHost(host, c.cfg.Suffix) {
		return nil, fmt.Errorf("certificate for %q: %w", host, ErrName)
	}
	now := time.Now()
	if cert, ok := c.cached(host, now); ok {
		return cert, nil
	}
	// Signing outside the lock: two callers may both do it, once.
	l, err := c.issue(host, now)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaves.Add(host, l)
	return l.cert, nil
}

func (c *CA) cached(host string, now time.Time) (*tls.Certificate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.leaves.Get(host)
	if !ok || !now.Before(l.renew) || now.Before(l.cert.Leaf.NotBefore) {
		return nil, false
	}
	return l.cert, true
}

func (c *CA) issue(host string, now time.Time) (*leaf, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	from := now.Add(-backdate).UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"AltNet"}},
		// Browsers take no *.alt, but they take *.name.alt.
		DNSNames:              []string{host, "*." + host},
		NotBefore:             from,
		NotAfter:              from.Add(c.cfg.LeafLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.root, &c.leafKey.PublicKey, c.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", host, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read back the certificate of %s: %w", host, err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der, c.root.Raw}, PrivateKey: c.leafKey, Leaf: parsed}
	return &leaf{cert: cert, renew: parsed.NotAfter.Add(-c.cfg.LeafLife / 3)}, nil
}

// TLSConfig returns a server's configuration that picks the leaf by SNI and
// refuses every handshake that asks for no name or for one outside the suffix.
func (c *CA) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.Leaf(hello.ServerName)
		},
	}
}

// validHost reports whether host, in lower case, is a name strictly below
// suffix that can stand in a certificate together with a wildcard below it.
func validHost(host, suffix string) bool {
	rest, ok := strings.CutSuffix(host, "."+suffix)
	if !ok || len(host)+len("*.") > 253 {
		return false
	}
	for label := range strings.SplitSeq(rest, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validSuffix(s string) bool {
	return validLabel(s) && s == strings.ToLower(s)
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

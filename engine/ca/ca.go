// Package ca is the certificate authority of one installation: a root that is
// made here, whose key never leaves the machine, and which can vouch for names
// under .alt and nothing else (a critical name constraint that Go, OpenSSL,
// Chromium and Firefox enforce). It issues one short-lived leaf per name.
package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"altnet/engine/identity"
)

// Names of the two files in Config.Dir.
const (
	KeyFile  = "ca-key.pem" // PKCS #8, mode 0600
	CertFile = "ca.pem"     // the root certificate, what a trust store takes
)

const (
	rootLife = 10 * 365 * 24 * time.Hour
	// rootRenew is how long before its end a root is replaced at start.
	rootRenew = 180 * 24 * time.Hour
	// backdate makes a certificate valid on a machine whose clock was a day
	// ahead when it was made and was set right afterwards.
	backdate = 48 * time.Hour
	// maxLeafLife is what browsers will accept for a long time to come.
	maxLeafLife = 90 * 24 * time.Hour
	// maxLeaves bounds the cache: a page can name as many hosts as it likes.
	maxLeaves = 1024
)

// Errors of this package.
var (
	// ErrName is returned for a name the root may not vouch for.
	ErrName = errors.New("not a name this authority vouches for")
	// ErrKeyExposed is returned when others may read the key file.
	ErrKeyExposed = errors.New("key file is readable by others")
)

// Config says where the root lives and what it vouches for.
type Config struct {
	Dir      string        // made with mode 0700 where missing
	Suffix   string        // top-level name without dot; default "alt"
	LeafLife time.Duration // default and most 90 days, counted from two days ago
	Log      *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Suffix == "" {
		c.Suffix = "alt"
	}
	if c.LeafLife <= backdate || c.LeafLife > maxLeafLife {
		c.LeafLife = maxLeafLife
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// CA issues leaves. It is safe for concurrent use.
type CA struct {
	cfg     Config
	root    *x509.Certificate
	key     *ecdsa.PrivateKey
	leafKey *ecdsa.PrivateKey // of this process; never written

	mu     sync.Mutex
	leaves *lru.Cache[string, *leaf]
}

// Open loads the root from cfg.Dir, or makes it at the first start. A root
// close to its end is replaced under the same key.
func Open(cfg Config) (*CA, error) {
	cfg = cfg.withDefaults()
	if !validSuffix(cfg.Suffix) {
		return nil, fmt.Errorf("certificate authority for %q: %w", cfg.Suffix, ErrName)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the certificate authority: %w", err)
	}
	key, err := loadOrMakeKey(filepath.Join(cfg.Dir, KeyFile))
	if err != nil {
		return nil, err
	}
	root, err := loadOrMakeRoot(cfg, key, time.Now())
	if err != nil {
		return nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the leaves: %w", err)
	}
	leaves, err := lru.New[string, *leaf](maxLeaves)
	if err != nil {
		return nil, fmt.Errorf("make the cache of leaves: %w", err)
	}
	return &CA{cfg: cfg, root: root, key: key, leafKey: leafKey, leaves: leaves}, nil
}

// Root returns the root certificate. It must not be changed.
func (c *CA) Root() *x509.Certificate { return c.root }

// PEM returns the root certificate as a trust store takes it.
func (c *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.root.Raw})
}

// Path returns the file the root certificate lies in, for `curl --cacert`.
func (c *CA) Path() string { return filepath.Join(c.cfg.Dir, CertFile) }

// Fingerprint returns SHA-256 of the root certificate, by which it is found
// again in a trust store.
func (c *CA) Fingerprint() [sha256.Size]byte { return sha256.Sum256(c.root.Raw) }

// FingerprintText returns the fingerprint as trust stores show it: hex in
// capitals, a colon between the bytes.
func (c *CA) FingerprintText() string {
	sum := c.Fingerprint()
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sum[:])), " ", ":")
}

func loadOrMakeKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := identity.ReadSecret(path) // looks at the file that it reads
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeKey(path)
	case errors.Is(err, identity.ErrExposed):
		return nil, fmt.Errorf("%w: %w", ErrKeyExposed, err)
	case err != nil:
		return nil, fmt.Errorf("read the key of the certificate authority: %w", err)
	}
	der, err := decodePEM(path, data, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read %s: a %T, not an ECDSA key", path, parsed)
	}
	return key, nil
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the certificate authority: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key of the certificate authority: %w", err)
	}
	return key, writePEM(path, "PRIVATE KEY", der, 0o600)
}

func loadOrMakeRoot(cfg Config, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	path := filepath.Join(cfg.Dir, CertFile)
	der, err := readPEM(path, "CERTIFICATE")
	if err == nil {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if usable(root, key, cfg.Suffix, now) {
			return root, nil
		}
		cfg.Log.Warn("replacing the root certificate: it must be installed again", "path", path, "ended", root.NotAfter)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return makeRoot(path, cfg.Suffix, key, now)
}

// usable reports whether root belongs to key, vouches for suffix alone and
// has long enough to live.
func usable(root *x509.Certificate, key *ecdsa.PrivateKey, suffix string, now time.Time) bool {
	return key.PublicKey.Equal(root.PublicKey) && root.IsCA &&
		root.PermittedDNSDomainsCritical && len(root.PermittedDNSDomains) == 1 &&
		root.PermittedDNSDomains[0] == suffix && now.Before(root.NotAfter.Add(-rootRenew))
}

func makeRoot(path, suffix string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	template, err := rootTemplate(suffix, key, now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign the root certificate: %w", err)
	}
	if err := writePEM(path, "CERTIFICATE", der, 0o644); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func rootTemplate(suffix string, key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	id := sha1.Sum(point) // RFC 5280 4.2.1.2 method 1: an identifier, no security
	_, v4, _ := net.ParseCIDR("0.0.0.0/0")
	_, v6, _ := net.ParseCIDR("::/0")
	return &x509.Certificate{
		SerialNumber: serial,
		// The serial in the name tells the roots of two installations apart.
		Subject: pkix.Name{
			Organization: []string{"AltNet on this computer"},
			CommonName:   fmt.Sprintf("AltNet .%s only, %x", suffix, serial.Bytes()[:4]),
		},
		NotBefore:                   now.Add(-backdate).UTC().Truncate(time.Second),
		NotAfter:                    now.Add(rootLife).UTC().Truncate(time.Second),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		SubjectKeyId:                id[:],
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{suffix},
		// A permitted DNS name alone would leave certificates for addresses open.
		ExcludedIPRanges: []*net.IPNet{v4, v6},
	}, nil
}

// newSerial returns a positive random serial of exactly 16 bytes.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("draw a serial: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

func readPEM(path, kind string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return decodePEM(path, data, kind)
}

func decodePEM(path string, data []byte, kind string) ([]byte, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("read %s: no %s in it", path, kind)
	}
	return block.Bytes, nil
}

// writePEM writes by rename, so that a crash leaves no half file.
func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(tmp.Name())
	err = errors.Join(
		pem.Encode(tmp, &pem.Block{Type: kind, Bytes: der}),
		tmp.Sync(), tmp.Close(), os.Chmod(tmp.Name(), mode))
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

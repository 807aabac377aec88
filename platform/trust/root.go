package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
)

// ErrNotLimited is returned for a certificate that could vouch for anything
// but names of one private suffix: such a root is never installed.
var ErrNotLimited = errors.New("not a certificate authority limited to one private suffix")

// Fingerprint is SHA-256 of a certificate, by which it is found again in
// every store.
type Fingerprint [sha256.Size]byte

// String returns 64 hex digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// ParseFingerprint reads 64 hex digits.
func ParseFingerprint(text string) (Fingerprint, error) {
	var f Fingerprint
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(f) {
		return f, fmt.Errorf("fingerprint %q: want 64 hex digits", text)
	}
	return Fingerprint(b), nil
}

// Root is a root certificate that was found to be limited. The zero value is
// none.
type Root struct {
	cert *x509.Certificate
}

// ParseRoot reads a root certificate in PEM and holds it to what makes it
// harmless: an authority for TLS servers whose critical name constraints
// permit suffix alone, exclude every address and allow no authority below.
// ErrNotLimited otherwise.
func ParseRoot(text []byte, suffix string) (Root, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return Root{}, fmt.Errorf("read the root certificate: %w: no certificate", ErrNotLimited)
	}
	if more, _ := pem.Decode(rest); more != nil {
		return Root{}, fmt.Errorf("read the root certificate: %w: more than one certificate", ErrNotLimited)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Root{}, fmt.Errorf("read the root certificate: %w", errors.Join(ErrNotLimited, err))
	}
	if why := unlimited(cert, suffix); why != "" {
		return Root{}, fmt.Errorf("read the root certificate: %w: %s", ErrNotLimited, why)
	}
	return Root{cert: cert}, nil
}

// unlimited says what keeps a certificate from being a limited root.
func unlimited(c *x509.Certificate, suffix string) string {
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return "it is no certificate authority"
	case c.MaxPathLen != 0 || !c.MaxPathLenZero:
		return "it allows further authorities below it"
	case c.CheckSignatureFrom(c) != nil:
		return "it is not signed by itself"
	case suffix == "" || !c.PermittedDNSDomainsCritical:
		return "its name constraint is missing or not critical"
	case len(c.PermittedDNSDomains) != 1 || c.PermittedDNSDomains[0] != suffix:
		return fmt.Sprintf("it is not limited to .%s", suffix)
	case !excludesAllAddresses(c.ExcludedIPRanges) || len(c.PermittedIPRanges) > 0:
		return "it does not exclude all addresses"
	case len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || len(c.UnknownExtKeyUsage) > 0:
		return "it is not limited to servers"
	case len(c.UnhandledCriticalExtensions) > 0:
		return "it has extensions that are not understood"
	}
	return ""
}

func excludesAllAddresses(ranges []*net.IPNet) bool {
	v4, v6 := false, false
	for _, r := range ranges {
		ones, bits := r.Mask.Size()
		v4 = v4 || ones == 0 && bits == 32
		v6 = v6 || ones == 0 && bits == 128
	}
	return v4 && v6
}

// Fingerprint returns SHA-256 of the certificate.
func (r Root) Fingerprint() Fingerprint { return sha256.Sum256(r.cert.Raw) }

// Name returns what stores show people: the certificate's common name.
func (r Root) Name() string { return r.cert.Subject.CommonName }

// PEM returns the certificate as ParseRoot takes it.
func (r Root) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})
}

// nickname is what the certificate is called in a store that wants a name,
// different for each certificate.
func nickname(f Fingerprint) string { return "AltNet .alt only " + f.String()[:16] }

// fileName is what the certificate's file is called in a folder of anchors.
func fileName(f Fingerprint, ext string) string { return "altnet-" + f.String()[:16] + ext }

// certificatesIn returns the fingerprints of all certificates in PEM text.
func certificatesIn(text []byte) []Fingerprint {
	var list []Fingerprint
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list
		}
		if block.Type == "CERTIFICATE" {
			list = append(list, sha256.Sum256(block.Bytes))
		}
	}
}

// commonName returns the common name of the certificate with a fingerprint.
func commonName(text []byte, f Fingerprint) string {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return ""
		}
		if sha256.Sum256(block.Bytes) != f {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return ""
		}
		return cert.Subject.CommonName
	}
}

package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// DefaultTLD is the suffix of names (RFC 9476).
const DefaultTLD = "alt"

// Limits of names, those of DNS (RFC 1035 section 2.3.4).
const (
	maxLabel = 63
	maxHost  = 253
)

var (
	// ErrBadName reports a name that breaks the rules for labels.
	ErrBadName = errors.New("not a valid name")
	// ErrOtherTLD reports a host that does not end in the suffix of names.
	ErrOtherTLD = errors.New("not a name of this network")
)

// Name is a parsed host: either the human name Label or the site address Key,
// and the labels in front of it, which belong to the same owner.
type Name struct {
	Label string             // lower-case ASCII label, "" where Key is set
	Key   identity.PublicKey // zero for human names
	Sub   string             // "www" of www.name.alt, else ""
}

// profile maps as browsers do (UTS 46, non-transitional) and then refuses
// what is not a host name.
var profile = idna.New(
	idna.MapForLookup(),
	idna.BidiRule(),
	idna.Transitional(false),
	idna.StrictDomainName(true),
	idna.ValidateLabels(true),
	idna.CheckHyphens(true),
	idna.CheckJoiners(true),
)

// ParseName reads a host such as "Bücher.alt", "www.pg.alt." or a site's
// address, with or without the suffix: a single label may stand alone. tld
// has no dots in front or behind; empty means DefaultTLD. Errors wrap
// ErrBadName or ErrOtherTLD.
func ParseName(host, tld string) (Name, error) {
	if tld == "" {
		tld = DefaultTLD
	}
	if len(host) > 4*maxHost { // before any mapping; UTF-8 may take four bytes
		return Name{}, fmt.Errorf("host of %d bytes: %w", len(host), ErrBadName)
	}
	ascii, err := normalise(strings.TrimSuffix(host, "."))
	if err != nil {
		return Name{}, err
	}
	rest, ok := strings.CutSuffix(ascii, "."+tld)
	if !ok && strings.Contains(ascii, ".") {
		return Name{}, fmt.Errorf("name %q does not end in .%s: %w", clip(host), tld, ErrOtherTLD)
	}
	return splitName(rest, len(tld)+1)
}

// normalise maps a host to ASCII. What comes out must map to itself, or two
// readers could see two names in one.
func normalise(host string) (string, error) {
	if utf8.ValidString(host) {
		ascii, err := profile.ToASCII(host)
		again, errAgain := profile.ToASCII(ascii)
		if err == nil && errAgain == nil && again == ascii {
			return ascii, nil
		}
	}
	return "", fmt.Errorf("name %q: %w", clip(host), ErrBadName)
}

// splitName divides normalised labels into the owner's and those in front.
func splitName(rest string, suffix int) (Name, error) {
	if len(rest)+suffix > maxHost {
		return Name{}, fmt.Errorf("name of %d bytes: %w", len(rest)+suffix, ErrBadName)
	}
	labels := strings.Split(rest, ".")
	for _, l := range labels {
		if !validLabel(l) {
			return Name{}, fmt.Errorf("label %q: %w", clip(l), ErrBadName)
		}
	}
	last := labels[len(labels)-1]
	n := Name{Sub: strings.TrimSuffix(strings.TrimSuffix(rest, last), ".")}
	if !looksLikeAddress(last) {
		n.Label = last
		return n, nil
	}
	var err error
	n.Key, err = ParseAddress(last)
	return n, err
}

// KeyName returns the Name of the site with this root key.
func KeyName(root identity.PublicKey) Name { return Name{Key: root} }

// IsKey reports whether the name is a site's own address.
func (n Name) IsKey() bool { return !n.Key.IsZero() }

// Bare returns the label that is owned: the human name or the address,
// without labels in front and without suffix.
func (n Name) Bare() string {
	if n.IsKey() {
		return Address(n.Key)
	}
	return n.Label
}

// Host returns the name as a host in ASCII, labels in front included.
func (n Name) Host(tld string) string {
	if tld == "" {
		tld = DefaultTLD
	}
	if n.Sub != "" {
		return n.Sub + "." + n.Bare() + "." + tld
	}
	return n.Bare() + "." + tld
}

// DHTKey returns the key under which the name's records are stored.
func (n Name) DHTKey() wire.Hash {
	if n.IsKey() {
		return SiteKey(n.Key)
	}
	return NameKey(n.Label)
}

// Matches reports whether a record speaks for the name.
func (n Name) Matches(r *Record) bool {
	if n.IsKey() {
		return r.Root == n.Key
	}
	return r.Name == n.Label
}

// validLabel is the rule that needs no tables, so that storing nodes of any
// Unicode version agree: letters, digits and inner hyphens.
func validLabel(l string) bool {
	if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	for i := range len(l) {
		c := l[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

const (
	nameKeyDomain = "altnet name key v1\x00"
	siteKeyDomain = "altnet site key v1\x00"
)

// NameKey returns the DHT key of a human name, given as its bare label.
func NameKey(label string) wire.Hash {
	return sha256.Sum256([]byte(nameKeyDomain + label))
}

// SiteKey returns the DHT key of a site, by its root key.
func SiteKey(root identity.PublicKey) wire.Hash {
	return sha256.Sum256(append([]byte(siteKeyDomain), root[:]...))
}

// clip keeps hostile text short in error messages.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

package record

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Limits of records.
const (
	// MaxRecord is the most bytes a signed record takes. It leaves room for
	// fields of later versions, and for an answer with five records in a page.
	MaxRecord = 1000
	// DefaultLife is how long a record lasts unless its owner says otherwise.
	DefaultLife = 90 * 24 * time.Hour
	// MaxLife bounds Expires - Issued, so that nobody holds a name for ever
	// with one signature.
	MaxLife = 400 * 24 * time.Hour
	// Grace is how long an expired name stays reserved for its owner.
	Grace = 30 * 24 * time.Hour
	// MaxSeqLead bounds how far a sequence may run ahead of Issued: a device
	// whose clock was wrong may stay usable, a stolen one cannot use up the
	// whole range of sequences.
	MaxSeqLead = 7 * 24 * time.Hour

	// maxInstant is the last millisecond of the year 9999: instants above it
	// would overflow time arithmetic.
	maxInstant = 253402300799999
	maxSize    = 1 << 50
	maxGrant   = 400
)

var (
	// ErrMalformed reports bytes that are no record: too long, not canonical,
	// or with fields that contradict each other.
	ErrMalformed = errors.New("malformed record")
	// ErrSignature reports a signature that does not verify.
	ErrSignature = errors.New("bad signature")
)

// Kind says what a record does.
type Kind uint64

// The kinds of record.
const (
	KindSite      Kind = 1 // the site is at Content
	KindTombstone Kind = 2 // the owner withdrew it
)

const recordDomain = "altnet record v1"

// Record is a signed statement of a site's owner. Instants are Unix
// milliseconds. Raw is what was signed and what travels; a Record that Parse
// or Check returned has verified signatures.
type Record struct {
	Network    [32]byte
	Kind       Kind
	Name       string             // bare human name, "" where the site has only its address
	Root       identity.PublicKey // the owner
	Delegation Delegation
	Seq        uint64
	Issued     uint64
	Expires    uint64
	Content    wire.Hash // content root; zero in a tombstone
	Size       uint64    // bytes of all distinct blocks
	Claim      *Claim    // with Name only
	Grant      []byte    // a registrar's signed Grant, where there is one

	Raw  []byte
	Hash wire.Hash // SHA-256 of Raw, the tie-breaker
}

// body is a Record as it is signed.
type body struct {
	Network    [32]byte           `cbor:"1,keyasint"`
	Kind       Kind               `cbor:"2,keyasint"`
	Name       string             `cbor:"3,keyasint,omitempty"`
	Root       identity.PublicKey `cbor:"4,keyasint"`
	Delegation []byte             `cbor:"5,keyasint"`
	Seq        uint64             `cbor:"6,keyasint"`
	Issued     uint64             `cbor:"7,keyasint"`
	Expires    uint64             `cbor:"8,keyasint"`
	Content    []byte             `cbor:"9,keyasint,omitempty"`
	Size       uint64             `cbor:"10,keyasint,omitempty"`
	Claim      *Claim             `cbor:"11,keyasint,omitempty"`
	Grant      []byte             `cbor:"12,keyasint,omitempty"`
}

// Sign returns r signed by a device's key under r.Delegation, with Raw and
// Hash filled. It refuses what Parse would refuse.
func Sign(r Record, device identity.Key) (Record, error) {
	b := body{
		Network: r.Network, Kind: r.Kind, Name: r.Name, Root: r.Root, Delegation: r.Delegation.Raw,
		Seq: r.Seq, Issued: r.Issued, Expires: r.Expires, Size: r.Size, Claim: r.Claim, Grant: r.Grant,
	}
	if !r.Content.IsZero() {
		b.Content = r.Content[:]
	}
	raw, err := seal(device, recordDomain, b)
	if err != nil {
		return Record{}, fmt.Errorf("sign record: %w", err)
	}
	signed, err := Parse(raw)
	if err != nil {
		return Record{}, fmt.Errorf("sign record: %w", err)
	}
	return signed, nil
}

// Parse reads a signed record and verifies both signatures. It checks
// neither network, nor time, nor the work of the claim: Check does. Errors
// wrap ErrMalformed or ErrSignature. raw is copied.
func Parse(raw []byte) (Record, error) {
	r, env, err := decode(raw)
	if err != nil {
		return Record{}, err
	}
	return r, r.verify(env)
}

// decode reads without verifying: cheap, and of no worth until verified.
func decode(raw []byte) (Record, wire.Signed, error) {
	var b body
	env, err := unseal(raw, MaxRecord, &b, 12)
	if err != nil {
		return Record{}, env, fmt.Errorf("record: %w", err)
	}
	r := Record{
		Network: b.Network, Kind: b.Kind, Name: b.Name, Root: b.Root,
		Seq: b.Seq, Issued: b.Issued, Expires: b.Expires, Size: b.Size, Claim: b.Claim, Grant: b.Grant,
		Raw: append([]byte(nil), raw...), Hash: sha256.Sum256(raw),
	}
	if copy(r.Content[:], b.Content) != len(b.Content) || (len(b.Content) != 0 && r.Content.IsZero()) {
		return Record{}, env, fmt.Errorf("record: content root: %w", ErrMalformed)
	}
	if r.Delegation, err = decodeDelegation(b.Delegation); err != nil {
		return Record{}, env, fmt.Errorf("record: %w", err)
	}
	if err := r.consistent(len(b.Content)); err != nil {
		return Record{}, env, fmt.Errorf("record: %w", err)
	}
	return r, env, nil
}

// consistent holds the rules between fields that need nothing from outside.
func (r *Record) consistent(contentLen int) error {
	var why string
	switch {
	case r.Root.IsZero():
		why = "no root key"
	case r.Kind != KindSite && r.Kind != KindTombstone:
		why = "unknown kind"
	case r.Kind == KindSite && contentLen != len(wire.Hash{}):
		why = "no content root"
	case r.Kind == KindTombstone && (contentLen != 0 || r.Size != 0):
		why = "a tombstone with content"
	case r.Name != "" && (!validLabel(r.Name) || looksLikeAddress(r.Name)):
		why = "name is not a label"
	case (r.Name != "") != (r.Claim != nil):
		why = "a name needs a claim, and only a name"
	case len(r.Grant) > maxGrant || r.Size > maxSize:
		why = "a field is too large"
	default:
		return r.consistentTimes()
	}
	return fmt.Errorf("%s: %w", why, ErrMalformed)
}

func (r *Record) consistentTimes() error {
	var why string
	switch {
	case r.Issued == 0 || r.Issued > maxInstant || r.Expires > maxInstant:
		why = "instant out of range"
	case r.Expires <= r.Issued || r.Expires-r.Issued > uint64(MaxLife.Milliseconds()):
		why = "lifetime out of range"
	case r.Seq == 0 || r.Seq > r.Issued+uint64(MaxSeqLead.Milliseconds()):
		why = "sequence runs ahead of the time of issue"
	case r.Issued > r.Delegation.NotAfter:
		why = "issued after the delegation ended"
	case r.Kind == KindSite && r.Expires > r.Delegation.NotAfter:
		// A tombstone may outlive its delegation: it must outlive every record.
		why = "outlives its delegation"
	case r.Claim != nil && !r.Claim.fits(r.Issued):
		why = "claim of another epoch"
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", why, ErrMalformed)
}

// verify checks the chain root key → device key → record.
func (r *Record) verify(env wire.Signed) error {
	if err := r.Delegation.verify(r.Root); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if !r.Delegation.Key.Verify(recordDomain, env.Body, env.Sig) {
		return fmt.Errorf("record: %w", ErrSignature)
	}
	return nil
}

// Tombstone reports whether the record withdraws the site.
func (r *Record) Tombstone() bool { return r.Kind == KindTombstone }

// IsZero reports whether there is no record.
func (r *Record) IsZero() bool { return len(r.Raw) == 0 }

// IssuedAt returns Issued as a time.
func (r *Record) IssuedAt() time.Time { return time.UnixMilli(int64(r.Issued)) }

// ExpiresAt returns Expires as a time.
func (r *Record) ExpiresAt() time.Time { return time.UnixMilli(int64(r.Expires)) }

// Expired reports whether the record has ended.
func (r *Record) Expired(now time.Time) bool { return !now.Before(r.ExpiresAt()) }

// Keys returns the DHT keys under which the record is stored: the site's, and
// the name's where it has one.
func (r *Record) Keys() []wire.Hash {
	if r.Name == "" {
		return []wire.Hash{SiteKey(r.Root)}
	}
	return []wire.Hash{SiteKey(r.Root), NameKey(r.Name)}
}

// Info returns what a storing node needs to order records.
func (r *Record) Info() Info {
	return Info{
		Owner: r.Root, Serial: r.Delegation.Serial, Seq: r.Seq, Hash: r.Hash,
		Issued: r.IssuedAt(), Expires: r.ExpiresAt(), Tombstone: r.Tombstone(),
	}
}

// Supersedes reports whether r replaces o, a record of the same owner.
func (r *Record) Supersedes(o *Record) bool { return r.Info().Supersedes(o.Info()) }

// Ties reports whether two different records of one owner claim the same
// place. The lower hash wins; a person should hear of it.
func (r *Record) Ties(o *Record) bool {
	return r.Root == o.Root && r.Delegation.Serial == o.Delegation.Serial && r.Seq == o.Seq && r.Hash != o.Hash
}

// Millis returns t as the wire has it: Unix milliseconds, 0 before 1970.
func Millis(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) }

package record

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// How far in the future a record may be issued. Storing nodes are strict, so
// that a publisher hears at once that its clock is wrong. Readers forgive a
// clock of their own that is a day behind.
const (
	StoreSkew = 10 * time.Minute
	ReadSkew  = 25 * time.Hour
)

var (
	// ErrNetwork reports a record of another network.
	ErrNetwork = errors.New("record of another network")
	// ErrWrongKey reports a record under a DHT key that is not its own.
	ErrWrongKey = errors.New("record does not belong under this key")
	// ErrExpired reports a record whose time has ended.
	ErrExpired = errors.New("record has expired")
	// ErrFuture reports a record issued in the future: one of the two clocks
	// is wrong. See FutureError.
	ErrFuture = errors.New("record was issued in the future")
)

// FutureError is ErrFuture with the numbers that a person needs.
type FutureError struct {
	Issued, Now time.Time
}

// Error names both clocks.
func (e *FutureError) Error() string {
	return fmt.Sprintf("record was issued %s in the future (%s, here it is %s): one of the two clocks is wrong",
		e.Issued.Sub(e.Now).Round(time.Minute), e.Issued.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrFuture) true.
func (e *FutureError) Is(target error) bool { return target == ErrFuture }

// Info is what a storing node needs to know about a record.
type Info struct {
	Owner           identity.PublicKey
	Serial          uint64 // of the delegation: compared before Seq
	Seq             uint64
	Hash            wire.Hash // SHA-256 of the signed bytes
	Issued, Expires time.Time
	Tombstone       bool
}

// Order is one number that ranks the records of one owner: the delegation's
// serial in the high 16 bits, the sequence in the low 48.
func (i Info) Order() uint64 { return i.Serial<<seqBits | i.Seq }

// Supersedes reports whether a record replaces another of the same owner:
// higher delegation serial, then higher sequence, then lower hash.
func (i Info) Supersedes(o Info) bool {
	if i.Order() != o.Order() {
		return i.Order() > o.Order()
	}
	return bytes.Compare(i.Hash[:], o.Hash[:]) < 0
}

// Exclusive reports whether no other owner can ever hold this DHT key.
func (i Info) Exclusive(key wire.Hash) bool { return key == SiteKey(i.Owner) }

// Check decides whether a record may stand under key in this network now:
// size and form, the key, the network, the times, then the two signatures;
// cheap checks first. The work of the claim is left to CheckWork or a Gate,
// because the caller has to budget it. skew is StoreSkew or ReadSkew.
//
// With ErrExpired alone the record is returned too, verified: a reader shows
// when it ended, a storing node keeps its owner's place for Grace.
func Check(network [32]byte, key wire.Hash, raw []byte, now time.Time, skew time.Duration) (Record, error) {
	r, env, err := decode(raw)
	if err != nil {
		return Record{}, err
	}
	if r.Network != network {
		return Record{}, ErrNetwork
	}
	if key != SiteKey(r.Root) && (r.Name == "" || key != NameKey(r.Name)) {
		return Record{}, ErrWrongKey
	}
	if r.IssuedAt().Sub(now) > skew {
		return Record{}, &FutureError{Issued: r.IssuedAt(), Now: now}
	}
	if err := r.verify(env); err != nil {
		return Record{}, err
	}
	if r.Expired(now) {
		return r, fmt.Errorf("%w: ended %s", ErrExpired, r.ExpiresAt().UTC().Format(time.RFC3339))
	}
	return r, nil
}

const networkDomain = "altnet network v1\x00"

// NetworkID returns the identifier of the network with this name; "" means
// the public network, "altnet".
func NetworkID(name string) [32]byte {
	if name == "" {
		name = "altnet"
	}
	return sha256.Sum256([]byte(networkDomain + name))
}

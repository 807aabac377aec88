package wire

import (
	"errors"
	"fmt"
	"time"

	"altnet/engine/identity"
)

// Peer is a verified peer record: who a peer is and where it is reached.
// Raw is the signed bytes, which are what travels; Peer is how code reads
// them. A simulation may leave Raw empty.
type Peer struct {
	Key     identity.PublicKey
	ID      identity.NodeID
	Puzzle  uint64 // nonce of the work over the key; difficulty 0 for now
	Seq     uint64 // higher replaces lower; unix milliseconds at signing
	Expires uint64 // unix milliseconds
	Role    Role
	Addrs   []Addr
	Raw     []byte
}

// Role is a bit set of what a peer does for others.
type Role uint64

// The roles of this version.
const (
	RoleServer    Role = 1 << 0 // reachable: answers DHT requests, may stand in routing tables
	RoleVolunteer Role = 1 << 1 // keeps other people's sites under lease
	RoleRelay     Role = 1 << 2 // carries circuits
)

// Self says which key signs in this process; peers are known by NodeID.
type Self struct {
	Key    identity.Key
	Puzzle uint64
}

// PeerDomain separates the signatures of peer records from all others.
const PeerDomain = "altnet peer record v1"

// MaxPeerLife is how far ahead a peer record may expire.
const MaxPeerLife = 48 * time.Hour

// ErrBadPeer reports a peer record that is well signed and yet breaks a rule.
var ErrBadPeer = errors.New("bad peer record")

// peerBody is the signed part of a peer record. All of it is kept as it came
// in Peer.Raw, so fields of later versions survive without an Extra.
type peerBody struct {
	KeyType uint64   `cbor:"1,keyasint"`
	Key     []byte   `cbor:"2,keyasint"`
	Puzzle  uint64   `cbor:"3,keyasint,omitempty"`
	Seq     uint64   `cbor:"4,keyasint"`
	Expires uint64   `cbor:"5,keyasint"`
	Role    uint64   `cbor:"6,keyasint,omitempty"`
	Addrs   [][]byte `cbor:"7,keyasint,omitempty"`
}

// SignPeer signs p as key's record and returns it with Key, ID and Raw set.
// Puzzle, Seq, Expires, Role and Addrs are the caller's.
func SignPeer(key identity.Key, p Peer) (Peer, error) {
	p.Key, p.ID = key.Public(), key.ID()
	body := peerBody{
		KeyType: uint64(identity.Ed25519), Key: p.Key[:], Puzzle: p.Puzzle,
		Seq: p.Seq, Expires: p.Expires, Role: uint64(p.Role),
	}
	if len(p.Addrs) > MaxAddrs {
		return Peer{}, fmt.Errorf("sign a peer record: %d addresses, at most %d: %w", len(p.Addrs), MaxAddrs, ErrTooLarge)
	}
	for _, a := range p.Addrs {
		b, err := EncodeAddr(a)
		if err != nil {
			return Peer{}, fmt.Errorf("sign a peer record: %w", err)
		}
		body.Addrs = append(body.Addrs, b)
	}
	raw, err := Marshal(body)
	if err != nil {
		return Peer{}, fmt.Errorf("sign a peer record: %w", err)
	}
	p.Raw = Sign(key, PeerDomain, raw)
	return p, nil
}

// ParsePeer reads and verifies a signed peer record. It does not look at the
// clock: that is Valid. Raw is a copy. Addresses of unknown kinds are left out.
func ParsePeer(raw []byte) (Peer, error) {
	p, signed, err := parsePeer(raw)
	if err != nil {
		return Peer{}, fmt.Errorf("parse a peer record: %w", err)
	}
	if !p.Key.Verify(PeerDomain, signed.Body, signed.Sig) {
		return Peer{}, fmt.Errorf("parse the record of peer %s: %w", p.ID.Short(), ErrBadSignature)
	}
	p.Raw = append([]byte(nil), raw...)
	return p, nil
}

// parsePeer reads a record without verifying the signature.
func parsePeer(raw []byte) (Peer, Signed, error) {
	if len(raw) > MaxPeerRecord {
		return Peer{}, Signed{}, fmt.Errorf("%d bytes, at most %d: %w", len(raw), MaxPeerRecord, ErrTooLarge)
	}
	signed, err := SplitSigned(raw)
	if err != nil {
		return Peer{}, Signed{}, err
	}
	var body peerBody
	if err := checkCanonical(signed.Body, MaxPeerRecord); err != nil {
		return Peer{}, Signed{}, err
	}
	if err := decMode.Unmarshal(signed.Body, &body); err != nil {
		return Peer{}, Signed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p, err := body.peer()
	return p, signed, err
}

func (b *peerBody) peer() (Peer, error) {
	if b.KeyType != uint64(identity.Ed25519) {
		return Peer{}, fmt.Errorf("key type %d: %w", b.KeyType, ErrBadPeer)
	}
	if len(b.Key) != len(identity.PublicKey{}) {
		return Peer{}, fmt.Errorf("key of %d bytes: %w", len(b.Key), ErrBadPeer)
	}
	if b.Seq == 0 || b.Expires == 0 {
		return Peer{}, fmt.Errorf("no sequence or no expiry: %w", ErrBadPeer)
	}
	p := Peer{
		Key: identity.PublicKey(b.Key), Puzzle: b.Puzzle,
		Seq: b.Seq, Expires: b.Expires, Role: Role(b.Role),
	}
	p.ID = p.Key.ID()
	addrs, err := decodeAddrs(b.Addrs)
	p.Addrs = addrs
	return p, err
}

func decodeAddrs(raw [][]byte) ([]Addr, error) {
	if len(raw) > MaxAddrs {
		return nil, fmt.Errorf("%d addresses, at most %d: %w", len(raw), MaxAddrs, ErrTooLarge)
	}
	var addrs []Addr
	for _, b := range raw {
		a, err := DecodeAddr(b)
		if errors.Is(err, ErrAddrKind) {
			continue
		}
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// Valid reports why a record cannot be used at now, or nil: it has expired,
// or claims to live longer than MaxPeerLife, with an hour of tolerance for
// clocks that differ.
func (p Peer) Valid(now time.Time) error {
	ms := uint64(max(now.UnixMilli(), 0))
	const tolerance = time.Hour
	if p.Expires <= ms {
		return fmt.Errorf("record of peer %s expired %v ago: %w", p.ID.Short(), lasting(ms-p.Expires), ErrBadPeer)
	}
	if p.Expires-ms > uint64((MaxPeerLife + tolerance).Milliseconds()) {
		return fmt.Errorf("record of peer %s lasts longer than %v: %w", p.ID.Short(), MaxPeerLife, ErrBadPeer)
	}
	return nil
}

// lasting makes a duration of milliseconds a peer may have chosen.
func lasting(ms uint64) time.Duration {
	const most = uint64(24 * 365 * time.Hour / time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond
}

// Package wire is the language of AltNet's peers: message types, framing,
// limits and the canonical form. It knows no sockets; PROTOCOL.md beside it is
// the specification, held to the code by golden vectors.
package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"altnet/engine/identity"
)

// Hash is the SHA-256 of a block, or a key in the DHT's 256-bit space.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether the hash is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// AddrKind says how a peer is reached at an address.
type AddrKind uint8

// The kinds of address a peer record may hold.
const (
	AddrIPv4  AddrKind = 1 // 4 bytes, 2 bytes port
	AddrIPv6  AddrKind = 2 // 16 bytes, 2 bytes port
	AddrRelay AddrKind = 3 // NodeID of the relay, then one of the two above
)

// Addr is one way to reach a peer. Relay is set for AddrRelay only: the relay
// it is reached through, which itself listens at IP.
type Addr struct {
	Kind  AddrKind
	IP    netip.AddrPort
	Relay identity.NodeID
}

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

// Package identity holds the Ed25519 keys of peers and sites, the NodeID of a
// peer and the self-certifying address of a site.
//
// Every signature in AltNet is domain-separated: Sign and Verify work over
// domain ‖ 0x00 ‖ message, so that bytes signed for one purpose mean nothing
// for another.
package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeyType says which signature scheme a public key belongs to. It is part of
// the NodeID and of every handshake, so that another scheme can join later.
type KeyType byte

// Ed25519 is the only key type of this version (RFC 8032).
const Ed25519 KeyType = 1

// PublicKey is an Ed25519 public key.
type PublicKey [ed25519.PublicKeySize]byte

// NodeID names a peer: SHA-256(domain ‖ key type ‖ public key).
type NodeID [sha256.Size]byte

const nodeIDDomain = "altnet node id v1\x00"

// ErrBadKey reports a key or NodeID that does not parse.
var ErrBadKey = errors.New("malformed key")

// ID returns the NodeID of the key.
func (p PublicKey) ID() NodeID {
	b := make([]byte, 0, len(nodeIDDomain)+1+len(p))
	b = append(b, nodeIDDomain...)
	b = append(b, byte(Ed25519))
	b = append(b, p[:]...)
	return sha256.Sum256(b)
}

// String returns the key in lower-case hex.
func (p PublicKey) String() string { return hex.EncodeToString(p[:]) }

// IsZero reports whether the key is unset.
func (p PublicKey) IsZero() bool { return p == PublicKey{} }

// Verify reports whether sig is the key's signature over (domain, msg).
func (p PublicKey) Verify(domain string, msg, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(p[:], bound(domain, msg), sig)
}

// ParsePublicKey reads a key in hex, as it stands in trusted-registrars.txt.
func ParsePublicKey(s string) (PublicKey, error) {
	var p PublicKey
	return p, parseHex(p[:], s, "public key")
}

// String returns the NodeID in lower-case hex.
func (id NodeID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first four bytes in hex, for logs and tables.
func (id NodeID) Short() string { return hex.EncodeToString(id[:4]) }

// IsZero reports whether the NodeID is unset.
func (id NodeID) IsZero() bool { return id == NodeID{} }

// ParseNodeID reads a NodeID in hex.
func ParseNodeID(s string) (NodeID, error) {
	var id NodeID
	return id, parseHex(id[:], s, "node id")
}

// parseHex fills dst from s or leaves it zero.
func parseHex(dst []byte, s, what string) error {
	b, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(b) != len(dst) {
		return fmt.Errorf("%s %q is not %d hex digits: %w", what, s, 2*len(dst), ErrBadKey)
	}
	copy(dst, b)
	return nil
}

// Key is a private key. The zero Key is not usable.
type Key struct {
	private ed25519.PrivateKey
}

// Generate makes a new key from random.
func Generate(random io.Reader) (Key, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return Key{}, fmt.Errorf("make a key: %w", err)
	}
	return FromSeed(seed), nil
}

// FromSeed returns the key of a 32-byte seed (RFC 8032 section 5.1.5).
func FromSeed(seed [ed25519.SeedSize]byte) Key {
	return Key{private: ed25519.NewKeyFromSeed(seed[:])}
}

// Seed returns the 32 bytes from which FromSeed makes the key again.
func (k Key) Seed() [ed25519.SeedSize]byte {
	return [ed25519.SeedSize]byte(k.private.Seed())
}

// Public returns the public half.
func (k Key) Public() PublicKey { return PublicKey(k.private.Public().(ed25519.PublicKey)) }

// ID returns the NodeID of the key.
func (k Key) ID() NodeID { return k.Public().ID() }

// IsZero reports whether the key is unset.
func (k Key) IsZero() bool { return k.private == nil }

// Sign returns the 64-byte signature over (domain, msg).
func (k Key) Sign(domain string, msg []byte) []byte {
	return ed25519.Sign(k.private, bound(domain, msg))
}

func bound(domain string, msg []byte) []byte {
	b := make([]byte, 0, len(domain)+1+len(msg))
	b = append(b, domain...)
	b = append(b, 0)
	return append(b, msg...)
}

package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Hash is the SHA-256 of a block, or a key in the DHT's 256-bit space.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether the hash is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// hashHead is the head of a byte string of 32 bytes.
var hashHead = [2]byte{majorBytes<<5 | 24, 32}

// encodedHash is the size of a hash in CBOR.
const encodedHash = len(hashHead) + len(Hash{})

// MarshalCBOR encodes the hash as a byte string, without the reflection that
// CBOR libraries spend on arrays, byte by byte.
func (h Hash) MarshalCBOR() ([]byte, error) {
	return append(append(make([]byte, 0, encodedHash), hashHead[:]...), h[:]...), nil
}

// UnmarshalCBOR sets the hash from a byte string of exactly 32 bytes. Without
// it one of another length would be cut or padded.
func (h *Hash) UnmarshalCBOR(b []byte) error {
	if len(b) != encodedHash || !bytes.HasPrefix(b, hashHead[:]) {
		return fmt.Errorf("not a hash of %d bytes: %w", len(h), ErrMalformed)
	}
	copy(h[:], b[len(hashHead):])
	return nil
}

// Hashes is a list of hashes in a message.
type Hashes []Hash

// IsZero reports whether the list is empty, and so left out.
func (l Hashes) IsZero() bool { return len(l) == 0 }

// MarshalCBOR encodes the list as an array.
func (l Hashes) MarshalCBOR() ([]byte, error) {
	b := appendHead(make([]byte, 0, maxBlockHead+encodedHash*len(l)), majorArray, uint64(len(l)))
	for _, h := range l {
		b = append(append(b, hashHead[:]...), h[:]...)
	}
	return b, nil
}

// UnmarshalCBOR sets the list from an array of byte strings of 32 bytes.
func (l *Hashes) UnmarshalCBOR(b []byte) error {
	major, n, rest, err := readHead(b)
	if err != nil {
		return err
	}
	if major != majorArray || n > MaxBlockHashes || int(n)*encodedHash != len(rest) {
		return fmt.Errorf("not a list of hashes: %w", ErrMalformed)
	}
	list := make(Hashes, n)
	for i := range list {
		if err := list[i].UnmarshalCBOR(rest[:encodedHash]); err != nil {
			return err
		}
		rest = rest[encodedHash:]
	}
	*l = list
	return nil
}

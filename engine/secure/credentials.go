package secure

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"altnet/engine/identity"
)

// proofDomain separates the signature over a Noise static key from all others.
const proofDomain = "altnet handshake v1"

// role is signed with a proof, so that nobody's proof can be sent back to him.
type role byte

const (
	initiator role = 1
	responder role = 2
)

// Credentials is a Noise static key and the node key's proofs that it is ours,
// one per role. Make one per process and put it into every Config.
type Credentials struct {
	key       identity.PublicKey
	puzzle    uint64
	networkID [32]byte
	static    keyPair
	proofs    map[role][]byte
}

// NewCredentials makes a new static key and signs it.
func NewCredentials(key identity.Key, puzzle uint64, networkID [32]byte) (*Credentials, error) {
	return newCredentials(rand.Reader, key, puzzle, networkID)
}

func newCredentials(random io.Reader, key identity.Key, puzzle uint64, networkID [32]byte) (*Credentials, error) {
	if key.IsZero() {
		return nil, fmt.Errorf("no node key: %w", ErrConfig)
	}
	static, err := generate(random)
	if err != nil {
		return nil, fmt.Errorf("make a static key: %w", err)
	}
	c := &Credentials{key: key.Public(), puzzle: puzzle, networkID: networkID, static: static, proofs: map[role][]byte{}}
	for _, r := range []role{initiator, responder} {
		c.proofs[r] = prove(key, puzzle, networkID, r, static.dh.Public)
	}
	return c, nil
}

// check reports whether the credentials are those of c.
func (cr *Credentials) check(c Config) error {
	if !c.Key.IsZero() && c.Key.Public() != cr.key || c.NetworkID != cr.networkID {
		return fmt.Errorf("credentials of another key or network: %w", ErrConfig)
	}
	return nil
}

// proofSize is key type, public key, puzzle nonce, signature.
const proofSize = 1 + 32 + 8 + 64

// prove returns the proof that key speaks through the static key.
func prove(key identity.Key, puzzle uint64, networkID [32]byte, r role, static []byte) []byte {
	pub := key.Public()
	b := append([]byte{byte(identity.Ed25519)}, pub[:]...)
	b = binary.BigEndian.AppendUint64(b, puzzle)
	return append(b, key.Sign(proofDomain, proofMessage(puzzle, networkID, r, static))...)
}

// proofMessage is what a proof signs.
func proofMessage(puzzle uint64, networkID [32]byte, r role, static []byte) []byte {
	m := append(networkID[:], byte(r), byte(identity.Ed25519))
	m = binary.BigEndian.AppendUint64(m, puzzle)
	return append(m, static...)
}

// remote is who the other side proved to be.
type remote struct {
	key    identity.PublicKey
	id     identity.NodeID
	puzzle uint64
}

// verifyProof reads the other side's proof that it speaks through static.
func verifyProof(proof []byte, networkID [32]byte, r role, static []byte) (remote, error) {
	if t := identity.KeyType(proof[0]); t != identity.Ed25519 {
		return remote{}, fmt.Errorf("the peer has a key of unknown type %d: %w", t, ErrVersion)
	}
	key := identity.PublicKey(proof[1:33])
	puzzle := binary.BigEndian.Uint64(proof[33:41])
	if !key.Verify(proofDomain, proofMessage(puzzle, networkID, r, static), proof[41:]) {
		return remote{}, fmt.Errorf("the peer's signature does not hold here: %w", ErrWrongNetwork)
	}
	return remote{key: key, id: key.ID(), puzzle: puzzle}, nil
}

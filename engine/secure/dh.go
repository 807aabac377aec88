package secure

import (
	"crypto/ecdh"
	"io"

	"github.com/flynn/noise"
)

// keyPair is an X25519 key in both forms, that of crypto/ecdh and the raw one
// flynn/noise passes around.
type keyPair struct {
	key *ecdh.PrivateKey
	dh  noise.DHKey
}

func generate(random io.Reader) (keyPair, error) {
	var seed [32]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return keyPair{}, err
	}
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{key, noise.DHKey{Private: key.Bytes(), Public: key.PublicKey().Bytes()}}, nil
}

// x25519 is noise.DHFunc over crypto/ecdh for one handshake. Parsing a private
// key costs as much as an exchange (it computes the public key), so the two in
// use are kept. crypto/ecdh refuses points of low order.
type x25519 struct {
	static, ephemeral keyPair
}

// GenerateKeypair makes the ephemeral key.
func (x *x25519) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	var err error
	x.ephemeral, err = generate(random)
	return x.ephemeral.dh, err
}

// DH multiplies.
func (x *x25519) DH(private, public []byte) ([]byte, error) {
	key, err := x.parsed(private)
	if err != nil {
		return nil, err
	}
	point, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return key.ECDH(point)
}

// parsed finds a kept key by the identity of its slice.
func (x *x25519) parsed(private []byte) (*ecdh.PrivateKey, error) {
	for _, k := range [...]*keyPair{&x.static, &x.ephemeral} {
		if len(private) > 0 && len(k.dh.Private) > 0 && &private[0] == &k.dh.Private[0] {
			return k.key, nil
		}
	}
	return ecdh.X25519().NewPrivateKey(private)
}

// DHLen is the length of a public key and of a shared secret.
func (*x25519) DHLen() int { return 32 }

// DHName is the function's name in the protocol name.
func (*x25519) DHName() string { return "25519" }

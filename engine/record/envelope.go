package record

import (
	"crypto/ed25519"
	"fmt"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// seal signs body and returns the envelope.
func seal(key identity.Key, domain string, body any) ([]byte, error) {
	b, err := wire.Marshal(body)
	if err != nil {
		return nil, err
	}
	return wire.Marshal(wire.Signed{Body: b, Sig: key.Sign(domain, b)})
}

// unseal decodes an envelope of at most limit bytes and its body, without
// verifying the signature. Fields that body does not know are ignored: they
// stay in the raw bytes, which alone are verified and passed on.
func unseal(raw []byte, limit int, body any) (wire.Signed, error) {
	var env wire.Signed
	if len(raw) > limit {
		return env, fmt.Errorf("%d bytes, at most %d allowed: %w", len(raw), limit, ErrMalformed)
	}
	if err := wire.Unmarshal(raw, &env); err != nil {
		return env, fmt.Errorf("envelope: %w: %w", ErrMalformed, err)
	}
	if len(env.Sig) != ed25519.SignatureSize {
		return env, fmt.Errorf("signature of %d bytes: %w", len(env.Sig), ErrMalformed)
	}
	if err := wire.Unmarshal(env.Body, body); err != nil {
		return env, fmt.Errorf("body: %w: %w", ErrMalformed, err)
	}
	return env, nil
}

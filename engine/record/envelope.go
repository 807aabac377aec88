package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

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

// unseal decodes an envelope of at most limit bytes and its body, whose fields
// 1 to known are understood, without verifying the signature. Later fields are
// ignored: they stay in the raw bytes, which alone are verified and passed on.
func unseal(raw []byte, limit int, body any, known uint64) (wire.Signed, error) {
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
	return env, oneEncoding(env.Body, body, known)
}

// oneEncoding holds the known fields to the bytes that seal would make of
// them: none is zero, empty, too short or padded.
func oneEncoding(raw []byte, body any, known uint64) error {
	again, err := wire.Marshal(body)
	if err != nil {
		return err
	}
	if bytes.Equal(again, raw) {
		return nil
	}
	var got, want map[uint64]cbor.RawMessage
	if err := errors.Join(wire.Unmarshal(raw, &got), wire.Unmarshal(again, &want)); err != nil {
		return fmt.Errorf("body: %w: %w", ErrMalformed, err)
	}
	for k, v := range got {
		if k <= known && !bytes.Equal(v, want[k]) {
			return fmt.Errorf("body: field %d could be written otherwise: %w", k, ErrMalformed)
		}
	}
	return nil
}

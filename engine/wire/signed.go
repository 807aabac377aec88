package wire

import (
	"errors"
	"fmt"

	"altnet/engine/identity"
)

// ErrBadSignature reports a signature that is not its key's over these bytes
// in this domain.
var ErrBadSignature = errors.New("signature does not hold")

// Signed is the envelope of every signed object: Body is what was signed, as
// opaque bytes, and exactly those bytes are verified.
type Signed struct {
	_    struct{} `cbor:",toarray"`
	Body []byte
	Sig  []byte
}

// Sign returns the envelope of body, signed by key in domain.
func Sign(key identity.Key, domain string, body []byte) []byte {
	sig := key.Sign(domain, body)
	raw := make([]byte, 0, 1+maxBlockHead+len(body)+2+len(sig))
	raw = appendHead(raw, majorArray, 2)
	raw = append(appendHead(raw, majorBytes, uint64(len(body))), body...)
	return append(appendHead(raw, majorBytes, uint64(len(sig))), sig...)
}

// SplitSigned parses an envelope without verifying it, for bodies that say
// themselves who signed. The slices point into raw.
func SplitSigned(raw []byte) (Signed, error) {
	major, n, rest, err := readHead(raw)
	if err != nil {
		return Signed{}, fmt.Errorf("read an envelope: %w", err)
	}
	if major != majorArray || n != 2 {
		return Signed{}, fmt.Errorf("envelope is not an array of two: %w", ErrMalformed)
	}
	body, rest, err := readBytes(rest)
	if err != nil {
		return Signed{}, fmt.Errorf("read an envelope's body: %w", err)
	}
	sig, rest, err := readBytes(rest)
	if err != nil {
		return Signed{}, fmt.Errorf("read an envelope's signature: %w", err)
	}
	if len(rest) != 0 || len(sig) != 64 {
		return Signed{}, fmt.Errorf("envelope has %d bytes of signature and %d after it: %w", len(sig), len(rest), ErrMalformed)
	}
	return Signed{Body: body, Sig: sig}, nil
}

// readBytes reads one byte string.
func readBytes(data []byte) (val, rest []byte, err error) {
	major, n, rest, err := readHead(data)
	if err != nil {
		return nil, nil, err
	}
	if major != majorBytes {
		return nil, nil, fmt.Errorf("major type %d instead of a byte string: %w", major, ErrMalformed)
	}
	if n > uint64(len(rest)) {
		return nil, nil, truncated()
	}
	return rest[:n:n], rest[n:], nil
}

package secure

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// magic begins every connection in clear.
const magic = "altnet"

// maxVersions bounds the offer.
const maxVersions = 8

// preamble is what the initiator says in clear before message 1.
type preamble struct {
	versions []byte // strictly ascending, none of them 0
	features uint32
}

func (p preamble) encode() []byte {
	b := append([]byte(magic), byte(len(p.versions)))
	b = append(b, p.versions...)
	return binary.BigEndian.AppendUint32(b, p.features)
}

// readPreamble also returns the bytes as they came: they are the prologue.
func readPreamble(r io.Reader) (preamble, []byte, error) {
	raw := make([]byte, len(magic)+1, len(magic)+1+maxVersions+4)
	if _, err := io.ReadFull(r, raw); err != nil {
		return preamble{}, nil, noEOF(err)
	}
	n := int(raw[len(magic)])
	if !bytes.HasPrefix(raw, []byte(magic)) || n == 0 || n > maxVersions {
		return preamble{}, nil, fmt.Errorf("not an AltNet preamble: %w", ErrVersion)
	}
	rest := raw[len(raw) : len(raw)+n+4]
	if _, err := io.ReadFull(r, rest); err != nil {
		return preamble{}, nil, noEOF(err)
	}
	p := preamble{versions: rest[:n], features: binary.BigEndian.Uint32(rest[n:])}
	if p.versions[0] == 0 || !slices.IsSorted(p.versions) || len(slices.Compact(slices.Clone(p.versions))) != n {
		return preamble{}, nil, fmt.Errorf("versions %v do not ascend: %w", p.versions, ErrVersion)
	}
	return p, raw[:len(raw)+n+4], nil
}

// choose returns the highest version both sides know.
func (p preamble) choose() (byte, error) {
	if slices.Contains(p.versions, Version) {
		return Version, nil
	}
	return 0, fmt.Errorf("the peer offers versions %v, we know %d: %w", p.versions, Version, ErrVersion)
}

// accepts reports whether the responder's choice is one we offered.
func (p preamble) accepts(version byte, features uint32) error {
	if !slices.Contains(p.versions, version) || features&^p.features != 0 {
		return fmt.Errorf("the peer chose version %d and features %#x: %w", version, features, ErrVersion)
	}
	return nil
}

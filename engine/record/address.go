package record

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"altnet/engine/identity"
)

// A site's address is base32(version ‖ root key ‖ checksum), lower case and
// without padding: 35 bytes in 56 letters, so that it is one DNS label.
const (
	addressVersion  = 1
	addressChecksum = 2
	addressLen      = 56
	addressDomain   = "altnet address v1\x00"
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Address returns the label of the site with this root key. It always works,
// never changes, and cannot be claimed as a human name.
func Address(root identity.PublicKey) string {
	b := make([]byte, 0, 1+len(root)+addressChecksum)
	b = append(b, addressVersion)
	b = append(b, root[:]...)
	b = append(b, checksum(b)...)
	return base32Lower.EncodeToString(b)
}

// ParseAddress reads a label made by Address, in either case. A misspelt
// address gives an error wrapping ErrBadName, never another site.
func ParseAddress(label string) (identity.PublicKey, error) {
	label = strings.ToLower(label)
	b, err := base32Lower.DecodeString(label)
	if err != nil || len(label) != addressLen {
		return identity.PublicKey{}, fmt.Errorf("site address %q: %w", clip(label), ErrBadName)
	}
	body, sum := b[:len(b)-addressChecksum], b[len(b)-addressChecksum:]
	if string(checksum(body)) != string(sum) {
		return identity.PublicKey{}, fmt.Errorf("site address %q is misspelt: %w", label, ErrBadName)
	}
	if body[0] != addressVersion {
		return identity.PublicKey{}, fmt.Errorf("site address of version %d: %w", body[0], ErrBadName)
	}
	root := identity.PublicKey(body[1:])
	if root.IsZero() {
		return identity.PublicKey{}, fmt.Errorf("site address of no key: %w", ErrBadName)
	}
	return root, nil
}

// looksLikeAddress keeps every label of an address's shape out of the human
// names, whatever its checksum: a typing error must not be claimable.
func looksLikeAddress(label string) bool {
	if len(label) != addressLen {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

func checksum(body []byte) []byte {
	sum := sha256.Sum256(append([]byte(addressDomain), body...))
	return sum[:addressChecksum]
}

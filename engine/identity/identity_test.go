package identity

import (
	"errors"
	"strings"
	"testing"
)

func TestSignaturesAreBoundToTheirDomain(t *testing.T) {
	k := FromSeed([32]byte{1})
	sig := k.Sign("a", []byte("message"))
	tests := []struct {
		domain, msg string
		sig         []byte
		want        bool
	}{
		{"a", "message", sig, true},
		{"b", "message", sig, false},
		{"a", "messages", sig, false},
		{"a\x00mess", "age", sig, false},
		{"a", "message", sig[:63], false},
		{"a", "message", nil, false},
	}
	for _, tt := range tests {
		if got := k.Public().Verify(tt.domain, []byte(tt.msg), tt.sig); got != tt.want {
			t.Errorf("%q, %q: %v", tt.domain, tt.msg, got)
		}
	}
	if FromSeed([32]byte{2}).Public().Verify("a", []byte("message"), sig) {
		t.Error("another key verifies")
	}
}

// The vector that other implementations check their NodeID against.
func TestNodeID(t *testing.T) {
	k := FromSeed([32]byte{1})
	const key = "cecc1507dc1ddd7295951c290888f095adb9044d1b73d696e6df065d683bd4fc"
	if got := k.Public().String(); got != key {
		t.Errorf("public key %s", got)
	}
	const id = "3d2527d8cb3eb74fb8debd68edb10385e77f036b6c24c7a9cd89d877d9610465"
	if got := k.ID().String(); got != id {
		t.Errorf("node id %s", got)
	}
}

func TestParse(t *testing.T) {
	k := FromSeed([32]byte{1})
	if got, err := ParsePublicKey(" " + strings.ToUpper(k.Public().String()) + "\n"); err != nil || got != k.Public() {
		t.Errorf("public key: %v, %v", got, err)
	}
	if got, err := ParseNodeID(k.ID().String()); err != nil || got != k.ID() {
		t.Errorf("node id: %v, %v", got, err)
	}
	for _, bad := range []string{"", "00", strings.Repeat("g", 64), strings.Repeat("0", 66)} {
		if _, err := ParsePublicKey(bad); !errors.Is(err, ErrBadKey) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

package record

import (
	"testing"
	"time"

	"altnet/engine/identity"
)

// TestProve has a proof count for the record, node and user that it was made
// for, by the device that signed, and for nothing else.
func TestProve(t *testing.T) {
	root, device := identity.FromSeed([32]byte{1}), identity.FromSeed([32]byte{2})
	now := time.UnixMilli(1_800_000_000_000)
	d, err := Delegate(root, device.Public(), 1, Millis(now.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	signed := func(seq uint64) *Record {
		r, err := Sign(Record{
			Kind: KindSite, Root: root.Public(), Delegation: d, Seq: seq, Issued: Millis(now),
			Expires: Millis(now.Add(time.Minute)), Content: [32]byte{3}, Size: 1,
		}, device)
		if err != nil {
			t.Fatal(err)
		}
		return &r
	}
	r := signed(1)
	proof, err := Prove(device, r, "node", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if !r.ProvedBy(proof, "node", "1000") {
		t.Error("a good proof is refused")
	}
	byRoot, err := Prove(root, r, "node", "1000")
	if err != nil {
		t.Fatal(err)
	}
	for what, ok := range map[string]bool{
		"no proof":       r.ProvedBy(nil, "node", "1000"),
		"another user":   r.ProvedBy(proof, "node", "1001"),
		"no user":        r.ProvedBy(proof, "node", ""),
		"another node":   r.ProvedBy(proof, "other", "1000"),
		"moved letters":  r.ProvedBy(proof, "node1", "000"),
		"another record": signed(2).ProvedBy(proof, "node", "1000"),
		"another key":    r.ProvedBy(byRoot, "node", "1000"),
		"its signature":  r.ProvedBy(r.Raw[len(r.Raw)-64:], "node", "1000"),
		"cut short":      r.ProvedBy(proof[:63], "node", "1000"),
	} {
		if ok {
			t.Errorf("%s counts as a proof", what)
		}
	}
}

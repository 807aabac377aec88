package record

import (
	"crypto/sha256"
	"strings"
	"testing"

	"altnet/engine/wire"
)

func TestParseKeys(t *testing.T) {
	a, b := testKey(1).Public(), testKey(2).Public()
	text := "\ufeff# registrars\r\n\n  " + a.String() + "  # ours\r\n" + strings.ToUpper(b.String()) + "\tthe other one\n"
	keys, err := ParseKeys(strings.NewReader(text))
	if err != nil || len(keys) != 2 || keys[0] != a || keys[1] != b {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, err := ParseKeys(strings.NewReader("# nobody\n")); err != nil || len(keys) != 0 {
		t.Errorf("an empty file: %v, %v", keys, err)
	}
	// A typing error must not open a gatekept network.
	for _, bad := range []string{"\n" + a.String()[1:], a.String() + "\nkey", strings.Repeat("a", 2000)} {
		keys, err := ParseKeys(strings.NewReader(bad))
		if err == nil || keys != nil {
			t.Errorf("%.20q: %v, %v", bad, keys, err)
		}
	}
	_, err = ParseKeys(strings.NewReader("\n\nkey"))
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("the line is not named: %v", err)
	}
	if _, err := ParseKeys(strings.NewReader(strings.Repeat(a.String()+"\n", maxTrusted+1))); err == nil {
		t.Error("too many keys are accepted")
	}
}

func TestParseBlocklist(t *testing.T) {
	h := wire.Hash(sha256.Sum256([]byte("bad")))
	g := wire.Hash(sha256.Sum256([]byte("worse")))
	list, err := ParseBlocklist(strings.NewReader("# list\n" + h.String() + "  court order 7/26 # note\n" + g.String() + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if reason, ok := list.Has(h); !ok || reason != "court order 7/26" {
		t.Errorf("%q, %v", reason, ok)
	}
	if _, ok := list.Has(g); !ok || len(list) != 2 {
		t.Errorf("%d entries", len(list))
	}
	if _, ok := Blocklist(nil).Has(h); ok {
		t.Error("the empty list refuses")
	}
	if _, err := ParseBlocklist(strings.NewReader("nonsense")); err == nil {
		t.Error("a line that is no hash passes")
	}
}

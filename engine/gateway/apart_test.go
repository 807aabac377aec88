package gateway

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A page may load from https and from its like, and from no plain http server
// of the reader's.
func TestPolicyKeepsApart(t *testing.T) {
	g, _ := one(t, fstest.MapFS{"index.html": {}}, nil)
	all := get(g, "http://pg.alt/").Header().Values("Content-Security-Policy")
	if len(all) != 2 {
		t.Fatalf("%q", all)
	}
	for rule := range strings.SplitSeq(all[1], ";") {
		words := strings.Fields(rule)
		if len(words) < 4 {
			t.Errorf("%q", rule)
		}
		for _, w := range words {
			if w == "http:" || w == "*" || strings.HasPrefix(w, "http://") && w != "http://*.alt" {
				t.Errorf("%q lets pages reach plain http servers", w)
			}
		}
	}
}

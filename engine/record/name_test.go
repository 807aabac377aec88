package record

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	key := testKey(1).Public()
	addr := Address(key)
	tests := []struct {
		in   string
		want Name
		err  error
	}{
		{in: "pg.alt", want: Name{Label: "pg"}},
		{in: "PG.Alt.", want: Name{Label: "pg"}},
		{in: "pg", want: Name{Label: "pg"}},
		{in: "www.pg.alt", want: Name{Label: "pg", Sub: "www"}},
		{in: "a.b.pg.alt", want: Name{Label: "pg", Sub: "a.b"}},
		{in: "pg.pg.alt", want: Name{Label: "pg", Sub: "pg"}},
		{in: "bücher.alt", want: Name{Label: "xn--bcher-kva"}},
		{in: "BÜCHER.alt", want: Name{Label: "xn--bcher-kva"}},
		{in: "bu\u0308cher.alt", want: Name{Label: "xn--bcher-kva"}}, // decomposed
		{in: "xn--bcher-kva.alt", want: Name{Label: "xn--bcher-kva"}},
		{in: "faß.alt", want: Name{Label: "xn--fa-hia"}}, // not fass
		{in: "例え。alt", want: Name{Label: "xn--r8jz45g"}}, // ideographic full stop
		{in: addr + ".alt", want: Name{Key: key}},
		{in: strings.ToUpper(addr) + ".ALT", want: Name{Key: key}},
		{in: "www." + addr + ".alt", want: Name{Key: key, Sub: "www"}},
		{in: strings.Repeat("a", 63) + ".alt", want: Name{Label: strings.Repeat("a", 63)}},
		{in: "alt", want: Name{Label: "alt"}},

		{in: "", err: ErrBadName},
		{in: ".", err: ErrBadName},
		{in: ".alt", err: ErrBadName},
		{in: "a..alt", err: ErrBadName},
		{in: "..alt", err: ErrBadName},
		{in: "-a.alt", err: ErrBadName},
		{in: "a-.alt", err: ErrBadName},
		{in: "a_b.alt", err: ErrBadName},
		{in: "a b.alt", err: ErrBadName},
		{in: "a/b.alt", err: ErrBadName},
		{in: "a\x00.alt", err: ErrBadName},
		{in: "a\u202eb.alt", err: ErrBadName}, // right-to-left override
		{in: "\xff.alt", err: ErrBadName},
		{in: "pg.alt:80", err: ErrBadName},
		{in: "ab--cd.alt", err: ErrBadName},
		{in: "xn--.alt", err: ErrBadName},
		{in: "xn--pg-.alt", err: ErrBadName},
		{in: "xn--a.alt", err: ErrBadName},
		{in: strings.Repeat("a", 64) + ".alt", err: ErrBadName},
		{in: strings.Repeat("a.", 126) + "alt", err: ErrBadName},
		{in: strings.Repeat("a", 1<<20), err: ErrBadName},
		{in: strings.Repeat("a", 56) + ".alt", err: ErrBadName}, // an address misspelt
		{in: "pg.com", err: ErrOtherTLD},
		{in: "pg.alt.com", err: ErrOtherTLD},
		{in: "127.0.0.1", err: ErrOtherTLD},
	}
	for _, tt := range tests {
		got, err := ParseName(tt.in, "")
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%.70q: error %v, want %v", tt.in, err, tt.err)
		}
		if err == nil && got != tt.want {
			t.Errorf("%.70q: %+v, want %+v", tt.in, got, tt.want)
		}
		if err == nil {
			if again, err := ParseName(got.Host(""), ""); err != nil || again != got {
				t.Errorf("%.70q: host %q reads back as %+v, %v", tt.in, got.Host(""), again, err)
			}
		}
	}
	if n, err := ParseName("pg.test", "test"); err != nil || n.Host("test") != "pg.test" {
		t.Errorf("another suffix: %+v, %v", n, err)
	}
}

// A typing error in an address never leads to another site.
func TestAddressTypos(t *testing.T) {
	addr := Address(testKey(1).Public())
	if got, err := ParseAddress(addr); err != nil || got != testKey(1).Public() {
		t.Fatalf("%v, %v", got, err)
	}
	missed := 0
	for i := range addr {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			bad := addr[:i] + string(c) + addr[i+1:]
			if bad == addr {
				continue
			}
			if _, err := ParseAddress(bad); err == nil {
				missed++
			}
			if checkLabel(bad) == nil {
				t.Errorf("%s can be claimed as a human name", bad)
			}
		}
	}
	if missed > 2 { // 1,736 typos against a checksum of 16 bits
		t.Errorf("%d of the single typos pass", missed)
	}
	if checkLabel(addr) == nil {
		t.Error("an address can be claimed as a human name")
	}
}

func TestDisplay(t *testing.T) {
	tests := []struct {
		in, shown string
		warn      Warning
	}{
		{"pg.alt", "pg.alt", NoWarning},
		{"bücher.alt", "bücher.alt", NoWarning},
		{"пример.alt", "пример.alt", NoWarning},
		{"日本語テスト.alt", "日本語テスト.alt", NoWarning},
		{"日本abc.alt", "日本abc.alt", NoWarning},
		{"한국abc.alt", "한국abc.alt", NoWarning},
		{"pаypal.alt", "xn--pypal-4ve.alt", MixedScripts}, // Cyrillic а
		{"аррӏе.alt", "xn--80ak6aa92e.alt", LookAlike},    // Cyrillic throughout
		{"ρaypal.alt", "xn--aypal-2ce.alt", MixedScripts}, // Greek rho
		{"οο.alt", "xn--0xaa.alt", LookAlike},             // Greek omicron
		{"аррӏе.pg.alt", "xn--80ak6aa92e.pg.alt", LookAlike},
	}
	for _, tt := range tests {
		n, err := ParseName(tt.in, "")
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		if shown, warn := n.Display(""); shown != tt.shown || warn != tt.warn {
			t.Errorf("%s: shown as %s, %q; want %s, %q", tt.in, shown, warn, tt.shown, tt.warn)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"pg.alt", "www.bücher.alt", Address(testKey(1).Public()) + ".alt", "xn--80ak6aa92e.alt", "a..alt", "例え。alt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s, "")
		if err != nil {
			return
		}
		host := n.Host("")
		if len(host) > maxHost {
			t.Fatalf("host of %d bytes from %q", len(host), s)
		}
		again, err := ParseName(host, "")
		if err != nil || again != n {
			t.Fatalf("%q parses to %+v, whose host %q parses to %+v, %v", s, n, host, again, err)
		}
		n.Display("")
		if n.Label != "" && (checkLabel(n.Label) != nil || !validLabel(n.Label)) {
			t.Fatalf("label %q of %q cannot be claimed", n.Label, s)
		}
	})
}

// checkLabel reports whether label can be claimed as a human name: already
// normalised, and not of the shape of a site's address. Errors wrap ErrBadName.
func checkLabel(label string) error {
	n, err := ParseName(label, DefaultTLD)
	if err != nil {
		return err
	}
	if n.IsKey() || n.Sub != "" || n.Label != label {
		return fmt.Errorf("label %q is not in normal form: %w", clip(label), ErrBadName)
	}
	return nil
}

package trust

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"altnet/platform/browser"
	"altnet/platform/journal"
)

// mac plays Apple's tool: one keychain and its trust settings.
type mac struct {
	root    Root
	in      bool
	trusted bool
	refuse  bool
	deleted []string
}

const thumb = "0123456789ABCDEF0123456789ABCDEF01234567"

func (m *mac) run(_ context.Context, name string, args ...string) ([]byte, error) {
	if name != securityTool {
		return nil, errors.New("another program")
	}
	switch strings.Join(args[:2], " ") {
	case "find-certificate -a":
		if !m.in {
			return nil, nil
		}
		if args[2] == "-p" {
			return m.root.PEM(), nil
		}
		other := strings.Repeat("00", 32)
		return []byte("SHA-256 hash: " + other + "\nSHA-1 hash: FFFF\nkeychain: \"x\"\nSHA-256 hash: " + strings.ToUpper(m.root.Fingerprint().String()) + "\nSHA-1 hash: " + thumb + "\n"), nil
	case "dump-trust-settings ", "dump-trust-settings -d":
		if m.trusted {
			return []byte("Cert 0: " + m.root.Name() + "\n"), nil
		}
		return nil, errors.New("SecTrustSettingsCopyCertificates: No Trust Settings were found.")
	case "add-trusted-cert -r", "add-trusted-cert -d":
		if m.refuse {
			return nil, errors.New("SecTrustSettingsSetTrustSettings: The authorization was canceled by the user.")
		}
		m.in, m.trusted = true, true
	case "delete-certificate -Z":
		m.deleted, m.in, m.trusted = append(m.deleted, args[2]), false, false
	default:
		return nil, errors.New("unknown: " + strings.Join(args, " "))
	}
	return nil, nil
}

func TestKeychain(t *testing.T) {
	for _, kind := range []Kind{SystemKeychain, LoginKeychain} {
		m := &mac{root: limited(t)}
		b := newBench(t, nil, nil)
		b.env = Env{Suffix: "alt", Env: browser.Env{GOOS: "darwin", Home: b.env.Home}, Run: func(ctx context.Context, name string, args ...string) ([]byte, error) {
			return m.run(ctx, name, append(args, "")...) // room for a second word
		}}
		s := b.store(kind)
		state := func(want State) {
			t.Helper()
			if got, err := b.keeper().Check(t.Context(), s, m.root.Fingerprint()); err != nil || got != want {
				t.Errorf("%s: %s, want %s: %v", kind, got, want, err)
			}
		}
		state(Absent)
		m.refuse = true
		if err := b.keeper().Install(t.Context(), s, m.root); !errors.Is(err, ErrDeclined) {
			t.Errorf("%v", err)
		}
		m.refuse = false
		if err := b.keeper().Install(t.Context(), s, m.root); err != nil {
			t.Fatal(err)
		}
		state(Trusted)
		m.trusted = false
		state(Untrusted)
		if out, err := b.keeper().Remove(t.Context(), s); err != nil || len(out) != 1 || out[0].Result != journal.Removed {
			t.Errorf("%+v, %v", out, err)
		}
		state(Absent)
		if !reflect.DeepEqual(m.deleted, []string{thumb}) {
			t.Errorf("deleted %v", m.deleted)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("SHA-256 hash: 00\nSHA-1 hash: 11\n")
	f.Add("a b  C,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range parseList(text) {
			if c.name == "" || strings.Count(c.flags, ",") != 2 {
				t.Errorf("%q", c)
			}
		}
		parseHashes(text)
		certificatesIn([]byte(text))
	})
}

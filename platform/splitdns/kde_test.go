package splitdns

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testKDE(t *testing.T, text string) *kdeDoor {
	t.Helper()
	door := &kdeDoor{cfg: testConfig(t, Exec), file: filepath.Join(t.TempDir(), "config", kdeFile)}
	if text == "" {
		return door
	}
	if err := os.Mkdir(filepath.Dir(door.file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(door.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return door
}

func TestKDEProxy(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	for name, c := range map[string]struct {
		text   string
		edited string // what a person adds since
		want   string // after undo; "" for no file
	}{
		"no file":         {},
		"other settings":  {text: "[$Version]\nupdate_info=x\n\n[Proxy Settings]\nNoProxyFor=localhost\nProxyType=0\n", want: "="},
		"no group":        {text: "PersistentProxyConnection=false\n", want: "="},
		"an old script":   {text: "[Proxy Settings]\nProxy Config Script=http://kept.example/\nProxyType=0", want: "="},
		"edited since":    {text: "[Proxy Settings]\nProxyType=0\n", edited: "NoProxyFor=localhost\n", want: "[Proxy Settings]\nProxyType=0\nNoProxyFor=localhost\n"},
		"created, edited": {edited: "\n[Other]\nkey=1\n", want: "[Other]\nkey=1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			door := testKDE(t, c.text)
			for range 2 {
				if err := door.Set(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := door.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			now, err := os.ReadFile(door.file)
			if err != nil {
				t.Fatal(err)
			}
			if p := kdeProxy(now); p.Mode != ProxyOurs {
				t.Errorf("the settings are %+v:\n%s", p, now)
			}
			if c.edited != "" {
				if err := os.WriteFile(door.file, append(now, c.edited...), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := door.Undo(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "=" {
				want = c.text
			}
			after, err := os.ReadFile(door.file)
			if string(after) != want || (err != nil) != (want == "") {
				t.Errorf("undo left %q, %v; want %q", after, err, want)
			}
			if _, err := os.Stat(filepath.Dir(door.file)); (err != nil) != (want == "") {
				t.Errorf("the folder: %v", err)
			}
		})
	}
}

func TestKDEProxyOfThePerson(t *testing.T) {
	for kind, want := range map[string]ProxyMode{"1": ProxyManual, "2": ProxyPAC, "3": ProxyDetect, "4": ProxyManual, "9": ProxyUnknown} {
		text := "[Proxy Settings]\nProxyType=" + kind + "\nProxy Config Script=http://pac.corp.example/\n"
		door := testKDE(t, text)
		if err := door.Set(t.Context()); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), string(want)) {
			t.Errorf("type %s: %v, want %s in the way", kind, err, want)
		}
		if now, err := os.ReadFile(door.file); err != nil || string(now) != text {
			t.Errorf("the file is now %q, %v", now, err)
		}
	}
}

func TestKDEProxyChosenSince(t *testing.T) {
	door := testKDE(t, "[Proxy Settings]\nProxyType=0\n")
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	chosen := "[Proxy Settings]\nProxyType=2\nProxy Config Script=http://pac.corp.example/\n"
	if err := os.WriteFile(door.file, []byte(chosen), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := os.ReadFile(door.file); err != nil || string(now) != chosen {
		t.Errorf("undo left %q, %v", now, err)
	}
}

// FuzzINI holds setting and removing a key to leaving all else as it was.
func FuzzINI(f *testing.F) {
	f.Add("[Proxy Settings]\nProxyType=0\n[Other]\nProxyType=7")
	f.Add("# comment\n[Proxy Settings\n=\n[]\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		set := setINI(text, kdeGroup, kdeType, kdePAC)
		if got, found := getINI(set, kdeGroup, kdeType); !found || got != kdePAC {
			t.Fatalf("set in %q it is %q", text, got)
		}
		if again := setINI(set, kdeGroup, kdeType, kdePAC); again != set {
			t.Fatalf("setting again makes %q of %q", again, set)
		}
		if _, found := getINI(removeINI(set, kdeGroup, kdeType), kdeGroup, kdeType); found {
			t.Fatalf("%q still has the key", removeINI(set, kdeGroup, kdeType))
		}
		was, had := getINI(text, "Other", kdeType)
		if is, has := getINI(set, "Other", kdeType); is != was || has != had {
			t.Fatalf("another group's key changes from %q to %q", was, is)
		}
	})
}

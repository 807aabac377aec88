package autostart

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func entry(t *testing.T, env map[string]string) Entry {
	t.Helper()
	home := t.TempDir()
	if env == nil {
		env = map[string]string{}
	}
	if env["XDG_CONFIG_DIRS"] == "" {
		env["XDG_CONFIG_DIRS"] = filepath.Join(home, "no-such")
	}
	return Entry{Program: "/opt/Alt Net/altnet", Home: home, Getenv: func(k string) string { return env[k] }}
}

func enabled(t *testing.T, e Entry) bool {
	t.Helper()
	on, err := e.xdgEnabled()
	if err != nil {
		t.Fatal(err)
	}
	return on
}

func set(t *testing.T, e Entry, on bool) {
	t.Helper()
	if err := e.xdgSet(on); err != nil {
		t.Fatal(err)
	}
}

func TestXDG(t *testing.T) {
	e := entry(t, nil)
	if enabled(t, e) {
		t.Error("on before anything was set")
	}
	set(t, e, true)
	if data, _ := os.ReadFile(e.xdgPath()); !enabled(t, e) || !strings.Contains(string(data), `Exec="/opt/Alt Net/altnet" agent`) {
		t.Errorf("set on: %s", data)
	}
	set(t, e, false)
	set(t, e, false)
	if _, err := os.Stat(e.xdgPath()); enabled(t, e) || err == nil {
		t.Error("set off, and the file is still there")
	}
}

func TestXDGOverASystemWideEntry(t *testing.T) {
	etc := t.TempDir()
	e := entry(t, map[string]string{"XDG_CONFIG_DIRS": "relative:" + etc})
	if err := write(filepath.Join(etc, "autostart", xdgName), e.desktopFile()); err != nil {
		t.Fatal(err)
	}
	if !enabled(t, e) {
		t.Error("the package's entry is not seen")
	}
	set(t, e, false)
	if enabled(t, e) {
		t.Error("the user's no does not win")
	}
	set(t, e, true)
	if !enabled(t, e) {
		t.Error("the user's yes does not win")
	}
}

func TestSwitchedOff(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                      false,
		"Hidden=false\n":                        false,
		"[Desktop Entry]\r\nHidden = true\r\n":  true,
		"X-GNOME-Autostart-enabled=false":       true,
		"X-GNOME-Autostart-enabled=true\nA=B\n": false,
	} {
		if switchedOff([]byte(text)) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestQuoteExec(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/altnet": `"/usr/bin/altnet"`,
		"/a b/100%":       `"/a b/100%%"`,
		`/a"b`:            `"/a\\"b"`,
		"/a$b`":           "\"/a\\\\$b\\\\`\"",
	} {
		if got := quoteExec(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestLaunchAgent(t *testing.T) {
	e := entry(t, nil)
	e.Program = "/Apps/A&B/altnet"
	for _, on := range []bool{true, false} {
		if err := e.launchSet(on); err != nil {
			t.Fatal(err)
		}
		if got, err := e.launchEnabled(); got != on || err != nil {
			t.Errorf("set %v: %v, %v", on, got, err)
		}
	}
	d := xml.NewDecoder(strings.NewReader(e.plist()))
	found := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok && string(text) == e.Program {
			found = true
		}
	}
	if !found {
		t.Error("the program is not in the property list")
	}
}

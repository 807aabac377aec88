package desktop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program puts an executable script into a folder that becomes PATH.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestOpenURL(t *testing.T) {
	note := filepath.Join(t.TempDir(), "opened")
	program(t, "xdg-open", `echo "$1" > `+note)
	if err := OpenURL(t.Context(), "http://a.alt/x?y=ü"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(note); strings.TrimSpace(string(got)) != "http://a.alt/x?y=ü" {
		t.Errorf("opened %q", got)
	}
	for _, bad := range []string{"", "file:///etc/passwd", "javascript:alert(1)", "-x", "/usr/bin/true", "http:///x", "http://a\n.alt/"} {
		if OpenURL(t.Context(), bad) == nil {
			t.Errorf("%q was opened", bad)
		}
	}
}

func TestOpenFails(t *testing.T) {
	program(t, "xdg-open", "echo no handler >&2; exit 3")
	if err := ShowFolder(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "no handler") {
		t.Errorf("an opener that fails: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := ShowFolder(t.Context(), "/"); !errors.Is(err, ErrNoOpener) {
		t.Errorf("without an opener: %v", err)
	}
}

func TestPickFolder(t *testing.T) {
	program(t, "zenity", `echo "/home/x/my site"`)
	if got, err := PickFolder(t.Context(), "Folder"); got != "/home/x/my site" || err != nil {
		t.Errorf("picked %q, %v", got, err)
	}
	program(t, "zenity", "exit 1")
	if _, err := PickFolder(t.Context(), "Folder"); !errors.Is(err, ErrRefused) {
		t.Errorf("closed: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := PickFolder(t.Context(), "Folder"); !errors.Is(err, ErrNoPicker) {
		t.Errorf("without one: %v", err)
	}
}

func TestTell(t *testing.T) {
	for name, want := range map[string]string{
		"zenity": "--error --no-markup --title AltNet --text -x", "kdialog": "--title AltNet --error -x", "xmessage": "-center -title AltNet -x",
	} {
		said := filepath.Join(t.TempDir(), "said")
		program(t, name, `echo "$@" > `+said)
		if err := Tell(t.Context(), "AltNet", "-x"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, _ := os.ReadFile(said); strings.TrimSpace(string(got)) != want {
			t.Errorf("%s got %q, want %q", name, got, want)
		}
	}
	program(t, "xmessage", "exit 3")
	if Tell(t.Context(), "AltNet", "x") == nil {
		t.Error("a program that fails counts as having told")
	}
	t.Setenv("PATH", t.TempDir())
	if err := Tell(t.Context(), "AltNet", "x"); !errors.Is(err, ErrNoDialog) {
		t.Errorf("without a program: %v", err)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		authorized, challenge bool
		details               map[string]string
		want                  error
	}{
		{true, false, nil, nil},
		{false, false, nil, ErrRefused},
		{false, true, map[string]string{"polkit.dismissed": "true"}, ErrRefused},
		{false, true, nil, ErrNoAuthentication},
	} {
		if err := verdict(c.authorized, c.challenge, c.details); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestStartTime(t *testing.T) {
	line := "12 (a b) c) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 998877 100 200"
	if got, err := parseStartTime([]byte(line)); got != 998877 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := parseStartTime([]byte("12 (a")); err == nil {
		t.Error("half a line was understood")
	}
	if got, err := startTime(os.Getpid()); got == 0 || err != nil {
		t.Errorf("of this process: %d, %v", got, err)
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "en"},
		{map[string]string{"LANG": "de_AT.UTF-8"}, "de-AT"},
		{map[string]string{"LANG": "de_DE", "LC_ALL": "C.UTF-8"}, "en"},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_MESSAGES": "sr_RS@latin"}, "sr-RS"},
	} {
		if got := posixLanguage(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v: %q", c.env, got)
		}
	}
}

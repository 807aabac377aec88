package desktop

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Present reports whether there is a display to show windows on: a login over
// ssh has no window server.
func Present() bool {
	return exec.Command("/bin/launchctl", "print", "gui/"+strconv.Itoa(os.Getuid())).Run() == nil
}

// Env lists the variables that lead to a display: none are needed.
func Env() []string { return nil }

func opener(what string) (string, []string, error) { return "/usr/bin/open", []string{what}, nil }

func detach(*exec.Cmd) {}

// pick and proof take their texts as arguments, so that none is ever read as
// AppleScript.
const (
	pick  = "on run argv\nreturn POSIX path of (choose folder with prompt (item 1 of argv))\nend run"
	proof = "on run argv\ndo shell script \"/usr/bin/true\" with prompt (item 1 of argv) with administrator privileges\nend run"
)

// PickFolder asks with the system's dialog. Errors are ErrRefused, or wrap
// ErrNoPicker.
func PickFolder(ctx context.Context, title string) (string, error) {
	out, err := osascript(ctx, pick, title)
	if errors.Is(err, ErrRefused) {
		return "", err
	}
	if err != nil {
		return "", errors.Join(err, ErrNoPicker)
	}
	return strings.TrimSuffix(out, "\n"), nil
}

// Authenticate asks for an administrator's password.
func Authenticate(ctx context.Context, reason string) error {
	_, err := osascript(ctx, proof, reason)
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return errors.Join(err, ErrNoAuthentication)
}

// osascript runs a script. That the person cancelled is its error -128.
func osascript(ctx context.Context, script string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "/usr/bin/osascript", append([]string{"-e", script}, args...)...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "-128") {
		return "", ErrRefused
	}
	return string(out), err
}

// Language is the language of the person's desktop, BCP 47.
func Language() string {
	out, err := exec.Command("/usr/bin/defaults", "read", "-g", "AppleLocale").Output()
	if err != nil {
		return posixLanguage(os.Getenv)
	}
	return posixLanguage(func(string) string { return strings.TrimSpace(string(out)) })
}

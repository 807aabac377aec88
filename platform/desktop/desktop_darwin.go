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

// pick and prove take their texts as arguments, so that none is ever read as
// AppleScript.
const (
	pick  = "on run argv\nreturn POSIX path of (choose folder with prompt (item 1 of argv))\nend run"
	prove = "on run argv\ndo shell script \"/usr/bin/true\" with prompt (item 1 of argv) with administrator privileges\nend run"
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
	_, err := osascript(ctx, prove, reason)
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return errors.Join(err, ErrNoAuthentication)
}

// osascript runs a script. That the person cancelled is its error -128.
func osascript(ctx context.Context, script, arg string) (string, error) {
	out, err := exec.CommandContext(ctx, "/usr/bin/osascript", "-e", script, arg).CombinedOutput()
	if err != nil && strings.Contains(string(out), "-128") {
		return "", ErrRefused
	}
	return string(out), err
}

package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"altnet/platform/browser"
)

// Runner runs a program to its end and returns what it printed to its output.
// An error holds what it said.
type Runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// Here returns the machine and the user of this process.
func Here(suffix string) Env {
	home, _ := os.UserHomeDir()
	return Env{
		Env:    browser.Env{GOOS: runtime.GOOS, Home: home, Getenv: os.Getenv, LookPath: lookPath},
		Suffix: suffix, Run: Run,
	}
}

// lookPath also looks where the administrator's tools lie, which are not in
// everybody's path.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil || runtime.GOOS == "windows" || strings.Contains(name, "/") {
		return path, err
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if found, err := exec.LookPath(dir + name); err == nil {
			return found, nil
		}
	}
	return "", err
}

// patience bounds every tool: certutil on a database without terminal could
// wait for ever, and a keychain asks a person.
const patience = 2 * time.Minute

// Run is the Runner of this system. The program sees the C locale, no input
// and no terminal, where certutil would ask for a password that nobody sees.
func Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	noTerminal(cmd)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %w: %s", name, errors.Join(err, ctx.Err()), lastLine(said.String()))
	}
	return out.Bytes(), nil
}

// lastLine is usually the one that says what went wrong.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

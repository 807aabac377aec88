// Package desktop asks the person's desktop for what a window needs of it:
// the browser, the file manager, a folder picker, and proof of who is there.
package desktop

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrNoOpener reports a desktop without a way to open things.
	ErrNoOpener = errors.New("this desktop cannot open addresses and folders")
	// ErrNoPicker reports a desktop without a folder picker of its own.
	ErrNoPicker = errors.New("the desktop's folder picker cannot be used")
	// ErrNoAuthentication reports a system that cannot ask who is there.
	ErrNoAuthentication = errors.New("the system cannot ask for your password here")
	// ErrNoDialog reports a desktop without a program that shows a message.
	ErrNoDialog = errors.New("the desktop has no program that shows a message")
	// ErrRefused reports that the person declined, or failed to prove it.
	ErrRefused = errors.New("declined")
)

// OpenURL opens an http or https address in the person's browser.
func OpenURL(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no address of a page", address)
	}
	return openAny(ctx, u.String())
}

// ShowFolder opens a folder in the person's file manager.
func ShowFolder(ctx context.Context, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return openAny(ctx, abs)
}

// Tell shows a message until the person closes it, where a program for that is
// installed: what a window of ours would say that cannot be shown. The error
// is ErrNoDialog, or the program's.
func Tell(ctx context.Context, title, text string) error {
	path, args := "", []string(nil)
	switch {
	case first("zenity", "qarma") != "":
		path, args = first("zenity", "qarma"), []string{"--error", "--no-markup", "--title", title, "--text", text}
	case first("kdialog") != "":
		path, args = first("kdialog"), []string{"--title", title, "--error", text}
	case first("xmessage") != "":
		path, args = first("xmessage"), []string{"-center", "-title", title, text}
	default:
		return ErrNoDialog
	}
	return exec.CommandContext(ctx, path, args...).Run()
}

// openAny hands something to the desktop. Openers may stay for as long as the
// browser that they started: it is not waited for beyond their first second,
// in which the bad ones fail.
func openAny(ctx context.Context, what string) error {
	name, args, err := opener(what)
	if err != nil {
		return err
	}
	return start(ctx, exec.Command(name, args...)) // outlives ctx on purpose
}

func start(ctx context.Context, cmd *exec.Cmd) error {
	var said strings.Builder
	cmd.Stderr = &limited{to: &said, left: 1 << 10}
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoOpener, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("open it: %w: %s", err, strings.TrimSpace(said.String()))
		}
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}

// limited keeps the beginning of what is written to it.
type limited struct {
	to   *strings.Builder
	left int
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.to.Write(p[:n])
	l.left -= n
	return len(p), nil
}

// first returns the path of the first program that is installed, "" for none.
func first(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// posixLanguage reads the locale's variables in their order: de_AT.UTF-8 is
// de-AT.
func posixLanguage(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			value, _, _ = strings.Cut(value, ".")
			value, _, _ = strings.Cut(value, "@")
			if value == "C" || value == "POSIX" {
				return "en"
			}
			return strings.ReplaceAll(value, "_", "-")
		}
	}
	return "en"
}

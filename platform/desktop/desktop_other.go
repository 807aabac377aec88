//go:build !linux && !windows && !darwin

package desktop

import (
	"context"
	"os"
	"os/exec"
)

// Present reports whether there is a display to show windows on.
func Present() bool { return os.Getenv("DISPLAY") != "" }

// Env lists the variables that lead to a display.
func Env() []string { return []string{"DISPLAY", "XAUTHORITY"} }

func opener(what string) (string, []string, error) {
	if path := first("xdg-open"); path != "" {
		return path, []string{what}, nil
	}
	return "", nil, ErrNoOpener
}

func detach(*exec.Cmd) {}

// PickFolder returns ErrNoPicker.
func PickFolder(context.Context, string) (string, error) { return "", ErrNoPicker }

// Authenticate returns ErrNoAuthentication.
func Authenticate(context.Context, string) error { return ErrNoAuthentication }

// Language is the language of the person's desktop, BCP 47.
func Language() string { return posixLanguage(os.Getenv) }

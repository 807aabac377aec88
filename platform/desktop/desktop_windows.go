package desktop

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

// Present reports whether there is a display to show windows on: session 0
// belongs to services.
func Present() bool {
	var session uint32
	err := windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &session)
	return err != nil || session != 0
}

// Env lists the variables that lead to a display: none are needed.
func Env() []string { return nil }

func opener(what string) (string, []string, error) {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(dir, "rundll32.exe"), []string{"url.dll,FileProtocolHandler", what}, nil
}

func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true} }

// PickFolder returns ErrNoPicker: the window's own picker is used.
func PickFolder(context.Context, string) (string, error) { return "", ErrNoPicker }

// Elevate runs a program with an administrator's rights, for which the system
// asks the person. It does not wait for the program's end. Errors wrap
// ErrRefused or ErrNoAuthentication.
func Elevate(_ context.Context, program string, args ...string) error {
	verb, _ := windows.UTF16PtrFromString("runas")
	file, err := windows.UTF16PtrFromString(program)
	if err != nil {
		return err
	}
	line, err := windows.UTF16PtrFromString(windows.ComposeCommandLine(args))
	if err != nil {
		return err
	}
	err = windows.ShellExecute(0, verb, file, line, nil, windows.SW_HIDE)
	if errors.Is(err, windows.ERROR_CANCELLED) {
		return ErrRefused
	}
	return err
}

// Language is the language of the person's desktop, BCP 47.
func Language() string {
	languages, err := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	if err != nil || len(languages) == 0 {
		return "en"
	}
	return languages[0]
}

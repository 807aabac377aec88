package desktop

import (
	"context"
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

// Language is the language of the person's desktop, BCP 47.
func Language() string {
	languages, err := windows.GetUserPreferredUILanguages(windows.MUI_LANGUAGE_NAME)
	if err != nil || len(languages) == 0 {
		return "en"
	}
	return languages[0]
}

package desktop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// Present reports whether there is a display to show windows on.
func Present() bool { return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" }

// Env lists the variables that lead to a display and its session: a window
// must be started with those of whoever asked for it.
func Env() []string {
	return []string{"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_SESSION_ID", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP", "DESKTOP_STARTUP_ID", "XDG_ACTIVATION_TOKEN"}
}

func opener(what string) (string, []string, error) {
	if path := first("xdg-open"); path != "" {
		return path, []string{what}, nil
	}
	if path := first("gio"); path != "" {
		return path, []string{"open", what}, nil
	}
	if path := first("sensible-browser", "x-www-browser", "firefox", "chromium", "google-chrome"); path != "" && strings.Contains(what, "://") {
		return path, []string{what}, nil
	}
	return "", nil, fmt.Errorf("%w: xdg-open is not installed", ErrNoOpener)
}

// detach keeps what is opened alive when the agent's session of processes
// ends.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// PickFolder asks with GNOME's or KDE's own dialog. Errors are ErrNoPicker,
// ErrRefused, or of the dialog.
func PickFolder(ctx context.Context, title string) (string, error) {
	var cmd *exec.Cmd
	if path := first("kdialog"); path != "" && strings.Contains(os.Getenv("XDG_CURRENT_DESKTOP"), "KDE") {
		cmd = exec.CommandContext(ctx, path, "--title", title, "--getexistingdirectory", ".")
	} else if path := first("zenity", "qarma"); path != "" {
		cmd = exec.CommandContext(ctx, path, "--file-selection", "--directory", "--title", title)
	} else {
		return "", ErrNoPicker
	}
	return picked(cmd)
}

// picked runs a dialog that prints the choice and ends with 1 when closed.
func picked(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return "", ErrRefused
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoPicker, err)
	}
	return string(bytes.TrimSuffix(out, []byte("\n"))), nil
}

// PolkitAction is what polkit is asked about. The desktop packages install a
// policy that lets it be answered by the user's own password.
const PolkitAction = "org.altnet.show-recovery-phrase"

// Authenticate makes polkit ask for the person's password. Errors wrap
// ErrNoAuthentication where there is no polkit or our action is not installed,
// ErrRefused where the answer was no.
func Authenticate(ctx context.Context, reason string) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAuthentication, err)
	}
	defer conn.Close()
	started, err := startTime(os.Getpid())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAuthentication, err)
	}
	subject := struct {
		Kind    string
		Details map[string]dbus.Variant
	}{"unix-process", map[string]dbus.Variant{
		"pid": dbus.MakeVariant(uint32(os.Getpid())), "start-time": dbus.MakeVariant(started), "uid": dbus.MakeVariant(int32(os.Getuid())),
	}}
	var answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	const mayAsk = uint32(1)
	err = conn.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").
		CallWithContext(ctx, "org.freedesktop.PolicyKit1.Authority.CheckAuthorization", 0, subject, PolkitAction, map[string]string{}, mayAsk, "").Store(&answer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoAuthentication, err)
	}
	return verdict(answer.Authorized, answer.Challenge, answer.Details)
}

// verdict reads polkit's answer. A challenge that is left over means that
// nobody could put the question to the person.
func verdict(authorized, challenge bool, details map[string]string) error {
	switch {
	case authorized:
		return nil
	case challenge && details["polkit.dismissed"] == "":
		return fmt.Errorf("%w: no program of this desktop asks for passwords", ErrNoAuthentication)
	}
	return ErrRefused
}

// startTime reads when a process started, in the kernel's ticks: together with
// the PID it names a process for good.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStartTime(data)
}

func parseStartTime(stat []byte) (uint64, error) {
	end := bytes.LastIndexByte(stat, ')') // the name before it may hold anything
	fields := strings.Fields(string(stat[end+1:]))
	const index = 19 // field 22 of the line, the third being the first here
	if end < 0 || len(fields) <= index {
		return 0, errors.New("the kernel's description of this process is not understood")
	}
	var ticks uint64
	_, err := fmt.Sscan(fields[index], &ticks)
	return ticks, err
}

// Language is the language of the person's desktop, BCP 47.
func Language() string { return posixLanguage(os.Getenv) }

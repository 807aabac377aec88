package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// shellExecuteInfo is SHELLEXECUTEINFOW.
type shellExecuteInfo struct {
	size         uint32
	mask         uint32
	window       windows.HWND
	verb         *uint16
	file         *uint16
	parameters   *uint16
	directory    *uint16
	show         int32
	instance     windows.Handle
	idList       uintptr
	class        *uint16
	classKey     windows.Handle
	hotKey       uint32
	iconOrScreen windows.Handle
	process      windows.Handle
}

const (
	maskNoCloseProcess = 0x40
	maskNoAsync        = 0x100
	maskNoUI           = 0x400
	showHidden         = 0
)

// runAs shows the system's consent prompt, starts the program with an
// administrator's rights and waits for its end.
func runAs(ctx context.Context, program string, args []string) error {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = syscall.EscapeArg(a)
	}
	info := &shellExecuteInfo{mask: maskNoCloseProcess | maskNoAsync | maskNoUI, show: showHidden}
	info.size = uint32(unsafe.Sizeof(*info))
	for _, text := range []struct {
		to   **uint16
		from string
	}{{&info.verb, "runas"}, {&info.file, program}, {&info.parameters, strings.Join(words, " ")}} {
		p, err := windows.UTF16PtrFromString(text.from)
		if err != nil {
			return fmt.Errorf("run %s as administrator: %w", program, err)
		}
		*text.to = p
	}
	execute := windows.NewLazySystemDLL("shell32.dll").NewProc("ShellExecuteExW")
	if ok, _, err := execute.Call(uintptr(unsafe.Pointer(info))); ok == 0 {
		if errors.Is(err, windows.ERROR_CANCELLED) {
			return ErrDeclined
		}
		return fmt.Errorf("run %s as administrator: %w", program, err)
	}
	if info.process == 0 {
		return fmt.Errorf("run %s as administrator: %w", program, errNotBegun)
	}
	defer windows.CloseHandle(info.process)
	return waitProcess(ctx, info.process)
}

// waitStep is how long a wait lasts before ctx is looked at again, in
// milliseconds: Windows has no way to wait for both.
const waitStep = 250

func waitProcess(ctx context.Context, process windows.Handle) error {
	for ctx.Err() == nil {
		event, err := windows.WaitForSingleObject(process, waitStep)
		if err != nil {
			return fmt.Errorf("wait for it to end: %w", err)
		}
		if event != uint32(windows.WAIT_TIMEOUT) {
			var status uint32
			if err := windows.GetExitCodeProcess(process, &status); err != nil || status != 0 {
				return errors.Join(err, fmt.Errorf("%w (status %d)", errEnded, status))
			}
			return nil
		}
	}
	return ctx.Err()
}

var (
	errEnded    = errors.New("not all of it could be done")
	errNotBegun = errors.New("the system started nothing")
)

package main

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// guardCommand is apart from the agent's console, whose end may be the agent's.
func guardCommand(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return cmd
}

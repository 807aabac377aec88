//go:build unix && !nogui

package main

import (
	"os/exec"
	"syscall"
)

// apart keeps the signals for this process's group from cmd.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

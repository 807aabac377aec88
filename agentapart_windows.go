//go:build !nogui

package main

import (
	"os/exec"
	"syscall"
)

// apart keeps cmd without a console of its own.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true} }

package trust

import (
	"os/exec"
	"syscall"
)

// noTerminal keeps a program from the terminal of this one.
func noTerminal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

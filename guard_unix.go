//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// waiting is the guard while it waits: a shell takes a hundredth of the memory
// of this program, which it becomes only when the agent has died. Signals that
// end a session are for the agent to act on.
const waiting = `trap '' HUP INT QUIT TERM
read -r said
[ "$said" = farewell ] || exec "$0" "$@"`

// guardCommand is apart from the agent's terminal, whose end may be the agent's.
func guardCommand(program string, args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", waiting, program}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

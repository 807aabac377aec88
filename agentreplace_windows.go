package main

import (
	"os"
	"os/exec"
	"syscall"
)

// takeOver starts the program that lies there now, as an agent without a
// window.
func takeOver(program string) error {
	cmd := exec.Command(program, agentArgs(os.Args[1:])...)
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true}
	return cmd.Start()
}

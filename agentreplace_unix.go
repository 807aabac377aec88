//go:build unix

package main

import (
	"os"
	"syscall"
)

// takeOver becomes the program that lies there now, as an agent without a
// window. It returns in failure alone.
func takeOver(program string) error {
	return syscall.Exec(program, append(os.Args[:1:1], agentArgs(os.Args[1:])...), os.Environ())
}

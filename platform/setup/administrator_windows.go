package setup

import "golang.org/x/sys/windows"

// Administrator reports whether this process may change the machine.
func Administrator() bool { return windows.GetCurrentProcessToken().IsElevated() }

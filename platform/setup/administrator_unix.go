//go:build unix

package setup

import "os"

// Administrator reports whether this process may change the machine.
func Administrator() bool { return os.Geteuid() == 0 }

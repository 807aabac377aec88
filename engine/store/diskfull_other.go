//go:build !windows

package store

import (
	"errors"
	"syscall"
)

// isDiskFull knows the other ways in which a Unix says that there is no room.
func isDiskFull(err error) bool { return errors.Is(err, syscall.EDQUOT) }

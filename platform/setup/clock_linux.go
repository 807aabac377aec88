package setup

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// clock reports whether something keeps the kernel's clock right.
func clock(context.Context) (bool, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask the kernel for its clock: %w", err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

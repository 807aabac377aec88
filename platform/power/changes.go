//go:build linux || darwin

package power

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// readChanges sends whenever the kernel wrote something to f, until ctx ends.
// What it wrote does not matter: whoever hears of it looks for himself.
func readChanges(ctx context.Context, f *os.File) <-chan struct{} {
	changes := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { f.Close() })
	go func() {
		defer close(changes)
		defer f.Close()
		defer stop()
		buf := make([]byte, 64<<10)
		for {
			// ENOBUFS: more was written than was read; that is a change too.
			if _, err := f.Read(buf); err != nil && !errors.Is(err, syscall.ENOBUFS) {
				return
			}
			select {
			case changes <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return changes
}

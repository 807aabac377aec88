//go:build !linux

package tray

import "context"

// Watch calls shown once: these systems always have a tray. It ends with ctx.
func Watch(ctx context.Context, shown func(bool)) error {
	shown(Available)
	<-ctx.Done()
	return nil
}

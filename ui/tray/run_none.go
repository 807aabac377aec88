//go:build darwin && !cgo

package tray

import "context"

// Available reports whether this build can show a tray at all. On macOS the
// tray needs C.
const Available = false

// Config is what Run needs.
type Config struct {
	Icons   map[Icon][]byte
	Views   <-chan View
	Clicked func(Action, string)
}

// Run waits for ctx to end.
func Run(ctx context.Context, c Config) {
	for {
		select {
		case <-c.Views:
		case <-ctx.Done():
			return
		}
	}
}

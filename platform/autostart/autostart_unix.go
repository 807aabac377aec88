//go:build unix

package autostart

import "runtime"

// Enabled reports whether the agent starts at login.
func (e Entry) Enabled() (bool, error) {
	if runtime.GOOS == "darwin" {
		return e.launchEnabled()
	}
	return e.xdgEnabled()
}

// Set switches that on or off.
func (e Entry) Set(on bool) error {
	if runtime.GOOS == "darwin" {
		return e.launchSet(on)
	}
	return e.xdgSet(on)
}

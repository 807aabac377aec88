//go:build linux

package e2e

import (
	"syscall"
	"testing"
)

// TestWindowWhileItsAgentHangs stops the agent under its window, which goes on
// taking input with every question of its open, and shows what is once the agent
// goes on.
func TestWindowWhileItsAgentHangs(t *testing.T) {
	needDesk(t)
	d := openDesk(t)
	d.agent()
	d.person()
	d.window("^AltNet$")
	d.shows("Drop a folder")
	agent := d.cmd.Process.Pid
	check(t, syscall.Kill(agent, syscall.SIGSTOP))
	t.Cleanup(func() { syscall.Kill(agent, syscall.SIGCONT) })
	for _, page := range []string{"Browse", "Network", "Keys", "Settings"} {
		d.press(page) // each asks the node for something
		d.press("About")
		d.shows("Free software under")
	}
	check(t, syscall.Kill(agent, syscall.SIGCONT))
	d.do("offline")
	d.press("My")
	d.shows("Offline")
	d.oneWindow(d.window("^AltNet$"))
}

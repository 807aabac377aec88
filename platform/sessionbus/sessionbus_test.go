//go:build linux

package sessionbus

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStartsNone: dbus-launch, which the library would run, is never asked.
func TestStartsNone(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n: >"+asked+"\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("DISPLAY", ":0")
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	if conn, err := Connect(t.Context()); err == nil {
		conn.Close()
		t.Skip("this person has a session bus, whatever the environment says")
	}
	if _, err := os.Stat(asked); err == nil {
		t.Error("dbus-launch was run")
	}
}

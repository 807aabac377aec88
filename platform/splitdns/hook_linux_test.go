package splitdns

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testHook(t *testing.T) *hookDoor {
	t.Helper()
	dir, err := os.MkdirTemp("", "hook") // a short path: sockets need one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	door := &hookDoor{cfg: testConfig(t, Exec), folder: filepath.Join(dir, "resolve.hook")}
	t.Cleanup(func() { _ = door.Undo(t.Context()) })
	return door
}

// filter asks a hook for its filter over a connection of its own.
func filter(path string) (net.Conn, string, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, "", err
	}
	if _, err := conn.Write([]byte(`{"method":"io.systemd.Resolve.Hook.QueryFilter","more":true}` + "\x00")); err != nil {
		return conn, "", err
	}
	got, err := bufio.NewReader(conn).ReadString(0)
	return conn, got, err
}

func TestHookDoor(t *testing.T) {
	door := testHook(t)
	for range 2 {
		if err := door.Set(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Lstat(door.path())
	if err != nil || info.Mode().Perm() != 0o666 || info.Mode()&fs.ModeSocket == 0 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	conn, got, err := filter(door.path())
	if err != nil || !strings.Contains(got, `"alt"`) {
		t.Fatalf("the filter is %q, %v", got, err)
	}
	defer conn.Close()
	if err := os.Remove(door.path()); err != nil { // as a cleaner of /run does
		t.Fatal(err)
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _, err := filter(door.path()); err != nil {
		t.Errorf("after it was set again: %v", err)
	} else {
		_ = again.Close()
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(door.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was left: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived the door")
	}
}

func TestHookInAFolderOfOthers(t *testing.T) {
	door := testHook(t)
	if err := os.Mkdir(door.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(door.folder, "10-other")
	for _, path := range []string{stale, door.path()} { // ours of a process that was killed
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		_ = ln.Close()
	}
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	if conn, _, err := filter(door.path()); err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	if err := door.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !isSocket(stale) || isSocket(door.path()) {
		t.Errorf("left: theirs %v, ours %v", isSocket(stale), isSocket(door.path()))
	}
}

func TestHookHasRoomForOthers(t *testing.T) {
	door := testHook(t)
	if err := door.Set(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range maxConnsPerUser {
		conn, _, err := filter(door.path())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if conn, got, err := filter(door.path()); err == nil {
		_ = conn.Close()
		t.Errorf("one more connection of a user is answered: %s", got)
	}
}

package platform

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestOurs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, file} {
		if ours, err := Ours(path); err != nil || !ours {
			t.Errorf("%s: %v, %v", path, ours, err)
		}
	}
	if ours, err := Ours(filepath.Join(dir, "none")); err == nil || ours {
		t.Error("what is not there is somebody's")
	}
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(file, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if ours, err := Ours(file); err != nil || ours {
		t.Errorf("another user's: %v, %v", ours, err)
	}
}

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// real opens a journal on the disk, in a folder that only we can write to.
func real(t *testing.T) (*Journal, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "altnet")
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // Wine cannot, which t.TempDir would mind
	j, err := Open(filepath.Join(dir, "journal"), Config{Surgeons: map[string]Surgeon{"lines": Lines}})
	if err != nil {
		t.Fatal(err)
	}
	return j, dir
}

// TestAnySystem makes and undoes changes on the disk of whatever system this is.
func TestAnySystem(t *testing.T) {
	j, dir := real(t)
	edited, made := filepath.Join(dir, "conf"), filepath.Join(dir, "a", "b", "alt")
	if err := os.WriteFile(edited, []byte("theirs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, change := range []FileChange{
		{Door: "x", Path: edited, Surgeon: "lines", Part: LinesPart("ours"), Edit: func(now []byte) ([]byte, error) { return append(now, "ours\n"...), nil }},
		{Door: "x", Path: made, Edit: Whole([]byte("ours"))},
	} {
		if err := j.File(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(edited); err != nil || string(got) != "theirs\nours\n" {
		t.Errorf("the file is %q, %v", got, err)
	}
	if err := os.WriteFile(edited, []byte("theirs\nours\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Undo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(edited); err != nil || string(got) != "theirs\nmore\n" {
		t.Errorf("undo left %q, %v", got, err)
	}
	for _, gone := range []string{"a", "journal", "journal.new"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left: %v", gone, err)
		}
	}
}

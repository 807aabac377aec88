package main

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOutlivePipe would be killed where a write that nobody reads still ended
// the program.
func TestOutlivePipe(t *testing.T) {
	outlivePipe()
	kept, err := unix.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	if err := unix.Dup3(int(w.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	_, err = os.Stderr.WriteString("nobody reads this")
	if back := unix.Dup3(kept, 2, 0); back != nil {
		t.Fatal(back)
	}
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("write without a reader: %v, want EPIPE", err)
	}
}

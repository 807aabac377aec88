package ipc

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// exchange sends a byte each way and returns whom the server took us for.
func exchange(t *testing.T, l net.Listener, dir string) Caller {
	t.Helper()
	type seen struct {
		caller Caller
		err    error
	}
	result := make(chan seen, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				result <- seen{err: err}
				return
			}
			defer conn.Close()
			b := make([]byte, 1)
			if _, err := io.ReadFull(conn, b); err != nil {
				continue // a second Listen that looked whether anybody is here
			}
			c, err := Identify(conn)
			conn.Write(b)
			result <- seen{c, err}
			return
		}
	}()
	conn, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := io.ReadFull(conn, b); err != nil || b[0] != 7 {
		t.Fatalf("read %v, %v", b, err)
	}
	got := <-result
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.caller
}

func TestCaller(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := exchange(t, l, dir)
	own, err := Me()
	if err != nil || c != own || !c.Same || c.User == "" {
		t.Errorf("this process is seen as %+v and sees itself as %+v, %v", c, own, err)
	}
	if runtime.GOOS != "windows" && c.Admin != (os.Getuid() == 0) {
		t.Errorf("admin = %v for user %d", c.Admin, os.Getuid())
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, l, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("Close left %v", left)
	}
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNobody) {
		t.Errorf("dial after Close: %v", err)
	}
}

func TestNobody(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing"), filepath.Join(t.TempDir(), strings.Repeat("x", 120))} {
		if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNobody) {
			t.Errorf("dial in %s: %v", dir, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, t.TempDir()); err == nil {
		t.Error("dialled in a cancelled context")
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Listen(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("a second listener: %v, %v", second, err)
	}
	exchange(t, l, dir)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Listen(dir)
	if err != nil {
		t.Fatalf("listen after Close: %v", err)
	}
	again.Close()
}

//go:build unix

package ipc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	socketName = "control.sock"
	pathName   = "control.path"
	// maxPath is what sun_path holds on every system here, less the final
	// zero: 104 bytes on the BSDs and macOS, 108 on Linux.
	maxPath = 103
)

func listen(dir string) (net.Listener, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	path := filepath.Join(dir, socketName)
	pointer := filepath.Join(dir, pathName)
	if len(path) > maxPath {
		if path, err = shortPath(dir); err != nil {
			return nil, fmt.Errorf("open the control socket: %w", err)
		}
	}
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	closer := &listener{Listener: l}
	// The folder decides who reaches the socket, Identify what they may do.
	if err := os.Chmod(path, 0o666); err != nil {
		closer.Close()
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if filepath.Dir(path) == dir {
		os.Remove(pointer) // from a time when the folder had a longer name
		return closer, nil
	}
	if err := os.WriteFile(pointer, []byte(path+"\n"), 0o600); err != nil {
		closer.Close()
		return nil, fmt.Errorf("note the path of the control socket: %w", err)
	}
	closer.pointer = pointer
	return closer, nil
}

// listener removes the pointer file with the socket.
type listener struct {
	net.Listener
	pointer string
	once    sync.Once
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		if l.pointer != "" {
			os.Remove(l.pointer)
		}
	})
	return l.Listener.Close()
}

// clear removes a socket that nobody listens on.
func clear(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way of the control socket", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return ErrInUse
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old control socket: %w", err)
	}
	return nil
}

// shortPath returns a path for the socket of a folder with a long name, in a
// folder of this user alone.
func shortPath(dir string) (string, error) {
	sum := sha256.Sum256([]byte(dir))
	name := fmt.Sprintf("%x.sock", sum[:8])
	bases := []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"}
	for _, base := range bases {
		if base == "" {
			continue
		}
		own := filepath.Join(base, "altnet-"+strconv.Itoa(os.Getuid()))
		path := filepath.Join(own, name)
		if !filepath.IsAbs(path) || len(path) > maxPath {
			continue
		}
		if err := ownFolder(own); err != nil {
			return "", err
		}
		return path, nil
	}
	return "", fmt.Errorf("the path %s is too long for a socket and no shorter one was found", dir)
}

// ownFolder makes a folder in a place that others may write to as well, and
// refuses one that somebody else has put there.
func ownFolder(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s is not a folder that belongs to this user alone", path)
	}
	return nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	path, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (%s)", ErrNobody, dir)
	}
	return nil, fmt.Errorf("reach the node: %w", err)
}

// socketPath finds the socket of a data folder.
func socketPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the control socket: %w", err)
	}
	path := filepath.Join(dir, socketName)
	if len(path) <= maxPath {
		return path, nil
	}
	note, err := os.ReadFile(filepath.Join(dir, pathName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w (%s)", ErrNobody, dir)
	}
	if err != nil {
		return "", fmt.Errorf("find the control socket: %w", err)
	}
	return strings.TrimSpace(string(note)), nil
}

func identify(conn net.Conn) (Caller, error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return Caller{}, fmt.Errorf("a %T has no peer credentials", conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return Caller{}, fmt.Errorf("read peer credentials: %w", err)
	}
	var uid uint32
	var credErr error
	if err := raw.Control(func(fd uintptr) { uid, credErr = peerUID(int(fd)) }); err != nil {
		return Caller{}, fmt.Errorf("read peer credentials: %w", err)
	}
	if credErr != nil {
		return Caller{}, fmt.Errorf("read peer credentials: %w", credErr)
	}
	return callerOf(int(uid)), nil
}

func me() (Caller, error) { return callerOf(os.Getuid()), nil }

func callerOf(uid int) Caller {
	return Caller{User: strconv.Itoa(uid), Admin: uid == 0, Same: uid == os.Getuid()}
}

package splitdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"altnet/platform/journal"
)

const (
	hookFolder = "/run/systemd/resolve.hook"
	hookSocket = "50-altnet"
	socketKind = "splitdns-socket"
	folderKind = "splitdns-folder"
	// systemd-resolved keeps a handful of connections; a user who opens more
	// than this many hurts only himself.
	maxConnsPerUser = 32
	maxConns        = 256
)

// hookDoor answers systemd-resolved in this process.
type hookDoor struct {
	cfg    Config
	folder string

	mu     sync.Mutex // guards what is below
	server *hookServer
}

func openHook(cfg Config) Door { return &hookDoor{cfg: cfg, folder: hookFolder} }

func (d *hookDoor) Name() Name { return Hook }

func (d *hookDoor) path() string { return filepath.Join(d.folder, hookSocket) }

func (d *hookDoor) Set(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil && isSocket(d.path()) {
		return nil
	}
	d.stop()
	if err := d.makeFolder(ctx); err != nil {
		return err
	}
	after, err := json.Marshal(d.path())
	if err != nil {
		return err
	}
	change := journal.ExternalChange{Door: string(Hook), Kind: socketKind, Key: d.path(), Before: json.RawMessage("null"), After: after}
	return d.cfg.Journal.External(ctx, change, func(context.Context) error { return d.listen() })
}

// makeFolder makes the folder of hooks where nobody did; it goes with ours
// unless others use it by then.
func (d *hookDoor) makeFolder(ctx context.Context) error {
	if _, err := os.Stat(d.folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	change := journal.ExternalChange{Door: string(Hook), Kind: folderKind, Key: d.folder, Before: json.RawMessage("false"), After: json.RawMessage("true")}
	return d.cfg.Journal.External(ctx, change, func(context.Context) error {
		if err := os.Mkdir(d.folder, 0o755); err != nil {
			return err
		}
		return os.Chmod(d.folder, 0o755) // whatever the umask
	})
}

// listen puts a socket in place that can be connected to at once: systemd-resolved
// looks at a new one once only, and runs as a user of its own.
func (d *hookDoor) listen() error {
	temp := filepath.Join(d.folder, ".altnet.new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return err
	}
	ln.SetUnlinkOnClose(false)
	d.server = serveHook(ln, responder{suffix: d.cfg.Want.Suffix, answer: d.cfg.Want.Answer}, d.cfg.Log)
	if err := os.Chmod(temp, 0o666); err != nil {
		return err
	}
	return os.Rename(temp, d.path())
}

func (d *hookDoor) Verify(ctx context.Context) error { return d.cfg.verifyName(ctx) }

func (d *hookDoor) Undo(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.cfg.undo(ctx, Hook)
	d.stop()
	return err
}

func (d *hookDoor) stop() {
	if d.server != nil {
		d.server.close()
		d.server = nil
	}
}

func isSocket(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSocket != 0
}

func undoSocket(_ context.Context, c journal.Change) (journal.Result, error) {
	result := journal.Nothing
	for _, path := range []string{filepath.Join(filepath.Dir(c.Key), ".altnet.new"), c.Key} {
		if !isSocket(path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return journal.Failed, err
		}
		result = journal.Removed
	}
	return result, nil
}

func undoFolder(_ context.Context, c journal.Change) (journal.Result, error) {
	err := unix.Rmdir(c.Key)
	switch {
	case err == nil:
		return journal.Removed, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTEMPTY):
		return journal.Nothing, nil
	}
	return journal.Failed, err
}

// hookServer serves connections until it is closed.
type hookServer struct {
	ln  *net.UnixListener
	r   responder
	log *slog.Logger
	wg  sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[*net.UnixConn]uint32
}

func serveHook(ln *net.UnixListener, r responder, log *slog.Logger) *hookServer {
	s := &hookServer{ln: ln, r: r, log: log, conns: map[*net.UnixConn]uint32{}}
	s.wg.Go(s.accept)
	return s
}

func (s *hookServer) accept() {
	for {
		conn, err := s.ln.AcceptUnix()
		if err != nil {
			return
		}
		if !s.admit(conn) {
			_ = conn.Close()
			continue
		}
		s.wg.Go(func() {
			if err := s.r.serve(conn); err != nil {
				s.log.Debug("a connection to the resolve hook ended", "error", err)
			}
			s.drop(conn)
		})
	}
}

func (s *hookServer) admit(conn *net.UnixConn) bool {
	uid, err := peerUID(conn)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for _, other := range s.conns {
		if other == uid {
			same++
		}
	}
	if s.conns == nil || len(s.conns) >= maxConns || same >= maxConnsPerUser {
		return false
	}
	s.conns[conn] = uid
	return true
}

func (s *hookServer) drop(conn *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	_ = conn.Close()
}

func (s *hookServer) close() {
	_ = s.ln.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.wg.Wait()
}

func peerUID(conn *net.UnixConn) (uint32, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return 0, fmt.Errorf("who asks: %w", err)
	}
	return cred.Uid, nil
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// State is a file with what is kept when it is replaced.
type State struct {
	Data     []byte
	Mode     fs.FileMode
	UID, GID int // -1: whoever writes it
	// Attrs are extended attributes (access lists, security labels), where the
	// system has them.
	Attrs map[string][]byte
}

// FS is what the journal does to files. Each method is one step that may be the
// last before a crash; what was not synced may be lost then.
type FS interface {
	// UID is the user that the process runs as, -1 where there is none.
	UID() int
	// Lock waits for the only lock on the journal at path.
	Lock(ctx context.Context, path string) (unlock func(), err error)
	// Resolve returns the path of the file itself for one that a user may have
	// made a link. As root it follows none.
	Resolve(path string) (string, error)
	// Read returns a regular file of at most limit bytes (ErrTooLarge). It fails
	// with fs.ErrNotExist, and with ErrLink for a link.
	Read(path string, limit int64) (State, error)
	IsFolder(path string) (bool, error)
	// Create makes a file that must not exist.
	Create(path string, state State) error
	Sync(path string) error
	Rename(from, to string) error
	Remove(path string) error
	// Mkdir makes one folder, Rmdir removes an empty one.
	Mkdir(path string) error
	Rmdir(path string) error
	SyncFolder(path string) error
}

// System returns the file system of this computer. Paths are walked from the
// top through open folders. A process of root follows a link only where root
// alone could have put it; so no user can turn its writes elsewhere.
func System() FS { return system{} }

type system struct{}

func (system) UID() int { return os.Geteuid() }

// Lock goes through the open folder too, lest a link in the lock's place has
// root make a file elsewhere.
func (s system) Lock(ctx context.Context, path string) (func(), error) {
	dir, name, err := s.open(path + ".lock")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(20 * time.Millisecond) // no system tells when a lock is free
	defer retry.Stop()
	for {
		locked, err := tryLock(f)
		if locked {
			return func() { _ = f.Close() }, nil
		}
		if err == nil {
			select {
			case <-retry.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		return nil, errors.Join(err, f.Close())
	}
}

func (s system) Resolve(path string) (string, error) {
	path = filepath.Clean(path)
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s is not an absolute path", path)
	}
	if s.UID() == 0 {
		return path, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", fmt.Errorf("%w that leads nowhere", ErrLink)
		}
		return path, nil
	}
	return real, err
}

// open returns the folder of path and the name in it.
func (s system) open(path string) (*os.Root, string, error) {
	dir, err := s.folder(filepath.Dir(path))
	return dir, filepath.Base(path), err
}

func (s system) folder(path string) (*os.Root, error) {
	if s.UID() == 0 {
		return walk(path, 0)
	}
	return os.OpenRoot(path)
}

// walk opens a folder step by step, following links of root alone.
func walk(path string, links int) (*os.Root, error) {
	if links > 16 {
		return nil, fmt.Errorf("%w in a circle", ErrLink)
	}
	dir, err := os.OpenRoot("/")
	if err != nil {
		return nil, err
	}
	done := "/"
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		next, target, err := step(dir, name)
		_ = dir.Close()
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		if target != "" {
			rest := strings.TrimPrefix(strings.TrimPrefix(path, filepath.Join(done, name)), "/")
			if !filepath.IsAbs(target) {
				target = filepath.Join(done, target)
			}
			return walk(filepath.Join(target, rest), links+1)
		}
		dir, done = next, filepath.Join(done, name)
	}
	return dir, nil
}

// step opens the folder name in dir, or returns where the link of that name
// leads.
func step(dir *os.Root, name string) (*os.Root, string, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, "", err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if err := trusted(dir, info); err != nil {
			return nil, "", err
		}
		target, err := dir.Readlink(name)
		return nil, target, err
	}
	next, err := dir.OpenRoot(name)
	if err != nil {
		return nil, "", err
	}
	opened, err := next.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = fmt.Errorf("%w that appeared just now", ErrLink)
	}
	if err != nil {
		_ = next.Close()
		return nil, "", err
	}
	return next, "", nil
}

// trusted reports whether root alone can have put a link into dir.
func trusted(dir *os.Root, link fs.FileInfo) error {
	info, err := dir.Stat(".")
	if err != nil {
		return err
	}
	folder, _ := owner(info)
	itself, _ := owner(link)
	if folder != 0 || itself != 0 || info.Mode().Perm()&0o022 != 0 {
		return ErrLink
	}
	return nil
}

func (s system) Read(path string, limit int64) (State, error) {
	dir, name, err := s.open(path)
	if err != nil {
		return State{}, err
	}
	defer dir.Close()
	info, err := dir.Lstat(name)
	switch {
	case err != nil:
		return State{}, err
	case info.Mode()&fs.ModeSymlink != 0:
		return State{}, ErrLink
	case !info.Mode().IsRegular():
		return State{}, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit:
		return State{}, ErrTooLarge
	}
	f, err := dir.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return State{}, err
	}
	defer f.Close()
	return read(f, info, limit)
}

func read(f *os.File, seen fs.FileInfo, limit int64) (State, error) {
	info, err := f.Stat()
	if err != nil {
		return State{}, err
	}
	if !os.SameFile(info, seen) {
		return State{}, fmt.Errorf("%w that appeared just now", ErrLink)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return State{}, err
	}
	if int64(len(data)) > limit {
		return State{}, ErrTooLarge
	}
	state := State{Data: data, Mode: info.Mode() & modeBits, Attrs: attrs(f)}
	state.UID, state.GID = owner(info)
	return state, nil
}

const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

func (s system) IsFolder(path string) (bool, error) {
	dir, err := s.folder(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, dir.Close()
}

func (s system) Create(path string, state State) error {
	dir, name, err := s.open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(state.Data)
	return errors.Join(err, dress(f, state), f.Close())
}

// dress gives a new file the owner, attributes and mode of the one that it
// replaces. The owner goes first: changing it clears mode bits.
func dress(f *os.File, state State) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	uid, gid := owner(info)
	if state.UID >= 0 && state.UID != uid || state.GID >= 0 && state.GID != gid {
		if err := f.Chown(state.UID, state.GID); err != nil {
			return err
		}
	}
	setAttrs(f, state.Attrs)
	if !hasModes {
		return nil
	}
	return f.Chmod(state.Mode)
}

func (s system) Sync(path string) error {
	dir, name, err := s.open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.OpenFile(name, syncFlags|openFlags, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (s system) Rename(from, to string) error {
	dir, name, err := s.open(from)
	if err != nil {
		return err
	}
	defer dir.Close()
	return rename(dir, name, filepath.Base(to))
}

func (s system) Remove(path string) error {
	dir, name, err := s.open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if info, err := dir.Lstat(name); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	return remove(dir, name)
}

func (s system) Mkdir(path string) error {
	dir, name, err := s.open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	mode := fs.FileMode(0o700)
	if s.UID() == 0 {
		mode = 0o755
	}
	if err := dir.Mkdir(name, mode); err != nil || !hasModes {
		return err
	}
	return dir.Chmod(name, mode)
}

func (s system) Rmdir(path string) error {
	dir, name, err := s.open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if info, err := dir.Lstat(name); err != nil || !info.IsDir() {
		return errors.Join(fs.ErrNotExist, err)
	}
	return remove(dir, name)
}

func (s system) SyncFolder(path string) error {
	if !hasModes {
		return nil // Windows journals its folders itself
	}
	dir, err := s.folder(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

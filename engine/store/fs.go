package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	bolt "go.etcd.io/bbolt"
)

// FS is what the store asks of the file system. The tests put a shim here that
// loses or reorders whatever was not synced.
type FS interface {
	OpenFile(name string, flag int, perm os.FileMode) (File, error)
	// OpenIndex opens the bbolt file name.
	OpenIndex(name string, opts *bolt.Options) (*bolt.DB, error)
	Mkdir(name string, perm os.FileMode) error
	Remove(name string) error
	Rename(from, to string) error
	Exists(name string) (bool, error)
	ReadDir(name string) ([]os.DirEntry, error)
	// SyncDir makes the names in the folder durable.
	SyncDir(name string) error
}

// File is an open pack.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// osFS is the operating system's file system.
type osFS struct{}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (osFS) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) OpenIndex(name string, opts *bolt.Options) (*bolt.DB, error) {
	db, err := bolt.Open(name, 0o600, opts)
	if err == nil {
		db.AllocSize = indexStep
	}
	return db, err
}

// indexStep is by how many bytes the index file grows; bbolt's own 16 MiB is
// what most small nodes would have for ever.
const indexStep = 1 << 20

func (osFS) Mkdir(name string, perm os.FileMode) error  { return os.Mkdir(name, perm) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) ReadDir(name string) ([]os.DirEntry, error) { return os.ReadDir(name) }

func (osFS) Exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (osFS) SyncDir(name string) error {
	if runtime.GOOS == "windows" {
		return nil // NTFS journals names; a folder cannot be flushed
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDirs makes Dir and Dir/packs.
func (s *Store) makeDirs() error {
	if s.cfg.Dir == "" {
		return errors.New("no folder given")
	}
	dir, err := filepath.Abs(s.cfg.Dir)
	if err != nil {
		return err
	}
	if err := s.makeDir(filepath.Join(dir, packsDir)); err != nil {
		return err
	}
	// A process killed between making and syncing leaves a folder whose name
	// is not durable, so these two are synced whether they are new or not.
	for _, parent := range []string{filepath.Dir(dir), dir} {
		if err := s.syncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// makeDir makes name and its parents, each durable in its own parent.
func (s *Store) makeDir(name string) error {
	parent := filepath.Dir(name)
	err := s.cfg.FS.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) && parent != name {
		if err := s.makeDir(parent); err != nil {
			return err
		}
		err = s.cfg.FS.Mkdir(name, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the folder: %w", diskError(err))
	}
	return s.syncDir(parent)
}

func (s *Store) syncDir(name string) error {
	if s.cfg.NoSync {
		return nil
	}
	if err := s.cfg.FS.SyncDir(name); err != nil {
		return fmt.Errorf("sync the folder: %w", diskError(err))
	}
	return nil
}

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

const (
	openFlags = 0
	syncFlags = os.O_RDWR // Windows syncs only what may be written
	hasModes  = false
)

func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

// rename and remove go by path: there is no root here to be led astray, and
// the ways through an open folder are newer than some systems, Wine among them.
func rename(dir *os.Root, from, to string) error {
	return os.Rename(filepath.Join(dir.Name(), from), filepath.Join(dir.Name(), to))
}

func remove(dir *os.Root, name string) error { return os.Remove(filepath.Join(dir.Name(), name)) }

// tryLock takes the only lock on an open file; it ends when the file is closed.
func tryLock(f *os.File) (bool, error) {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

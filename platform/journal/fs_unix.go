//go:build unix

package journal

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep an open from waiting for the other end of a pipe that was put
// in the place of a file.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOFOLLOW

// syncFlags open a file that is to be synced: reading suffices, and a file that
// nobody may write can be synced too.
const syncFlags = syscall.O_RDONLY

// hasModes says that files have modes, and folders can be synced.
const hasModes = true

func owner(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

func rename(dir *os.Root, from, to string) error { return dir.Rename(from, to) }

func remove(dir *os.Root, name string) error { return dir.Remove(name) }

// tryLock takes the only lock on an open file; it ends when the file is closed.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

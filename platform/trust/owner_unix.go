//go:build unix

package trust

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// owner returns the user number of a file's owner, -1 where it has none.
func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// readOnly reports whether dir lies on a file system that cannot be written.
func readOnly(dir string) bool { return errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) }

//go:build unix

package platform

import (
	"fmt"
	"os"
	"syscall"
)

// Ours reports whether a file or folder belongs to this user or to root.
func Ours(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return false, fmt.Errorf("find out whose %s is: %w", path, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || st.Uid == 0), nil
}

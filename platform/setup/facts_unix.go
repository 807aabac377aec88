//go:build unix

package setup

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// free returns the bytes that this user may still write below dir.
func free(dir string) (int64, error) {
	dir, err := standing(dir)
	if err != nil {
		return 0, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

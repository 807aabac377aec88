package relocate

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// freeSpace is what this user may still write to the disk of dir, in bytes.
func freeSpace(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, &total, &all); err != nil {
		return 0, fmt.Errorf("%s: %w", dir, err)
	}
	return int64(min(free, 1<<62)), nil
}

// syncDir does nothing: NTFS journals names, and folders cannot be flushed.
func syncDir(string) error { return nil }

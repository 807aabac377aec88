package setup

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// free returns the bytes that this user may still write below dir.
func free(dir string) (int64, error) {
	dir, err := standing(dir)
	if err != nil {
		return 0, err
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var bytes uint64
	if err := windows.GetDiskFreeSpaceEx(path, &bytes, nil, nil); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(bytes), nil
}

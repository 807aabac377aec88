//go:build !windows

package identity

import (
	"fmt"
	"io/fs"
	"os"
)

// checkPrivate refuses a file that group or world may read or write.
func checkPrivate(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o: %w; run: chmod 600 %s", path, mode, ErrExposed, path)
	}
	return nil
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

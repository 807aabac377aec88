//go:build !unix

package journal

import (
	"io/fs"
	"os"
	"path/filepath"
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

//go:build !unix

package journal

import (
	"io/fs"
	"os"
)

const (
	openFlags = 0
	syncFlags = os.O_RDWR // Windows syncs only what may be written
	hasModes  = false
)

func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

package journal

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const maxAttrs = 64 << 10 // bytes of one list or value

// attrs reads the extended attributes of a file as far as they can be read.
func attrs(f *os.File) map[string][]byte {
	list := make([]byte, maxAttrs)
	n, err := unix.Flistxattr(int(f.Fd()), list)
	if err != nil || n == 0 {
		return nil
	}
	found := map[string][]byte{}
	for name := range strings.SplitSeq(strings.Trim(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, maxAttrs)
		if n, err := unix.Fgetxattr(int(f.Fd()), name, value); err == nil {
			found[name] = value[:n:n]
		}
	}
	return found
}

// setAttrs sets what the user may set; labels that only the kernel gives are
// given by it again.
func setAttrs(f *os.File, attrs map[string][]byte) {
	for name, value := range attrs {
		_ = unix.Fsetxattr(int(f.Fd()), name, value, 0)
	}
}

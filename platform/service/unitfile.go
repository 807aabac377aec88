//go:build linux || darwin

package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// exists reports whether there is a file of this part, whoever made it.
func (u unit) exists() bool {
	_, err := os.Lstat(u.path())
	return err == nil
}

// written reads the file of a part. It refuses one that somebody else made, and
// what is no file; found is false where there is nothing.
func (u unit) written() (text string, found bool, err error) {
	info, err := os.Lstat(u.path())
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		return "", false, fmt.Errorf("%s is a link (a masked service?): %w", u.path(), ErrForeign)
	}
	data, err := os.ReadFile(u.path())
	if err != nil {
		return "", false, fmt.Errorf("read what starts the service: %w", err)
	}
	if !strings.Contains(string(data), mark) {
		return "", false, fmt.Errorf("%s: %w", u.path(), ErrForeign)
	}
	return string(data), true, nil
}

// tool runs a program of the system and returns what it complained about.
func tool(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func mayChange() error {
	if os.Geteuid() != 0 {
		return ErrRights
	}
	return nil
}

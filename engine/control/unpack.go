package control

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Unpacked counts what Unpack wrote.
type Unpacked struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Unpack writes a stream of Archive to the folder dest, which must not exist
// or be empty. The folder appears only when it is complete: until then the
// files lie beside it, and an error removes them. progress, which may be nil,
// is called with what has been written so far. The archive is not trusted:
// nothing is written outside, no link followed, no device name opened.
func Unpack(ctx context.Context, archive io.Reader, dest string, progress func(Unpacked)) (Unpacked, error) {
	if err := free(dest); err != nil {
		return Unpacked{}, err
	}
	parent := filepath.Dir(filepath.Clean(dest))
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return Unpacked{}, fmt.Errorf("make the folder: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, ".altnet-fetch-")
	if err != nil {
		return Unpacked{}, fmt.Errorf("make the folder: %w", err)
	}
	defer os.RemoveAll(tmp) // gone after the rename
	n, err := unpackInto(ctx, archive, filepath.Join(tmp, "site"), progress)
	if err != nil {
		return n, err
	}
	if err := os.Remove(dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("replace the empty folder: %w", err)
	}
	if err := os.Rename(filepath.Join(tmp, "site"), dest); err != nil {
		return n, fmt.Errorf("put the folder in its place: %w", err)
	}
	return n, nil
}

// free reports an error where dest would be overwritten.
func free(dest string) error {
	entries, err := os.ReadDir(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return Mark(ErrInvalid, fmt.Errorf("%s is in the way: %w", dest, err))
	case len(entries) > 0:
		return Mark(ErrInvalid, fmt.Errorf("%s is not empty, and nothing is overwritten: name a new folder", dest))
	}
	return nil
}

func unpackInto(ctx context.Context, archive io.Reader, dir string, progress func(Unpacked)) (n Unpacked, err error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return n, fmt.Errorf("make the folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return n, fmt.Errorf("open the folder: %w", err)
	}
	defer root.Close()
	if progress == nil {
		progress = func(Unpacked) {}
	}
	buf := make([]byte, 256<<10)
	for files := tar.NewReader(archive); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read the archive: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		counted := readerFunc(func(p []byte) (int, error) {
			k, err := files.Read(p)
			n.Bytes += int64(k)
			progress(n)
			return k, err
		})
		if err := unpackFile(root, head, counted, buf); err != nil {
			return n, fmt.Errorf("write %q: %w", head.Name, err)
		}
		n.Files++
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// unpackFile writes one file that must not exist yet: a second one of the
// same name would be one that differs in case on a system that does not care.
func unpackFile(root *os.Root, head *tar.Header, data io.Reader, buf []byte) error {
	if head.Typeflag != tar.TypeReg || !plainPath(head.Name) {
		return fmt.Errorf("not a file with a plain name: %w", ErrInvalid)
	}
	name := filepath.FromSlash(head.Name)
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, data, buf)
	return errors.Join(err, f.Close())
}

// plainPath accepts the slash-separated relative paths that sites have.
func plainPath(name string) bool {
	return fs.ValidPath(name) && name != "." && path.Clean(name) == name &&
		filepath.IsLocal(filepath.FromSlash(name)) && !strings.ContainsAny(name, "\\:\x00")
}

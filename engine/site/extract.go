package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"altnet/engine/wire"

	"golang.org/x/sync/errgroup"
)

// ErrExists: the place to extract to is taken.
var ErrExists = errors.New("already exists and is not an empty folder")

// ErrCollision: a site with two names that this file system may take for one.
var ErrCollision = errors.New("names differ only in case")

// ExtractProgress says how far an extraction is.
type ExtractProgress struct {
	Files             int
	Bytes, TotalBytes int64
}

// ExtractOptions bounds and watches an extraction. The zero value will do.
type ExtractOptions struct {
	// MaxBytes is the most that is written. A site of few blocks can stand for
	// any number of files; so 0 is 16 times the bytes of its blocks and 1 GiB.
	MaxBytes int64
	// Progress may be nil. It is called from one goroutine at a time.
	Progress func(ExtractProgress)
}

// Extract writes a site to the folder dest, which must not exist or be empty.
// It appears whole or not at all: files go to a new folder beside it, which is
// renamed at the end. Names are checked as when publishing and opened below
// that folder only, so no site can write anywhere else, on any system; names
// that differ only in case are refused, and so is a site larger than MaxBytes.
func Extract(ctx context.Context, root wire.Hash, blocks Blocks, dest string, opts ExtractOptions) error {
	if err := extract(ctx, root, blocks, dest, opts); err != nil {
		return fmt.Errorf("extract site to %s: %w", dest, err)
	}
	return nil
}

func extract(ctx context.Context, root wire.Hash, blocks Blocks, dest string, opts ExtractOptions) error {
	if err := checkVacant(dest); err != nil {
		return err
	}
	dest, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	if resolved, err := filepath.EvalSymlinks(dest); err == nil {
		dest = resolved
	}
	temp, err := os.MkdirTemp(filepath.Dir(dest), "."+filepath.Base(dest)+".part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) // gone already when all went well
	x := &extraction{blocks: blocks, opts: opts}
	if err := x.run(ctx, root, temp); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if err := os.Remove(dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return os.Rename(temp, dest)
}

// checkVacant reports whether dest is free or an empty folder.
func checkVacant(dest string) error {
	entries, err := os.ReadDir(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		if _, statErr := os.Lstat(dest); statErr == nil {
			return ErrExists
		}
		return err
	case len(entries) > 0:
		return ErrExists
	}
	return nil
}

// extraction is one Extract. A walker lists the entries and makes the folders,
// a few writers fill the files.
type extraction struct {
	fsys   *FS
	blocks Blocks
	root   *os.Root
	opts   ExtractOptions

	total    int64
	promised int64
	names    map[string]map[string]struct{} // folded names per folder on the way
}

// written is a file that is done.
type written int64

func (x *extraction) run(ctx context.Context, root wire.Hash, temp string) (err error) {
	if x.root, err = os.OpenRoot(temp); err != nil {
		return err
	}
	defer x.root.Close()
	group, ctx := errgroup.WithContext(ctx)
	if x.fsys, err = Open(ctx, root, x.blocks); err != nil {
		return err
	}
	if err := x.check(ctx); err != nil {
		return err
	}
	jobs, done := make(chan Entry), make(chan written)
	group.Go(func() error { defer close(jobs); return x.list(ctx, jobs) })
	writers, writing := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) + 2 { // more than cores, as blocks may come from far away
		writers.Go(func() error { return x.write(writing, jobs, done) })
	}
	group.Go(func() error { defer close(done); return writers.Wait() })
	p := ExtractProgress{TotalBytes: x.promised}
	for n := range done {
		p.Files++
		p.Bytes += int64(n)
		if x.opts.Progress != nil {
			x.opts.Progress(p)
		}
	}
	return group.Wait()
}

// check reads the whole tree before anything is written, and refuses a site
// that would unfold to more than is wanted.
func (x *extraction) check(ctx context.Context) error {
	var distinct uint64
	err := walkSite(ctx, x.fsys.root, x.blocks, func(_ place, length uint64) error {
		distinct += length
		return nil
	})
	if err != nil {
		return err
	}
	if x.promised, err = x.fsys.Size(); err != nil {
		return err
	}
	most := x.opts.MaxBytes
	if most == 0 {
		most = 16*int64(distinct) + 1<<30
	}
	if x.promised > most {
		return fmt.Errorf("%d bytes, at most %d are wanted: %w", x.promised, most, ErrLimit)
	}
	return nil
}

// list walks the site, makes its folders and hands out its files.
func (x *extraction) list(ctx context.Context, jobs chan<- Entry) error {
	x.names = map[string]map[string]struct{}{}
	for e, err := range List(ctx, x.fsys.root, x.blocks) {
		if err != nil {
			return err
		}
		if err := x.claim(e.Path); err != nil {
			return fmt.Errorf("%q: %w", e.Path, err)
		}
		if e.Dir {
			if err := x.root.Mkdir(filepath.FromSlash(e.Path), 0o755); err != nil {
				return err
			}
			continue
		}
		if x.total += e.Size; x.total > x.promised {
			return fmt.Errorf("files of more than %d bytes: %w", x.promised, ErrCorrupt)
		}
		select {
		case jobs <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// claim refuses a name that another in its folder folds to, whatever the
// file system would make of it.
func (x *extraction) claim(at string) error {
	dir, name := path.Split(at)
	if err := CheckName(name); err != nil {
		return err
	}
	taken, ok := x.names[dir]
	if !ok {
		taken = map[string]struct{}{}
		x.names[dir] = taken
	}
	folded := foldName(name)
	if _, ok := taken[folded]; ok {
		return ErrCollision
	}
	taken[folded] = struct{}{}
	return nil
}

func (x *extraction) write(ctx context.Context, jobs <-chan Entry, done chan<- written) error {
	buf := make([]byte, ChunkSize)
	for e := range jobs {
		if err := x.file(e, buf); err != nil {
			return err
		}
		select {
		case done <- written(e.Size):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (x *extraction) file(e Entry, buf []byte) (err error) {
	in := &File{fsys: x.fsys, blocks: x.blocks, link: e.link, info: infoOf(e.Path, e.link)}
	out, err := x.root.OpenFile(filepath.FromSlash(e.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	// Reads of a chunk's length come without a copy, which WriteTo would not
	// know to do into this buffer.
	n, err := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, buf)
	if err == nil && n != e.Size {
		err = fmt.Errorf("%s: %d bytes of %d: %w", e.Path, n, e.Size, ErrCorrupt)
	}
	return err
}

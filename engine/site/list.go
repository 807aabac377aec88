package site

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"path"

	"altnet/engine/wire"
)

// Entry is a file or directory of a site.
type Entry struct {
	Path string // slash-separated
	Dir  bool
	Size int64 // bytes; of a directory, of all files below
	Hash wire.Hash
	link Link
}

// List yields the entries of a site, directories before what is in them, each
// directory sorted by name. It ends with an error where a node is missing or
// malformed, or the site has more than MaxEntries: a small graph of blocks can
// stand for an endless tree.
func List(ctx context.Context, root wire.Hash, blocks Blocks) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		fsys, err := Open(ctx, root, blocks)
		if err == nil {
			err = fsys.walk(yield)
		}
		if err != nil && err != errStop {
			yield(Entry{}, fmt.Errorf("list site: %w", err))
		}
	}
}

// errStop ends a walk whose caller has seen enough.
var errStop = fs.SkipAll

func (f *FS) walk(yield func(Entry, error) bool) error {
	top, err := f.top(f.blocks)
	if err != nil {
		return err
	}
	w := listing{fsys: f, yield: yield}
	return w.dir(top, "", 0)
}

// listing is one walk over the entries of a site.
type listing struct {
	fsys  *FS
	yield func(Entry, error) bool
	count int
}

func (w *listing) dir(dir Link, at string, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("more than %d folders deep: %w", MaxDepth, ErrLimit)
	}
	if err := w.fsys.ctx.Err(); err != nil {
		return err
	}
	children, err := w.fsys.children(w.fsys.blocks, dir)
	if err != nil {
		return fmt.Errorf("folder %q: %w", at, err)
	}
	for _, c := range children {
		if err := w.entry(c, path.Join(at, c.name), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *listing) entry(c child, at string, depth int) error {
	if w.count++; w.count > MaxEntries {
		return fmt.Errorf("more than %d entries: %w", MaxEntries, ErrLimit)
	}
	if len(at) > MaxPath {
		return fmt.Errorf("path longer than %d bytes: %w", MaxPath, ErrLimit)
	}
	if !c.link.Kind.isDir() && !c.link.Kind.isFile() {
		return fmt.Errorf("%q is of kind %d: %w", at, c.link.Kind, ErrUnsupported)
	}
	e := Entry{Path: at, Dir: c.link.Kind.isDir(), Size: int64(c.link.Size), Hash: c.link.Hash, link: c.link}
	if !w.yield(e, nil) {
		return errStop
	}
	if e.Dir {
		return w.dir(c.link, at, depth+1)
	}
	return nil
}

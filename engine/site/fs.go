package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"altnet/engine/wire"

	lru "github.com/hashicorp/golang-lru/v2"
)

// nodeCache is how many decoded nodes an FS keeps; a node is 32 KiB at most.
const nodeCache = 64

// FS is a site as a read-only file system: fs.FS, fs.StatFS, fs.ReadDirFS.
// Files are *File. Times are zero, as a site has none. Safe for concurrent use.
type FS struct {
	ctx    context.Context
	root   wire.Hash
	blocks Blocks
	nodes  *lru.Cache[spot, *node]
}

// pathBlocks is what a Blocks may implement when it can fetch all that one
// path needs in one go: At returns a view whose first miss does that.
type pathBlocks interface {
	Blocks
	At(path string) Blocks
}

// prefetcher is what a Blocks may implement to be told what is read next.
// Prefetch must not wait.
type prefetcher interface {
	Prefetch(hashes []wire.Hash)
}

// Open returns the site of a content root. It reads nothing yet, so that the
// first path opened decides what is fetched first. ctx bounds every read; see
// WithContext.
func Open(ctx context.Context, root wire.Hash, blocks Blocks) (*FS, error) {
	if root.IsZero() {
		return nil, fmt.Errorf("open site: no content root: %w", ErrCorrupt)
	}
	nodes, err := lru.New[spot, *node](nodeCache)
	if err != nil {
		return nil, fmt.Errorf("open site: %w", err)
	}
	return &FS{ctx: ctx, root: root, blocks: blocks, nodes: nodes}, nil
}

// WithContext returns the same site, cache shared, whose reads end with ctx:
// one per request.
func (f *FS) WithContext(ctx context.Context) *FS {
	g := *f
	g.ctx = ctx
	return &g
}

// Root returns the content root.
func (f *FS) Root() wire.Hash { return f.root }

// Size returns the bytes of all files, as the root says.
func (f *FS) Size() (int64, error) {
	top, err := f.top(f.blocks)
	return int64(top.Size), err
}

// load reads a node, from the cache where it is there.
func (f *FS) load(b Blocks, l Link, at position) (*node, error) {
	key := spot{l.Hash, l.Kind, at}
	n, ok := f.nodes.Get(key)
	if !ok {
		data, err := get(f.ctx, b, l.Hash, nil)
		if err != nil {
			return nil, err
		}
		if n, err = parseNode(l.Kind, data); err != nil {
			return nil, fmt.Errorf("node %s: %w", l.Hash, err)
		}
	}
	if l.Kind != KindRoot {
		if ok && n.size() == l.Size {
			return n, nil
		}
		if err := n.checkAt(l.Size, at); err != nil {
			return nil, fmt.Errorf("node %s: %w", l.Hash, err)
		}
	}
	f.nodes.Add(key, n)
	return n, nil
}

// top returns the link of the top directory.
func (f *FS) top(b Blocks) (Link, error) {
	n, err := f.load(b, Link{Kind: KindRoot, Hash: f.root}, position{})
	if err != nil {
		return Link{}, err
	}
	return n.links[0], nil
}

// find walks to the link of a path that fs.ValidPath holds for. Errors are
// fs.ErrNotExist for a path the site does not have, and never that for a block
// that is not here.
func (f *FS) find(b Blocks, name string) (Link, error) {
	l, err := f.top(b)
	if err != nil || name == "." {
		return l, err
	}
	if len(name) > MaxPath || strings.Count(name, "/") >= MaxDepth {
		return Link{}, fs.ErrNotExist
	}
	for part := range strings.SplitSeq(name, "/") {
		if !l.Kind.isDir() {
			return Link{}, fs.ErrNotExist
		}
		if l, err = f.lookup(b, l, part); err != nil {
			return Link{}, err
		}
	}
	return l, nil
}

// lookup finds one name in a directory, by way of its forks.
func (f *FS) lookup(b Blocks, dir Link, name string) (Link, error) {
	bits := nameBits(name)
	for at := (position{}); ; {
		n, err := f.load(b, dir, at)
		if err != nil {
			return Link{}, err
		}
		if n.kind == KindLeaf {
			i, ok := slices.BinarySearch(n.names, name)
			if !ok {
				return Link{}, fs.ErrNotExist
			}
			return n.links[i], nil
		}
		i := nibble(bits, at.level)
		if dir, at = n.links[i], at.child(i); dir.Kind == 0 {
			return Link{}, fs.ErrNotExist
		}
	}
}

// Open implements fs.FS. Of a file it returns a *File.
func (f *FS) Open(name string) (fs.File, error) {
	l, b, err := f.resolve("open", name)
	if err != nil {
		return nil, err
	}
	if l.Kind.isDir() {
		return &dirFile{fsys: f, blocks: b, link: l, path: name}, nil
	}
	return &File{fsys: f, blocks: b, link: l, info: infoOf(name, l)}, nil
}

// resolve finds a path and the view of the blocks it was found with.
func (f *FS) resolve(op, name string) (Link, Blocks, error) {
	if !fs.ValidPath(name) {
		return Link{}, nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	b := f.blocks
	if pb, ok := b.(pathBlocks); ok {
		b = pb.At(wirePath(name))
	}
	l, err := f.find(b, name)
	if err == nil && !l.Kind.isDir() && !l.Kind.isFile() {
		err = fmt.Errorf("kind %d: %w", l.Kind, ErrUnsupported)
	}
	if err != nil {
		return Link{}, nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return l, b, nil
}

// wirePath is how GetPath spells a path of an fs.FS.
func wirePath(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// Stat implements fs.StatFS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	l, _, err := f.resolve("stat", name)
	if err != nil {
		return nil, err
	}
	return infoOf(name, l), nil
}

// ReadDir implements fs.ReadDirFS: entries sorted by name.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	l, b, err := f.resolve("readdir", name)
	if err == nil && !l.Kind.isDir() {
		err = &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	if err != nil {
		return nil, err
	}
	children, err := f.children(b, l)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	entries := make([]fs.DirEntry, len(children))
	for i, c := range children {
		entries[i] = infoOf(c.name, c.link)
	}
	return entries, nil
}

// children returns the entries of a directory, sorted by name.
func (f *FS) children(b Blocks, dir Link) ([]child, error) {
	out, err := f.pages(b, dir, position{}, nil)
	slices.SortFunc(out, func(a, b child) int { return cmp.Compare(a.name, b.name) })
	return out, err
}

func (f *FS) pages(b Blocks, dir Link, at position, out []child) ([]child, error) {
	n, err := f.load(b, dir, at)
	if err != nil {
		return nil, err
	}
	for i, l := range n.links {
		switch {
		case n.kind == KindLeaf:
			out = append(out, child{n.names[i], l})
		case l.Kind != 0:
			if out, err = f.pages(b, l, at.child(i), out); err != nil {
				return nil, err
			}
		}
		if len(out) > MaxEntries {
			return nil, fmt.Errorf("more than %d entries: %w", MaxEntries, ErrLimit)
		}
	}
	return out, nil
}

// info is fs.FileInfo and fs.DirEntry at once.
type info struct {
	name string
	link Link
}

func infoOf(name string, l Link) info { return info{path.Base(name), l} }

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return int64(i.link.Size) }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.link.Kind.isDir() }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) String() string             { return fs.FormatFileInfo(i) }

// Sys returns the Link.
func (i info) Sys() any { return i.link }

func (i info) Mode() fs.FileMode {
	switch {
	case i.link.Kind.isDir():
		return fs.ModeDir | 0o555
	case i.link.Kind.isFile():
		return 0o444
	}
	return fs.ModeIrregular | 0o444
}

// dirFile is an open directory: fs.ReadDirFile.
type dirFile struct {
	fsys   *FS
	blocks Blocks
	link   Link
	path   string
	rest   []child
	listed bool
}

func (d *dirFile) Stat() (fs.FileInfo, error) { return infoOf(d.path, d.link), nil }
func (d *dirFile) Close() error               { return nil }

func (d *dirFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.path, Err: errors.New("is a directory")}
}

func (d *dirFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.listed {
		children, err := d.fsys.children(d.blocks, d.link)
		if err != nil {
			return nil, &fs.PathError{Op: "readdir", Path: d.path, Err: err}
		}
		d.rest, d.listed = children, true
	}
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	entries := make([]fs.DirEntry, n)
	for i, c := range d.rest[:n] {
		entries[i] = infoOf(c.name, c.link)
	}
	d.rest = d.rest[n:]
	return entries, nil
}

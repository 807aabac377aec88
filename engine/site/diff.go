package site

import (
	"fmt"
	"path"
)

// ChangeKind says what happened to a path.
type ChangeKind string

// What can happen to a path between two versions.
const (
	Added    ChangeKind = "added"
	Removed  ChangeKind = "removed"
	Modified ChangeKind = "modified"
)

// Change is one file that differs between two versions of a site.
type Change struct {
	Path    string
	Kind    ChangeKind
	OldSize int64 // bytes; 0 where added
	NewSize int64 // bytes; 0 where removed
}

// Diff lists the files that differ, sorted by folder and name. Folders that are
// the same are not read.
func Diff(old, new *FS) ([]Change, error) {
	a, err := old.top(old.blocks)
	if err != nil {
		return nil, fmt.Errorf("compare sites: %w", err)
	}
	b, err := new.top(new.blocks)
	if err != nil {
		return nil, fmt.Errorf("compare sites: %w", err)
	}
	d := differ{old: old, new: new}
	if err := d.dirs(a, b, "", 0); err != nil {
		return nil, fmt.Errorf("compare sites: %w", err)
	}
	return d.changes, nil
}

type differ struct {
	old, new *FS
	changes  []Change
	seen     int
}

// dirs compares two folders; the zero Link is one that is not there.
func (d *differ) dirs(a, b Link, at string, depth int) error {
	if a == b {
		return nil
	}
	if depth > MaxDepth {
		return fmt.Errorf("more than %d folders deep: %w", MaxDepth, ErrLimit)
	}
	before, err := childrenOrNone(d.old, a)
	if err != nil {
		return err
	}
	after, err := childrenOrNone(d.new, b)
	if err != nil {
		return err
	}
	for len(before) > 0 || len(after) > 0 {
		var x, y child
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].name < after[0].name:
			x, before = before[0], before[1:]
		case len(before) == 0 || after[0].name < before[0].name:
			y, after = after[0], after[1:]
		default:
			x, y, before, after = before[0], after[0], before[1:], after[1:]
		}
		if err := d.entries(x, y, at, depth); err != nil {
			return err
		}
	}
	return nil
}

func childrenOrNone(f *FS, dir Link) ([]child, error) {
	if dir.Kind == 0 {
		return nil, nil
	}
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	return f.children(f.blocks, dir)
}

// entries compares what stands under one name, of which one may be absent.
func (d *differ) entries(x, y child, at string, depth int) error {
	if d.seen++; d.seen > 2*MaxEntries {
		return fmt.Errorf("more than %d entries: %w", 2*MaxEntries, ErrLimit)
	}
	at = path.Join(at, max(x.name, y.name))
	a, b := x.link, y.link
	if a == b {
		return nil
	}
	if a.Kind.isDir() || b.Kind.isDir() {
		if err := d.dirs(only(a, true), only(b, true), at, depth+1); err != nil {
			return err
		}
	}
	d.files(only(a, false), only(b, false), at)
	return nil
}

// only returns the link if it is a directory, or if it is none.
func only(l Link, dir bool) Link {
	if l.Kind.isDir() != dir {
		return Link{}
	}
	return l
}

func (d *differ) files(a, b Link, at string) {
	c := Change{Path: at, Kind: Modified, OldSize: int64(a.Size), NewSize: int64(b.Size)}
	switch {
	case a.Kind == 0 && b.Kind == 0:
		return
	case a.Kind == 0:
		c.Kind = Added
	case b.Kind == 0:
		c.Kind = Removed
	}
	d.changes = append(d.changes, c)
}

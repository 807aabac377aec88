package site

import (
	"context"
	"fmt"

	"altnet/engine/wire"
)

// blockRef is a distinct block met on a walk. length is its size in bytes.
type blockRef struct {
	hash   wire.Hash
	kind   Kind
	length uint64
}

// Preorder returns the distinct blocks of a site in canonical preorder: the
// root, then depth first through the links of each node in their order, every
// block where it is first met. It reads every node and no chunk, checks the
// whole tree, and what the root says about it.
func Preorder(ctx context.Context, root wire.Hash, blocks Blocks) ([]wire.Hash, error) {
	var order []wire.Hash
	err := walkSite(ctx, root, blocks, func(r blockRef) error {
		order = append(order, r.hash)
		return nil
	})
	return order, err
}

// walkSite calls visit for every distinct block in canonical preorder.
func walkSite(ctx context.Context, root wire.Hash, blocks Blocks, visit func(blockRef) error) error {
	var count, bytes uint64
	w := newWalker(ctx, blocks, func(r blockRef) error {
		count++
		bytes += r.length
		return visit(r)
	})
	n, err := w.root(root)
	if err != nil {
		return err
	}
	count, bytes = 0, 0 // the root does not count itself
	if err := w.dir(n.links[0], position{}, 0); err != nil {
		return err
	}
	if count != n.blocks || bytes != n.bytes {
		return fmt.Errorf("root promises %d blocks of %d bytes, there are %d of %d: %w",
			n.blocks, n.bytes, count, bytes, ErrCorrupt)
	}
	return nil
}

// spot is a node at a place. A node that stands in two places is expanded
// once, unless it is a page, which must fit each place it stands in; as it can
// fit only one, a hostile tree gains nothing by it.
type spot struct {
	hash wire.Hash
	kind Kind
	at   position
}

// walker visits the distinct blocks of a tree, depth first.
type walker struct {
	ctx    context.Context
	blocks Blocks
	visit  func(blockRef) error
	met    map[wire.Hash]struct{}
	done   map[spot]uint64 // size of what was expanded
	buf    []byte
}

func newWalker(ctx context.Context, blocks Blocks, visit func(blockRef) error) *walker {
	return &walker{ctx: ctx, blocks: blocks, visit: visit,
		met: map[wire.Hash]struct{}{}, done: map[spot]uint64{}, buf: make([]byte, 0, MaxNode)}
}

// meet reports a block if it is new.
func (w *walker) meet(h wire.Hash, kind Kind, length uint64) error {
	if _, ok := w.met[h]; ok {
		return nil
	}
	if len(w.met) > MaxBlocks {
		return fmt.Errorf("more than %d blocks: %w", MaxBlocks, ErrLimit)
	}
	w.met[h] = struct{}{}
	return w.visit(blockRef{hash: h, kind: kind, length: length})
}

func (w *walker) root(h wire.Hash) (*node, error) {
	data, err := get(w.ctx, w.blocks, h, w.buf)
	if err != nil {
		return nil, fmt.Errorf("read site %s: %w", h, err)
	}
	n, err := parseNode(KindRoot, data)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", h, err)
	}
	return n, w.meet(h, KindRoot, uint64(len(data)))
}

// node reads the node behind l. It returns nil where it was expanded before.
func (w *walker) node(l Link, at position) (*node, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	key := spot{l.Hash, l.Kind, at}
	if size, ok := w.done[key]; ok {
		if size != l.Size {
			return nil, fmt.Errorf("node %s linked with two sizes: %w", l.Hash, ErrCorrupt)
		}
		return nil, nil
	}
	data, err := get(w.ctx, w.blocks, l.Hash, w.buf)
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	n, err := parseNode(l.Kind, data)
	if err == nil {
		err = n.checkAt(l.Size, at)
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", l.Hash, err)
	}
	w.done[key] = l.Size
	return n, w.meet(l.Hash, l.Kind, uint64(len(data)))
}

// dir walks a directory or a page of one; depth counts the names above it.
func (w *walker) dir(l Link, at position, depth int) error {
	n, err := w.node(l, at)
	if n == nil || err != nil {
		return err
	}
	if depth > MaxDepth {
		return fmt.Errorf("more than %d folders deep: %w", MaxDepth, ErrLimit)
	}
	for i, c := range n.links {
		switch {
		case c.Kind == 0:
		case n.kind == KindFork:
			err = w.dir(c, at.child(i), depth)
		case c.Kind.isDir():
			err = w.dir(c, position{}, depth+1)
		case c.Kind.isFile():
			err = w.file(c, 0)
		default:
			err = fmt.Errorf("%s is of kind %d: %w", n.names[i], c.Kind, ErrUnsupported)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file walks a file or a list of one; lists counts the lists above it.
func (w *walker) file(l Link, lists int) error {
	if l.empty() {
		return nil
	}
	if l.Kind == KindChunk {
		return w.meet(l.Hash, KindChunk, l.Size)
	}
	if lists >= maxLists {
		return fmt.Errorf("more than %d lists: %w", maxLists, ErrLimit)
	}
	n, err := w.node(l, position{})
	if n == nil || err != nil {
		return err
	}
	for _, c := range n.links {
		if err := w.file(c, lists+1); err != nil {
			return err
		}
	}
	return nil
}

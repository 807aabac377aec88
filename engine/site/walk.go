package site

import (
	"context"
	"fmt"

	"altnet/engine/wire"
)

// spot is a node and the page it stands for. A node that is linked twice is
// expanded once, unless it is a page: a page must fit each place it stands
// in, and it can fit only one, so a hostile tree gains nothing by it.
type spot struct {
	hash wire.Hash
	kind Kind
	at   position
}

// place is a link and where in the site it was met.
type place struct {
	Link
	at    position
	depth uint8 // names above
	lists uint8 // lists above, within a file
}

func (p place) spot() spot { return spot{p.Hash, p.Kind, p.at} }

// parse decodes the node at the place and checks it against what is above.
func (p place) parse(data []byte) (*node, error) {
	n, err := parseNode(p.Kind, data)
	switch {
	case err != nil:
	case p.Kind == KindRoot:
		return n, nil
	case p.depth > MaxDepth:
		err = fmt.Errorf("more than %d folders deep: %w", MaxDepth, ErrLimit)
	case p.lists > maxLists:
		err = fmt.Errorf("more than %d lists: %w", maxLists, ErrLimit)
	default:
		err = n.checkAt(p.Size, p.at)
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", p.Hash, err)
	}
	return n, nil
}

// children calls visit for each link of the node at p that has a block, in
// canonical order.
func (p place) children(n *node, visit func(place) error) error {
	for i, l := range n.links {
		if l.Kind == 0 || l.empty() {
			continue
		}
		c := place{Link: l, depth: p.depth}
		switch {
		case n.kind == KindList:
			c.lists = p.lists + 1
		case n.kind == KindFork:
			c.at = p.at.child(i)
		case n.kind == KindLeaf && l.Kind.isDir():
			c.depth++
		case n.kind == KindLeaf && !l.Kind.isFile():
			return fmt.Errorf("%s is of kind %d: %w", n.names[i], l.Kind, ErrUnsupported)
		}
		if err := visit(c); err != nil {
			return err
		}
	}
	return nil
}

// Preorder returns the distinct blocks of a site in canonical preorder: the
// root, then depth first through the links of each node in their order, every
// block where it is first met. It reads every node and no chunk, checks the
// whole tree, and what the root says about it.
func Preorder(ctx context.Context, root wire.Hash, blocks Blocks) ([]wire.Hash, error) {
	var order []wire.Hash
	err := walkSite(ctx, root, blocks, func(p place, _ uint64) error {
		order = append(order, p.Hash)
		return nil
	})
	return order, err
}

// walkSite calls visit for every distinct block in canonical preorder, with
// its length in bytes.
func walkSite(ctx context.Context, root wire.Hash, blocks Blocks, visit func(p place, length uint64) error) error {
	w := newWalker(ctx, blocks, visit)
	top, err := w.expand(place{Link: Link{Kind: KindRoot, Hash: root}})
	if err != nil {
		return err
	}
	w.count, w.bytes = 0, 0 // the root does not count itself
	if err := w.top(top.links[0]); err != nil {
		return err
	}
	if w.count != top.blocks || w.bytes != top.bytes {
		return fmt.Errorf("root promises %d blocks of %d bytes, there are %d of %d: %w",
			top.blocks, top.bytes, w.count, w.bytes, ErrCorrupt)
	}
	return nil
}

// tally is what a node that was expanded stands for.
type tally struct {
	size    uint64
	entries uint64 // files and directories, each counted where it stands
}

// walker visits the distinct blocks of a tree, depth first.
type walker struct {
	ctx    context.Context
	blocks Blocks
	visit  func(place, uint64) error
	met    map[wire.Hash]struct{}
	done   map[spot]tally
	buf    []byte

	count, bytes uint64
}

func newWalker(ctx context.Context, blocks Blocks, visit func(place, uint64) error) *walker {
	return &walker{ctx: ctx, blocks: blocks, visit: visit,
		met: map[wire.Hash]struct{}{}, done: map[spot]tally{}, buf: make([]byte, 0, MaxNode)}
}

// top walks a top directory. It refuses one that unfolds to more entries than
// a site may have, however few its nodes are.
func (w *walker) top(l Link) error {
	entries, err := w.walk(place{Link: l})
	if err == nil && entries > MaxEntries {
		err = fmt.Errorf("more than %d entries: %w", MaxEntries, ErrLimit)
	}
	return err
}

// walk returns how many entries are below p, MaxBlocks for all larger numbers.
func (w *walker) walk(p place) (uint64, error) {
	if p.Kind == KindChunk {
		return 0, w.meet(p, p.Size)
	}
	if t, ok := w.done[p.spot()]; ok {
		if t.size != p.Size {
			return 0, fmt.Errorf("node %s linked with two sizes: %w", p.Hash, ErrCorrupt)
		}
		return t.entries, nil
	}
	n, err := w.expand(p)
	if err != nil {
		return 0, err
	}
	entries := uint64(len(n.names))
	err = p.children(n, func(c place) error {
		below, err := w.walk(c)
		entries += below
		return err
	})
	entries = min(entries, MaxBlocks)
	w.done[p.spot()] = tally{p.Size, entries}
	return entries, err
}

// expand reads the node at p and reports its block.
func (w *walker) expand(p place) (*node, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	data, err := get(w.ctx, w.blocks, p.Hash, w.buf)
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	n, err := p.parse(data)
	if err != nil {
		return nil, err
	}
	return n, w.meet(p, uint64(len(data)))
}

// meet reports a block if it is new.
func (w *walker) meet(p place, length uint64) error {
	if _, ok := w.met[p.Hash]; ok {
		return nil
	}
	if len(w.met) > MaxBlocks {
		return fmt.Errorf("more than %d blocks: %w", MaxBlocks, ErrLimit)
	}
	w.met[p.Hash] = struct{}{}
	w.count++
	w.bytes += length
	return w.visit(p, length)
}

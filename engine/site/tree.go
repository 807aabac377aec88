package site

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"altnet/engine/wire"
)

// Kind says what the block behind a link is. It stands in the link, never in
// the block, so that no bytes can be taken for another kind than was meant.
type Kind uint8

// The kinds of this version. A reader shows entries of other kinds and
// refuses to open them.
const (
	KindChunk Kind = 1 // bytes of a file
	KindList  Kind = 2 // links to chunks or lists, in the order of the file
	KindLeaf  Kind = 3 // a directory's entries, or a page of them
	KindFork  Kind = 4 // 16 pages, chosen by 4 bits of the name's hash
	KindRoot  Kind = 5 // what a content root names; nothing in a tree links to it
)

// rootVersion is the version of the tree format, the first thing in a root.
const rootVersion = 1

// isDir reports whether the kind is a directory or a page of one.
func (k Kind) isDir() bool { return k == KindLeaf || k == KindFork }

// isFile reports whether the kind is a file or a part of one.
func (k Kind) isFile() bool { return k == KindChunk || k == KindList }

// Link points to a block. Size is the bytes of file content below it: of a
// directory, the sum over its files, each counted where it stands.
type Link struct {
	Kind Kind
	Size uint64
	Hash wire.Hash
}

// emptyHash is the hash of no bytes. A file of size 0 is a chunk link with
// this hash; no block of that name is ever stored, asked for or counted.
var emptyHash = wire.Hash(sha256.Sum256(nil))

func (l Link) empty() bool { return l.Kind == KindChunk && l.Size == 0 }

// node is a decoded tree node. names is set for leaves only and parallel to
// links; the absent children of a fork have Kind 0; a root has one link, and
// how many distinct blocks lie below it, of how many bytes.
type node struct {
	kind   Kind
	links  []Link
	names  []string
	blocks uint64
	bytes  uint64
}

// position is where in a directory a page stands: how many forks are above it
// and the nibbles of the name's hash that led to it.
type position struct {
	level  uint8
	prefix uint32
}

func (p position) child(nibble int) position {
	return position{p.level + 1, p.prefix<<forkBits | uint32(nibble)}
}

// nameBits is the part of SHA-256(name) that forks look at.
func nameBits(name string) uint32 {
	h := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint32(h[:])
}

// nibble is the slot of a name's bits in a fork at the level.
func nibble(bits uint32, level uint8) int {
	return int(bits >> (32 - forkBits*(uint32(level)+1)) & (forkWidth - 1))
}

// size sums the links. Links are at most MaxSize and fewer than 2^13, so it
// cannot overflow.
func (n *node) size() uint64 {
	var sum uint64
	for _, l := range n.links {
		sum += l.Size
	}
	return sum
}

// encode returns the canonical bytes of the node (PROTOCOL.md section 7).
func (n *node) encode() []byte {
	if n.kind == KindRoot {
		return n.encodeRoot()
	}
	b := appendHead(make([]byte, 0, 48*len(n.links)), cborArray, uint64(len(n.links)))
	for i, l := range n.links {
		switch {
		case n.kind == KindLeaf:
			b = appendHead(b, cborArray, 4)
			b = append(appendHead(b, cborText, uint64(len(n.names[i]))), n.names[i]...)
		case l.Kind == 0:
			b = append(b, cborNull)
			continue
		default:
			b = appendHead(b, cborArray, 3)
		}
		b = appendLink(b, l)
	}
	return b
}

func (n *node) encodeRoot() []byte {
	b := appendHead(nil, cborArray, 6)
	b = appendHead(b, cborUint, rootVersion)
	b = appendLink(b, n.links[0])
	b = appendHead(b, cborUint, n.blocks)
	return appendHead(b, cborUint, n.bytes)
}

func appendLink(b []byte, l Link) []byte {
	b = appendHead(b, cborUint, uint64(l.Kind))
	b = appendHead(b, cborUint, l.Size)
	b = appendHead(b, cborBytes, uint64(len(l.Hash)))
	return append(b, l.Hash[:]...)
}

// entrySize is how many bytes a leaf spends on an entry.
func entrySize(name string, l Link) int {
	return 1 + headSize(uint64(len(name))) + len(name) +
		headSize(uint64(l.Kind)) + headSize(l.Size) + headSize(uint64(len(l.Hash))) + len(l.Hash)
}

// parseNode decodes and checks the bytes of the block behind a link of a kind
// that is not a chunk. What it returns encodes to the same bytes.
func parseNode(kind Kind, data []byte) (*node, error) {
	if len(data) > MaxNode {
		return nil, fmt.Errorf("node of %d bytes: %w", len(data), ErrCorrupt)
	}
	d := decoder{rest: data}
	count := d.head(cborArray)
	if count > uint64(len(data)) { // every item takes a byte at least
		return nil, fmt.Errorf("%d links in %d bytes: %w", count, len(data), ErrCorrupt)
	}
	n := &node{kind: kind}
	switch kind {
	case KindRoot:
		d.root(n, count)
	case KindList:
		d.list(n, int(count))
	case KindLeaf:
		d.leaf(n, int(count))
	case KindFork:
		d.fork(n, int(count))
	default:
		return nil, fmt.Errorf("kind %d: %w", kind, ErrUnsupported)
	}
	if d.err == nil && len(d.rest) != 0 {
		d.fail("%d bytes after the node", len(d.rest))
	}
	return n, d.err
}

func (d *decoder) root(n *node, count uint64) {
	if v := d.head(cborUint); d.err == nil && v != rootVersion {
		d.err = fmt.Errorf("site tree of version %d: %w", v, ErrUnsupported)
		return
	}
	if count != 6 {
		d.fail("root of %d fields", count)
	}
	l := d.linkFields()
	n.blocks, n.bytes = d.head(cborUint), d.head(cborUint)
	switch {
	case d.err != nil:
	case !l.Kind.isDir():
		d.fail("root holds kind %d", l.Kind)
	case n.blocks == 0 || n.blocks > MaxBlocks || n.bytes > MaxSize:
		d.fail("root of %d blocks, %d bytes", n.blocks, n.bytes)
	}
	n.links = []Link{l}
}

func (d *decoder) list(n *node, count int) {
	if count == 0 {
		d.fail("empty list")
	}
	d.grow(n, count)
	for range count {
		l := d.link()
		if d.err == nil && (!l.Kind.isFile() || l.Size == 0) {
			d.fail("list holds kind %d of size %d", l.Kind, l.Size)
		}
		if d.err != nil {
			return
		}
		n.links = append(n.links, l)
	}
}

func (d *decoder) leaf(n *node, count int) {
	d.grow(n, count)
	n.names = make([]string, 0, cap(n.links))
	for i := range count {
		if f := d.head(cborArray); d.err == nil && f != 4 {
			d.fail("entry of %d fields", f)
		}
		name := d.text(MaxName)
		l := d.linkFields()
		if d.err != nil {
			return
		}
		if err := CheckName(name); err != nil {
			d.fail("entry %q: %v", name, err)
			return
		}
		if i > 0 && n.names[i-1] >= name {
			d.fail("entry %q out of order", name)
			return
		}
		n.links, n.names = append(n.links, l), append(n.names, name)
	}
}

func (d *decoder) fork(n *node, count int) {
	if count != forkWidth {
		d.fail("fork of %d", count)
		return
	}
	d.grow(n, count)
	some := false
	for range count {
		if d.null() {
			n.links = append(n.links, Link{})
			continue
		}
		l := d.link()
		if d.err == nil && !l.Kind.isDir() {
			d.fail("fork holds kind %d", l.Kind)
		}
		if d.err != nil {
			return
		}
		some = true
		n.links = append(n.links, l)
	}
	if !some {
		d.fail("fork without a child")
	}
}

// grow makes room for count links, but no more than the bytes at hand can
// hold: a link is 36 bytes at least.
func (d *decoder) grow(n *node, count int) {
	n.links = make([]Link, 0, min(count, len(d.rest)/36+forkWidth))
}

// link reads a link of its own, as lists and forks hold them.
func (d *decoder) link() Link {
	if f := d.head(cborArray); d.err == nil && f != 3 {
		d.fail("link of %d fields", f)
	}
	return d.linkFields()
}

// linkFields reads kind, size and hash; in a leaf they stand in the entry.
func (d *decoder) linkFields() (l Link) {
	kind, size := d.head(cborUint), d.head(cborUint)
	l.Hash = d.hash()
	switch {
	case d.err != nil:
		return Link{}
	case kind == 0 || kind > 255:
		d.fail("kind %d", kind)
	case size > MaxSize:
		d.fail("size %d", size)
	case Kind(kind) == KindChunk && size > ChunkSize:
		d.fail("chunk of %d bytes", size)
	case Kind(kind) == KindList && size == 0:
		d.fail("list of no bytes")
	case Kind(kind) == KindChunk && (size == 0) != (l.Hash == emptyHash):
		d.fail("size %d does not fit hash %s", size, l.Hash)
	}
	l.Kind, l.Size = Kind(kind), size
	return l
}

// checkAt verifies what the parent says about the node: the size, and that
// each name of a page belongs where the page stands.
func (n *node) checkAt(size uint64, at position) error {
	if n.size() != size {
		return fmt.Errorf("node of size %d linked as %d: %w", n.size(), size, ErrCorrupt)
	}
	if n.kind == KindFork && at.level >= maxForks {
		return fmt.Errorf("more than %d forks: %w", maxForks, ErrLimit)
	}
	if n.kind != KindLeaf || at.level == 0 {
		return nil
	}
	if len(n.names) == 0 {
		return fmt.Errorf("empty page: %w", ErrCorrupt)
	}
	for _, name := range n.names {
		if nameBits(name)>>(32-forkBits*uint32(at.level)) != at.prefix {
			return fmt.Errorf("entry %q on the wrong page: %w", name, ErrCorrupt)
		}
	}
	return nil
}

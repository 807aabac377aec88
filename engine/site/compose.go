package site

import (
	"fmt"

	"altnet/engine/wire"
)

// emit takes an encoded node and returns its hash.
type emit func(encoded []byte) wire.Hash

// composeFile makes the link of a file from the links of its chunks in order:
// the chunk itself where there is one, else lists of ListFanout links, as few
// levels as hold them.
func composeFile(links []Link, put emit) Link {
	if len(links) == 0 {
		return Link{Kind: KindChunk, Hash: emptyHash}
	}
	for len(links) > 1 {
		var up []Link
		for start := 0; start < len(links); start += ListFanout {
			n := node{kind: KindList, links: links[start:min(start+ListFanout, len(links))]}
			up = append(up, Link{Kind: KindList, Size: n.size(), Hash: put(n.encode())})
		}
		links = up
	}
	return links[0]
}

// child is an entry of a directory under construction.
type child struct {
	name string
	link Link
}

// composeDir makes the link of a directory from its entries, sorted by name:
// one leaf where they fit in MaxNode, else a fork with a page for each of the
// next 4 bits of the names' hashes. So the tree depends on the entries alone,
// and a change of one of them changes one page and the forks above it.
func composeDir(entries []child, at position, put emit) (Link, error) {
	if n, ok := leafOf(entries); ok {
		return Link{Kind: KindLeaf, Size: n.size(), Hash: put(n.encode())}, nil
	}
	if at.level >= maxForks {
		return Link{}, fmt.Errorf("%d names share the first %d bits of their hash: %w",
			len(entries), maxForks*forkBits, ErrLimit)
	}
	var pages [forkWidth][]child
	for _, e := range entries {
		i := nibble(nameBits(e.name), at.level)
		pages[i] = append(pages[i], e)
	}
	fork := node{kind: KindFork, links: make([]Link, forkWidth)}
	for i, page := range pages {
		if len(page) == 0 {
			continue
		}
		l, err := composeDir(page, at.child(i), put)
		if err != nil {
			return Link{}, err
		}
		fork.links[i] = l
	}
	return Link{Kind: KindFork, Size: fork.size(), Hash: put(fork.encode())}, nil
}

// leafOf returns the entries as one leaf, if they fit.
func leafOf(entries []child) (*node, bool) {
	size := headSize(uint64(len(entries)))
	for _, e := range entries {
		if size += entrySize(e.name, e.link); size > MaxNode {
			return nil, false
		}
	}
	n := &node{kind: KindLeaf}
	for _, e := range entries {
		n.names, n.links = append(n.names, e.name), append(n.links, e.link)
	}
	return n, true
}

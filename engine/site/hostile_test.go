package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"altnet/engine/wire"
)

// forge makes trees no writer would make.
type forge struct {
	t     *testing.T
	store *memStore
}

func (f forge) node(kind Kind, names []string, links ...Link) Link {
	n := &node{kind: kind, links: links, names: names}
	return Link{Kind: kind, Size: n.size(), Hash: f.store.put(n.encode())}
}

func (f forge) file(data string) Link {
	if data == "" {
		return Link{Kind: KindChunk, Hash: emptyHash}
	}
	return Link{Kind: KindChunk, Size: uint64(len(data)), Hash: f.store.put([]byte(data))}
}

func (f forge) leaf(name string, l Link) Link { return f.node(KindLeaf, []string{name}, l) }

func (f forge) fork(slot int, l Link) Link {
	links := make([]Link, forkWidth)
	links[slot] = l
	return f.node(KindFork, nil, links...)
}

// root promises what is really there, as far as that can be counted.
func (f forge) root(top Link) wire.Hash {
	n := node{kind: KindRoot, links: []Link{top}, blocks: 1, bytes: 1}
	w := newWalker(f.t.Context(), f.store, func(place, uint64) error { return nil })
	if _, err := w.walk(place{Link: top}); err == nil {
		n.blocks, n.bytes = w.count, w.bytes
	}
	return f.store.put(n.encode())
}

// TestHostileTrees opens every kind of tree that a malicious publisher could
// sign: each way to read it ends with an error, soon and without harm.
func TestHostileTrees(t *testing.T) {
	f := forge{t, newMemStore()}
	deep := func(levels int) Link {
		l := f.leaf("f", f.file("x"))
		for range levels {
			l = f.leaf("d", l)
		}
		return l
	}
	bomb := f.leaf("f", f.file(""))
	for range 40 { // 2^40 empty files from 41 blocks
		bomb = f.node(KindLeaf, []string{"a", "b"}, bomb, bomb)
	}
	bigBomb := f.leaf("f", f.file(string(noise(1, ChunkSize))))
	for range 9 { // 5 GB from 256 KiB
		bigBomb = f.node(KindLeaf, []string{"a", "b", "c"}, bigBomb, bigBomb, bigBomb)
	}
	forks := f.leaf("name", f.file("x"))
	for range maxForks + 1 {
		forks = f.fork(3, forks)
	}
	lists := f.node(KindList, nil, f.file("x"), f.file("y"))
	for range maxLists + 1 {
		lists = f.node(KindList, nil, lists)
	}
	badFile := f.leaf("f", lists)
	lying := f.leaf("f", f.file("x"))
	lying.Size = 1 << 40
	slot := nibble(nameBits("right"), 0)
	raw := func(kind Kind, data []byte, size uint64) Link {
		return Link{Kind: kind, Size: size, Hash: f.store.put(data)}
	}
	named := func(name string) Link {
		n := &node{kind: KindLeaf, names: []string{name}, links: []Link{f.file("x")}}
		return raw(KindLeaf, n.encode(), 1)
	}
	twins := f.node(KindLeaf, []string{"a", "a"}, f.file("x"), f.file("y"))
	unsorted := f.node(KindLeaf, []string{"b", "a"}, f.file("x"), f.file("y"))
	mount := f.leaf("site", Link{Kind: KindRoot, Size: 1, Hash: f.root(deep(1))})
	future := f.leaf("new", Link{Kind: 9, Size: 1, Hash: wire.Hash{1}})

	for name, c := range map[string]struct {
		top   Link
		order error // of Preorder
	}{
		"too deep":             {deep(MaxDepth + 1), ErrLimit},
		"entry bomb":           {bomb, ErrLimit},
		"size bomb":            {bigBomb, nil},
		"too many forks":       {forks, ErrLimit},
		"too many lists":       {badFile, ErrLimit},
		"false size":           {f.leaf("d", lying), ErrCorrupt},
		"page in a wrong slot": {f.fork(slot^1, f.leaf("right", f.file("x"))), ErrCorrupt},
		"page in two slots": {f.node(KindFork, nil, append(append(make([]Link, 14),
			f.leaf("right", f.file("x"))), f.leaf("right", f.file("x")))...), ErrCorrupt},
		"empty page":       {f.fork(1, f.node(KindLeaf, nil)), ErrCorrupt},
		"node missing":     {f.leaf("d", Link{Kind: KindLeaf, Size: 3, Hash: wire.Hash{7}}), ErrMissing},
		"not a node":       {raw(KindLeaf, []byte("<html>"), 0), ErrCorrupt},
		"nothing":          {raw(KindLeaf, nil, 0), ErrCorrupt},
		"oversized":        {raw(KindLeaf, noise(1, MaxNode+1), 0), ErrCorrupt},
		"huge count":       {raw(KindLeaf, []byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0), ErrCorrupt},
		"twins":            {twins, ErrCorrupt},
		"unsorted":         {unsorted, ErrCorrupt},
		"parent":           {named(".."), ErrCorrupt},
		"self":             {named("."), ErrCorrupt},
		"slash":            {named("../../etc/passwd"), ErrCorrupt},
		"backslash":        {named(`..\..\windows`), ErrCorrupt},
		"absolute":         {named("/etc"), ErrCorrupt},
		"drive":            {named("C:"), ErrCorrupt},
		"stream":           {named("a.txt:hidden"), ErrCorrupt},
		"device":           {named("aux.html"), ErrCorrupt},
		"control":          {named("a\x1b[2Jb"), ErrCorrupt},
		"newline":          {named("a\nb"), ErrCorrupt},
		"right to left":    {named("\u202egpj.exe"), ErrCorrupt},
		"empty name":       {named(""), ErrCorrupt},
		"long name":        {named(strings.Repeat("a", MaxName+1)), ErrCorrupt},
		"bad UTF-8":        {named("a\xff"), ErrCorrupt},
		"site in a site":   {mount, ErrUnsupported},
		"kind of a future": {future, ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			root := f.root(c.top)
			if _, err := Preorder(t.Context(), root, f.store); !errors.Is(err, c.order) {
				t.Errorf("preorder: %v, want %v", err, c.order)
			}
			var err error
			for _, err = range List(t.Context(), root, f.store) {
			}
			if c.top.Hash != badFile.Hash && !errors.Is(err, c.order) { // which does not open files
				t.Errorf("list: %v, want %v", err, c.order)
			}
			if c.top.Hash == bigBomb.Hash {
				if err := Tar(t.Context(), root, f.store, MostUnfolded(1<<20), io.Discard); !errors.Is(err, ErrLimit) {
					t.Errorf("archive: %v", err)
				}
			}
			n := newTestNet(t)
			n.add(f.store, true)
			_, err = n.fetcher(newMemStore(), nil).Fetch(t.Context(), root, FetchOptions{})
			if !errors.Is(err, c.order) {
				t.Errorf("fetch: %v, want %v", err, c.order)
			}
		})
	}
}

func TestRootPromises(t *testing.T) {
	f := forge{t, newMemStore()}
	top := f.leaf("f", f.file("x"))
	for _, n := range []node{{blocks: 1, bytes: 50}, {blocks: 2, bytes: 1 << 30}, {blocks: MaxBlocks + 1, bytes: 1}, {bytes: 1}} {
		n.kind, n.links = KindRoot, []Link{top}
		if _, err := Preorder(t.Context(), f.store.put(n.encode()), f.store); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d blocks, %d bytes promised: %v", n.blocks, n.bytes, err)
		}
	}
	later := f.store.put([]byte{0x82, 0x02, 0xf6})
	if _, err := Preorder(t.Context(), later, f.store); !errors.Is(err, ErrUnsupported) {
		t.Errorf("root of version 2: %v", err)
	}
}

// TestFileAsNode publishes the bytes of a node as a file: the kind in the link
// keeps them apart.
func TestFileAsNode(t *testing.T) {
	f := forge{t, newMemStore()}
	dir := f.leaf("f", f.file("x"))
	bytesOf := Link{Kind: KindChunk, Size: uint64(len(f.store.blocks[dir.Hash])), Hash: dir.Hash}
	root := f.root(f.node(KindLeaf, []string{"dir", "file"}, dir, bytesOf))
	fsys := open(t, root, f.store)
	got, err := fs.ReadFile(fsys, "file")
	if err != nil || wire.Hash(hashOf(got)) != dir.Hash {
		t.Fatalf("read as a file: %v", err)
	}
	if got, err := fs.ReadFile(fsys, "dir/f"); err != nil || string(got) != "x" {
		t.Fatalf("read as a folder: %q %v", got, err)
	}
	n := newTestNet(t)
	n.add(f.store, true)
	if _, err := n.fetcher(newMemStore(), nil).Fetch(t.Context(), root, FetchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestCheckName(t *testing.T) {
	good := []string{"a", "index.html", ".well-known", "a b", "日本", "con1", "common", "com10", "lpt", "nul-", "a..b", "x~1", "😀"}
	bad := []string{"", ".", "..", "a/b", `a\b`, "a:b", "a*", "a?", `a"`, "a<", "a>", "a|", "a.", "a ", "CON", "con", "Con.txt",
		"nul.tar.gz", "aux", "prn", "com1", "COM¹", "lpt9.x", "conin$", "com1 .txt", "a\x00", "a\x7f", "a\u0085", "a\u2028", "\u2066a",
		"a\xc3", strings.Repeat("é", 128)}
	for _, name := range good {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range bad {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFoldName(t *testing.T) {
	for _, same := range [][2]string{{"README", "readme"}, {"é", "e\u0301"}, {"É", "e\u0301"}, {"ß", "SS"}, {"ſ", "S"}, {"K", "\u212a"}, {"\u13d2", "\uaba2"}} {
		if foldName(same[0]) != foldName(same[1]) {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	if foldName("a") == foldName("b") {
		t.Error("a and b are the same")
	}
}

func TestPathsOutside(t *testing.T) {
	store := newMemStore()
	fsys := open(t, store.publish(t, map[string][]byte{"a/b": []byte("x")}).Root, store)
	for _, name := range []string{"..", "../a/b", "/a/b", "a/../a/b", "a//b", "a/b/", "", "a/b/c"} {
		if _, err := fsys.Open(name); err == nil {
			t.Errorf("%q opens", name)
		}
	}
	for _, name := range []string{"b", "a/c", strings.Repeat("a/", 100) + "b", fmt.Sprintf("a/%02000d", 1)} {
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

package site

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"altnet/engine/wire"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

const goldenFile = "testdata/tree.json"

// golden is a tree node and what its bytes are, or a site and what is in it.
type golden struct {
	Name   string      `json:"name"`
	Kind   Kind        `json:"kind"`
	Size   uint64      `json:"size"`
	Bytes  string      `json:"bytes"` // hex
	Hash   string      `json:"hash"`
	Links  []goldLink  `json:"links"`
	Blocks []wire.Hash `json:"-"`
}

type goldLink struct {
	Name string `json:"name,omitempty"`
	Slot *int   `json:"slot,omitempty"`
	Kind Kind   `json:"kind"`
	Size uint64 `json:"size"`
	Hash string `json:"hash"`
}

type goldenSite struct {
	Name  string            `json:"name"`
	Files map[string]string `json:"files"` // text, or "N bytes of X" for N times the byte X
	Root  string            `json:"root"`
	Order []string          `json:"preorder"`
}

type goldenVectors struct {
	Nodes []golden     `json:"nodes"`
	Sites []goldenSite `json:"sites"`
}

func goldenOf(name string, n *node) golden {
	encoded := n.encode()
	g := golden{Name: name, Kind: n.kind, Size: n.size(), Bytes: hex.EncodeToString(encoded), Hash: wire.Hash(hashOf(encoded)).String()}
	for i, l := range n.links {
		if l.Kind == 0 {
			continue
		}
		gl := goldLink{Kind: l.Kind, Size: l.Size, Hash: l.Hash.String()}
		if n.kind == KindLeaf {
			gl.Name = n.names[i]
		}
		if n.kind == KindFork {
			gl.Slot = &i
		}
		g.Links = append(g.Links, gl)
	}
	return g
}

// makeGolden builds the vectors from fixed content.
func makeGolden(t *testing.T) (v goldenVectors) {
	chunk := func(data []byte) Link {
		return Link{Kind: KindChunk, Size: uint64(len(data)), Hash: hashOf(data)}
	}
	hello, full := chunk([]byte("hello\n")), chunk(bytes.Repeat([]byte{'a'}, ChunkSize))
	list := &node{kind: KindList, links: []Link{full, full, hello}}
	listLink := Link{Kind: KindList, Size: list.size(), Hash: hashOf(list.encode())}
	empty := Link{Kind: KindChunk, Hash: emptyHash}
	sub := &node{kind: KindLeaf, names: []string{"b.txt"}, links: []Link{hello}}
	leaf := &node{kind: KindLeaf, names: []string{"a", "big", "empty", "hello.txt"},
		links: []Link{{Kind: KindLeaf, Size: 6, Hash: hashOf(sub.encode())}, listLink, empty, hello}}
	fork := &node{kind: KindFork, links: make([]Link, forkWidth)}
	fork.links[nibble(nameBits("b.txt"), 0)] = Link{Kind: KindLeaf, Size: 6, Hash: hashOf(sub.encode())}
	root := &node{kind: KindRoot, links: []Link{{Kind: KindLeaf, Size: leaf.size(), Hash: hashOf(leaf.encode())}},
		blocks: 5, bytes: ChunkSize + 6 + uint64(len(list.encode())+len(sub.encode())+len(leaf.encode()))}
	v.Nodes = []golden{goldenOf("list", list), goldenOf("empty directory", &node{kind: KindLeaf}), goldenOf("page", sub),
		goldenOf("leaf", leaf), goldenOf("fork", fork), goldenOf("root", root)}

	many := map[string]string{}
	for i := range 700 {
		many[fmt.Sprintf("page-%03d.html", i)] = fmt.Sprintf("page %d\n", i)
	}
	for _, s := range []goldenSite{
		{Name: "small", Files: map[string]string{"hello.txt": "hello\n", "empty": "", "a/b.txt": "hello\n", "big": "524294 bytes of a"}},
		{Name: "forked directory", Files: many},
		{Name: "two levels of lists", Files: map[string]string{"huge": "134479872 bytes of a"}},
	} {
		store := newMemStore()
		sum := store.publish(t, expand(s.Files))
		s.Root = sum.Root.String()
		for _, h := range sum.Blocks {
			s.Order = append(s.Order, h.String())
		}
		v.Sites = append(v.Sites, s)
	}
	return v
}

func expand(files map[string]string) map[string][]byte {
	out := map[string][]byte{}
	for name, text := range files {
		var n int
		var c rune
		if k, _ := fmt.Sscanf(text, "%d bytes of %c", &n, &c); k == 2 {
			out[name] = bytes.Repeat([]byte{byte(c)}, n)
		} else {
			out[name] = []byte(text)
		}
	}
	return out
}

func TestGolden(t *testing.T) {
	got, err := json.MarshalIndent(makeGolden(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.MkdirAll(filepath.Dir(goldenFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	}
	if !bytes.Equal(got, want) {
		t.Fatal("the tree format has changed: existing sites would get other roots")
	}
	var v goldenVectors
	if err := json.Unmarshal(want, &v); err != nil {
		t.Fatal(err)
	}
	for _, g := range v.Nodes {
		data, _ := hex.DecodeString(g.Bytes)
		n, err := parseNode(g.Kind, data)
		if err != nil || !bytes.Equal(n.encode(), data) || len(n.links) < len(g.Links) {
			t.Errorf("%s does not parse: %v", g.Name, err)
		}
	}
}

// TestEncodingIsCBOR holds the hand-written codec to the general one.
func TestEncodingIsCBOR(t *testing.T) {
	type link struct {
		_    struct{} `cbor:",toarray"`
		Kind uint64
		Size uint64
		Hash wire.Hash
	}
	type entry struct {
		_    struct{} `cbor:",toarray"`
		Name string
		Kind uint64
		Size uint64
		Hash wire.Hash
	}
	for _, size := range []uint64{1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, MaxSize} {
		l := Link{Kind: KindLeaf, Size: size, Hash: hashOf([]byte{1})}
		for _, name := range []string{"a", string(bytes.Repeat([]byte("n"), 24)), string(bytes.Repeat([]byte("ü"), 127))} {
			want, err := wire.Marshal([]entry{{Name: name, Kind: 3, Size: size, Hash: l.Hash}})
			if err != nil {
				t.Fatal(err)
			}
			got := (&node{kind: KindLeaf, names: []string{name}, links: []Link{l}}).encode()
			if !bytes.Equal(got, want) || wire.CheckCanonical(got) != nil {
				t.Errorf("leaf of size %d: %x, want %x", size, got, want)
			}
			if len(got) != 1+entrySize(name, l) {
				t.Errorf("entry of size %d takes %d bytes, not %d", size, len(got)-1, entrySize(name, l))
			}
		}
		slots := make([]any, forkWidth)
		slots[5] = link{Kind: 3, Size: size, Hash: l.Hash}
		want, _ := wire.Marshal(slots)
		links := make([]Link, forkWidth)
		links[5] = l
		if got := (&node{kind: KindFork, links: links}).encode(); !bytes.Equal(got, want) {
			t.Errorf("fork of size %d: %x, want %x", size, got, want)
		}
	}
}

// FuzzNode: what parses encodes to the same bytes, and memory is bounded by
// the input.
func FuzzNode(f *testing.F) {
	if raw, err := os.ReadFile(goldenFile); err == nil {
		var v goldenVectors
		if err := json.Unmarshal(raw, &v); err != nil {
			f.Fatal(err)
		}
		for _, g := range v.Nodes {
			data, _ := hex.DecodeString(g.Bytes)
			f.Add(byte(g.Kind), data)
		}
	}
	f.Add(byte(KindLeaf), []byte{0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(byte(KindLeaf), []byte("\x81\x84{\x8e0000000")) // a text longer than any int
	f.Add(byte(KindList), []byte{0x9a, 0x00, 0x00, 0x7f, 0xff})
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		n, err := parseNode(Kind(kind), data)
		if err != nil {
			return
		}
		if got := n.encode(); !bytes.Equal(got, data) {
			t.Fatalf("%x encodes to %x", data, got)
		}
		if cap(n.links) > len(data)/36+2*forkWidth || len(n.names) > len(data) {
			t.Fatalf("%d links from %d bytes", cap(n.links), len(data))
		}
		if err := wire.CheckCanonical(data); err != nil {
			t.Fatalf("%x parses, but is not canonical: %v", data, err)
		}
		if kind != byte(KindRoot) {
			_ = n.checkAt(n.size(), position{})
			_ = n.checkAt(n.size(), position{level: maxForks, prefix: 0xffffffff})
		}
	})
}

// FuzzName: what CheckName lets through is one harmless path element.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a", "..", "con.txt", "a/b", "ü", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if !filepath.IsLocal(name) || filepath.Base(name) != name || len(name) > MaxName {
			t.Fatalf("%q passes", name)
		}
		if foldName(foldName(name)) != foldName(name) {
			t.Fatalf("folding %q is not stable", name)
		}
	})
}

// FuzzHave: no bitmap of a peer makes holds panic.
func FuzzHave(f *testing.F) {
	f.Add([]byte{0x80}, uint64(3), false, 2)
	f.Fuzz(func(t *testing.T, bits []byte, count uint64, full bool, i int) {
		h := wire.Have{Count: count, Full: full, Bitmap: bits}
		if i < 0 {
			return
		}
		if holds(h, i) && !full && i >= 8*len(bits) {
			t.Fatal("a bit beyond the bitmap is set")
		}
	})
}

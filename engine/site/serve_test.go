package site

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"altnet/engine/wire"
)

// exchange returns all that a server answers.
func exchange(t *testing.T, s *Server, m wire.Message) (answer []wire.Message) {
	t.Helper()
	a, b := pipe()
	go func() {
		defer close(b.out)
		_ = s.Serve(t.Context(), m, b)
	}()
	for {
		m, err := a.Read()
		if errors.Is(err, io.EOF) {
			return answer
		}
		if err != nil {
			t.Fatal(err)
		}
		answer = append(answer, m)
	}
}

func TestServe(t *testing.T) {
	store, sum, _ := source(t)
	last := sum.Blocks[len(sum.Blocks)-1]
	held := make([]bool, 19)
	held[0], held[9], held[18] = true, true, true
	s := NewServer(ServerConfig{
		Blocks: store,
		Refuse: func(h wire.Hash) bool { return h == last },
		Site:   func(_ context.Context, root wire.Hash) (Blocks, bool) { return store, root == sum.Root },
		Have:   func(context.Context, wire.Hash) (wire.Have, error) { return bitmap(held), nil },
	})
	got := exchange(t, s, wire.GetBlocks{Root: sum.Root, Hashes: []wire.Hash{sum.Blocks[3], {1}, last, sum.Root}})
	if len(got) != 4 || !bytes.Equal(got[0].(wire.Block).Data, store.blocks[sum.Blocks[3]]) || got[1].Type() != wire.TypeMissing ||
		got[2].Type() != wire.TypeMissing || !bytes.Equal(got[3].(wire.Block).Data, store.blocks[sum.Root]) {
		t.Errorf("blocks: %d answers", len(got))
	}
	if got := exchange(t, s, wire.GetBlocks{Root: wire.Hash{5}, Hashes: []wire.Hash{sum.Root}}); len(got) != 1 || got[0].Type() != wire.TypeMissing {
		t.Errorf("blocks of a site that is not shared: %v", got)
	}
	have := exchange(t, s, wire.GetHave{Root: sum.Root})[0].(wire.Have)
	if have.Count != 19 || have.Full || !bytes.Equal(have.Bitmap, []byte{0x80, 0x40, 0x20}) {
		t.Errorf("have: %+v", have)
	}
	for i, ok := range held {
		if holds(have, i) != ok {
			t.Errorf("bit %d", i)
		}
	}
	if e, ok := exchange(t, s, wire.Ping{})[0].(wire.Error); !ok || e.Code != wire.CodeUnsupported {
		t.Errorf("ping: %v", e)
	}
}

func TestServePath(t *testing.T) {
	store, sum, files := source(t)
	s := NewServer(ServerConfig{Blocks: store})
	big := uint64(len(files["big.bin"]))
	for _, c := range []struct {
		name   string
		m      wire.GetPath
		chunks int
		whole  bool
	}{
		{"index of the root", wire.GetPath{Limit: 1 << 20}, 1, true},
		{"file", wire.GetPath{Path: "chunk1.bin", Limit: 1 << 20}, 2, true},
		{"nothing of a file", wire.GetPath{Path: "chunk1.bin"}, 0, true},
		{"first chunks", wire.GetPath{Path: "big.bin", Limit: ChunkSize + 1}, 2, true},
		{"from the middle", wire.GetPath{Path: "big.bin", Offset: 3*ChunkSize + 7, Limit: 1 << 30}, 3, true},
		{"last byte", wire.GetPath{Path: "big.bin", Offset: big - 1, Limit: 1}, 1, true},
		{"beyond the end", wire.GetPath{Path: "big.bin", Offset: big, Limit: 1 << 40}, 0, true},
		{"far beyond", wire.GetPath{Path: "big.bin", Offset: 1<<64 - 1, Limit: 1<<64 - 1}, 0, true},
		{"no such path", wire.GetPath{Path: "many/none", Limit: 1}, 0, true},
		{"folder without index", wire.GetPath{Path: "many", Limit: 1}, 0, true},
		{"unknown root", wire.GetPath{Root: wire.Hash{9}, Path: "x"}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.m.Root.IsZero() {
				c.m.Root = sum.Root
			}
			got := exchange(t, s, c.m)
			end, ok := got[len(got)-1].(wire.End)
			if !ok || end.Complete != c.whole {
				t.Fatalf("ends with %#v", got[len(got)-1])
			}
			expected, chunks := map[wire.Hash]place{c.m.Root: {Link: Link{Kind: KindRoot, Hash: c.m.Root}}}, 0
			for _, m := range got[:len(got)-1] {
				data := m.(wire.Block).Data
				p, ok := expected[hashOf(data)]
				if !ok {
					t.Fatal("a block that no block before it links to")
				}
				if p.Kind == KindChunk {
					chunks++
					continue
				}
				n, err := p.parse(data)
				if err != nil {
					t.Fatal(err)
				}
				_ = p.children(n, func(c place) error { expected[c.Hash] = c; return nil })
			}
			if chunks != c.chunks {
				t.Errorf("%d chunks, want %d", chunks, c.chunks)
			}
		})
	}
	for _, path := range []string{"/", "../x", "a//b", "a/", string(make([]byte, MaxPath+1))} {
		if e, ok := exchange(t, s, wire.GetPath{Root: sum.Root, Path: path})[0].(wire.Error); !ok || e.Code != wire.CodeBadRequest {
			t.Errorf("%.9q: %v", path, e)
		}
	}
}

// bitmap says which of the blocks, in canonical preorder, are held.
func bitmap(held []bool) wire.Have {
	h := wire.Have{Count: uint64(len(held)), Full: true, Bitmap: make([]byte, (len(held)+7)/8)}
	for i, ok := range held {
		if ok {
			h.Bitmap[i/8] |= 0x80 >> (i % 8)
		} else {
			h.Full = false
		}
	}
	if h.Full {
		h.Bitmap = nil
	}
	return h
}

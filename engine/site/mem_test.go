package site

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"

	"altnet/engine/wire"
)

// memStore is a Store in memory that checks what it is given.
type memStore struct {
	mu     sync.Mutex
	blocks map[wire.Hash][]byte
	puts   int
	gets   map[wire.Hash]int
}

func newMemStore() *memStore {
	return &memStore{blocks: map[wire.Hash][]byte{}, gets: map[wire.Hash]int{}}
}

func (m *memStore) Get(_ context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets[h]++
	data, ok := m.blocks[h]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return append(buf[:0], data...), nil
}

func (m *memStore) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	has := make([]bool, len(hashes))
	for i, h := range hashes {
		_, has[i] = m.blocks[h]
	}
	return has, nil
}

func (m *memStore) PutBatch(_ context.Context, blocks []Block) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range blocks {
		if wire.Hash(sha256.Sum256(b.Data)) != b.Hash {
			panic("block put under a wrong hash")
		}
		m.blocks[b.Hash] = bytes.Clone(b.Data)
		m.puts++
	}
	return nil
}

func (m *memStore) Flush(context.Context) error { return nil }

// publish builds a folder into a store.
func publish(t testing.TB, dir string, store Sink) Summary {
	t.Helper()
	plan, err := Scan(t.Context(), dir, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := Build(t.Context(), plan, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// open opens a site or fails.
func open(t testing.TB, root wire.Hash, blocks Blocks) *FS {
	t.Helper()
	fsys, err := Open(t.Context(), root, blocks)
	if err != nil {
		t.Fatal(err)
	}
	return fsys
}

// publish makes a site of files without a folder.
func (m *memStore) publish(t testing.TB, files map[string][]byte) Summary {
	t.Helper()
	var children []child
	nodes := memNodes{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var links []Link
		for chunk := range slices.Chunk(files[name], ChunkSize) {
			links = append(links, Link{Kind: KindChunk, Size: uint64(len(chunk)), Hash: m.put(chunk)})
		}
		children = append(children, child{name, composeFile(links, nodes.put)})
	}
	top, err := nodes.tree(children)
	if err != nil {
		t.Fatal(err)
	}
	root, order, err := nodes.root(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range nodes {
		m.put(data)
	}
	return Summary{Root: root, Blocks: order, Files: len(files)}
}

func (m *memStore) put(data []byte) wire.Hash {
	h := wire.Hash(sha256.Sum256(data))
	m.blocks[h] = bytes.Clone(data)
	return h
}

func hashOf(data []byte) [32]byte { return sha256.Sum256(data) }

// failingSink fails where an error is set.
type failingSink struct{ has, put, flush error }

func (s *failingSink) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return make([]bool, len(hashes)), s.has
}
func (s *failingSink) PutBatch(context.Context, []Block) error { return s.put }
func (s *failingSink) Flush(context.Context) error             { return s.flush }

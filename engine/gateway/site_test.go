package gateway

import (
	"bytes"
	"context"
	"io/fs"
	"sync"
	"testing"

	"altnet/engine/ca"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// mem holds a site's blocks in memory.
type mem struct {
	mu     sync.Mutex
	blocks map[wire.Hash][]byte
}

func (m *mem) Get(_ context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blocks[h]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return append(buf[:0], data...), nil
}

func (m *mem) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return make([]bool, len(hashes)), nil
}

func (m *mem) PutBatch(_ context.Context, blocks []site.Block) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range blocks {
		m.blocks[b.Hash] = bytes.Clone(b.Data)
	}
	return nil
}

func (m *mem) Flush(context.Context) error { return nil }

// build publishes a folder into memory and opens it.
func build(t testing.TB, dir string) (*site.FS, *mem) {
	t.Helper()
	m := &mem{blocks: map[wire.Hash][]byte{}}
	plan, err := site.Scan(t.Context(), dir, site.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := site.Build(t.Context(), plan, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := site.Open(context.Background(), sum.Root, m)
	if err != nil {
		t.Fatal(err)
	}
	return fsys, m
}

func newCA(t testing.TB) *ca.CA {
	t.Helper()
	c, err := ca.Open(ca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

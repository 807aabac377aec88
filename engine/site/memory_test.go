package site

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"altnet/engine/wire"
)

// hugeSize is the size of the file that memory must not grow with: 256 MiB,
// or as many GiB as ALTNET_HUGE says.
func hugeSize(t *testing.T) int64 {
	s := os.Getenv("ALTNET_HUGE")
	if s == "" {
		return 256 << 20
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n) << 30
}

// peak samples the heap.
type peak struct{ base, most uint64 }

func startPeak() *peak {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &peak{base: m.HeapAlloc}
}

func (p *peak) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.most = max(p.most, m.HeapAlloc)
}

func (p *peak) check(t *testing.T, limit uint64) {
	t.Helper()
	if p.most == 0 || p.most > p.base+limit {
		t.Errorf("the heap grows from %d to %d KiB", p.base>>10, p.most>>10)
	}
	t.Logf("the heap grows from %d to %d KiB", p.base>>10, p.most>>10)
}

// hugeStore makes up its chunks: zeros with a number in front. Of what it is
// given it keeps nodes only.
type hugeStore struct {
	*memStore
	index map[wire.Hash]uint64
	bytes atomic.Int64
}

func (s *hugeStore) chunk(i uint64, buf []byte) []byte {
	if cap(buf) < ChunkSize {
		buf = make([]byte, ChunkSize)
	}
	buf = buf[:ChunkSize]
	clear(buf)
	binary.LittleEndian.PutUint64(buf, i)
	return buf
}

func (s *hugeStore) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	if i, ok := s.index[h]; ok {
		return s.chunk(i, buf), nil
	}
	return s.memStore.Get(ctx, h, buf)
}

func (s *hugeStore) PutBatch(ctx context.Context, blocks []Block) error {
	for _, b := range blocks {
		s.bytes.Add(int64(len(b.Data)))
		if len(b.Data) != ChunkSize {
			if err := s.memStore.PutBatch(ctx, []Block{b}); err != nil {
				return err
			}
		}
	}
	return nil
}

func newHugeStore() *hugeStore {
	return &hugeStore{memStore: newMemStore(), index: map[wire.Hash]uint64{}}
}

func TestMemoryStaysFlatWhilePublishing(t *testing.T) {
	dir, size := t.TempDir(), hugeSize(t)
	f, err := os.Create(filepath.Join(dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off := int64(0); off < size; off += ChunkSize { // sparse, but no chunk like another
		if _, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(off)), off); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := Scan(t.Context(), dir, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	store, p := newHugeStore(), startPeak()
	sum, err := Build(t.Context(), plan, store, func(Progress) { p.sample() })
	if err != nil || int64(len(sum.Blocks)) < size/ChunkSize || store.bytes.Load() != sum.Stored {
		t.Fatalf("%d blocks, %d bytes: %v", len(sum.Blocks), sum.Stored, err)
	}
	p.check(t, 48<<20)
}

func TestMemoryStaysFlatWhileFetching(t *testing.T) {
	size := hugeSize(t)
	source := newHugeStore()
	var links []Link
	var buf []byte
	for i := range uint64(size / ChunkSize) {
		buf = source.chunk(i, buf)
		h := wire.Hash(hashOf(buf))
		source.index[h] = i
		links = append(links, Link{Kind: KindChunk, Size: ChunkSize, Hash: h})
	}
	nodes := memNodes{}
	top, err := nodes.tree([]child{{"huge", composeFile(links, nodes.put)}})
	if err != nil {
		t.Fatal(err)
	}
	root, order, err := nodes.root(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range nodes {
		source.put(data)
	}
	n := newTestNet(t)
	n.add(source.memStore, true).server = NewServer(ServerConfig{Blocks: source})
	here := newHugeStore()
	f := NewFetcher(FetcherConfig{Find: n.find, Open: n.open, Blocks: here, NewSink: func(wire.Hash) Sink { return here }})
	defer f.Close()
	p := startPeak()
	got, err := f.Fetch(t.Context(), root, FetchOptions{Progress: func(FetchProgress) { p.sample() }})
	if err != nil || len(got.Blocks) != len(order) || here.bytes.Load() != int64(got.Bytes) {
		t.Fatalf("%d blocks of %d: %v", len(got.Blocks), len(order), err)
	}
	p.check(t, 64<<20)
}

package site

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// The benchmarks measure this package alone: blocks go to an append-only file
// that is synced at the end, or come over plain TCP. Each has its ceiling
// beside it: the least that any program would do. The product's own figures
// are measured where all is put together.

// fileSink appends blocks to a file.
type fileSink struct {
	mu   sync.Mutex
	f    *os.File
	has  map[wire.Hash]int64
	size int64
}

func newFileSink(b *testing.B) *fileSink {
	f, err := os.Create(filepath.Join(b.TempDir(), "pack"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return &fileSink{f: f, has: map[wire.Hash]int64{}}
}

func (s *fileSink) HasMany(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := make([]bool, len(hashes))
	for i, h := range hashes {
		_, has[i] = s.has[h]
	}
	return has, nil
}

func (s *fileSink) PutBatch(_ context.Context, blocks []Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var run []byte
	for _, b := range blocks {
		s.has[b.Hash] = s.size<<20 | int64(len(b.Data))
		s.size += int64(len(b.Data))
		if len(b.Data) < 64<<10 {
			run = append(run, b.Data...)
			continue
		}
		for _, data := range [][]byte{run, b.Data} {
			if _, err := s.f.Write(data); err != nil {
				return err
			}
		}
		run = run[:0]
	}
	_, err := s.f.Write(run)
	return err
}

func (s *fileSink) Get(_ context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	s.mu.Lock()
	at, ok := s.has[h]
	s.mu.Unlock()
	if !ok {
		return nil, os.ErrNotExist
	}
	n := int(at & (1<<20 - 1))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	_, err := s.f.ReadAt(buf[:n], at>>20)
	return buf[:n], err
}

func (s *fileSink) Flush(context.Context) error { return s.f.Sync() }

// shapes of content that targets are stated for.
var shapes = []struct {
	name  string
	files int
	size  int
}{{"256MiB", 1, 256 << 20}, {"10000x4KiB", 10000, 4 << 10}}

func benchDir(b *testing.B, files, size int) string {
	dir := b.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%05d", i)), noise(uint64(i), size), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func report(b *testing.B, files, size int) {
	b.SetBytes(int64(files * size))
	b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkPublish(b *testing.B) {
	for _, shape := range shapes {
		dir := benchDir(b, shape.files, shape.size)
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				publish(b, dir, newFileSink(b))
			}
			report(b, shape.files, shape.size)
		})
		b.Run(shape.name+"/ceiling", func(b *testing.B) {
			for b.Loop() {
				ceilingPublish(b, dir)
			}
			report(b, shape.files, shape.size)
		})
	}
}

// ceilingPublish reads, hashes and appends on all cores, and syncs.
func ceilingPublish(b *testing.B, dir string) {
	sink := newFileSink(b)
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	jobs := make(chan func(buf []byte) []byte, 64)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 2 {
		wg.Go(func() {
			buf, run := make([]byte, 1<<20), make([]byte, 0, 2<<20)
			write := func() {
				mu.Lock()
				defer mu.Unlock()
				if _, err := sink.f.Write(run); err != nil {
					b.Error(err)
				}
				run = run[:0]
			}
			for job := range jobs {
				data := job(buf)
				_ = sha256.Sum256(data)
				if run = append(run, data...); len(run) >= 1<<20 {
					write()
				}
			}
			write()
		})
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		info, _ := e.Info()
		for off := int64(0); off < info.Size(); off += ChunkSize {
			jobs <- func(buf []byte) []byte {
				f, err := os.Open(name)
				if err != nil {
					b.Error(err)
					return nil
				}
				defer f.Close()
				n, _ := f.ReadAt(buf[:min(ChunkSize, info.Size()-off)], off)
				return buf[:n]
			}
		}
	}
	close(jobs)
	wg.Wait()
	if err := sink.f.Sync(); err != nil {
		b.Fatal(err)
	}
}

// tcpStream is a Stream on a connection of its own, with wire's framing.
type tcpStream struct{ net.Conn }

func (s tcpStream) Read() (wire.Message, error)  { return wire.Read(s.Conn) }
func (s tcpStream) Write(m wire.Message) error   { return wire.Write(s.Conn, m) }
func (s tcpStream) WriteBlock(data []byte) error { return wire.WriteBlock(s.Conn, data) }
func (s tcpStream) ReadBlock(buf []byte) ([]byte, bool, error) {
	data, err := wire.ReadBlock(s.Conn, buf)
	return data, err == nil, err
}

func BenchmarkFetch(b *testing.B) {
	for _, shape := range shapes {
		source := newFileSink(b)
		sum := publish(b, benchDir(b, shape.files, shape.size), source)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer ln.Close()
		server := NewServer(ServerConfig{Blocks: source})
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					st := tcpStream{c}
					if m, err := st.Read(); err == nil {
						_ = server.Serve(context.Background(), m, st)
					}
				}()
			}
		}()
		b.Run(shape.name, func(b *testing.B) {
			for b.Loop() {
				here := newFileSink(b)
				f := NewFetcher(FetcherConfig{
					Find: func(_ context.Context, _ wire.Hash, found func(wire.Peer, bool) bool) error {
						found(wire.Peer{ID: identity.NodeID{1}}, true)
						return nil
					},
					Open: func(_ context.Context, _ wire.Peer, m wire.Message) (Stream, error) {
						c, err := net.Dial("tcp", ln.Addr().String())
						if err != nil {
							return nil, err
						}
						return tcpStream{c}, wire.Write(c, m)
					},
					Blocks: here, NewSink: func(wire.Hash) Sink { return here },
				})
				if _, err := f.Fetch(b.Context(), sum.Root, FetchOptions{}); err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
			report(b, shape.files, shape.size)
		})
		b.Run(shape.name+"/ceiling", func(b *testing.B) {
			for b.Loop() {
				ceilingFetch(b, source, shape.files, shape.size)
			}
			report(b, shape.files, shape.size)
		})
	}
}

// ceilingFetch sends the same bytes over one connection, hashes and appends
// them in pieces of a chunk, and syncs.
func ceilingFetch(b *testing.B, source *fileSink, files, size int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	total := int64(files * size)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, ChunkSize)
		_, _ = io.CopyBuffer(struct{ io.Writer }{c}, io.NewSectionReader(source.f, 0, total), buf)
	}()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	sink := newFileSink(b)
	buf := make([]byte, ChunkSize)
	for done := int64(0); done < total; {
		n, err := io.ReadFull(c, buf[:min(ChunkSize, total-done)])
		if err != nil {
			b.Fatal(err)
		}
		for part := 0; part < n; part += min(size, n-part) {
			_ = sha256.Sum256(buf[part:min(part+size, n)])
		}
		if _, err := sink.f.Write(buf[:n]); err != nil {
			b.Fatal(err)
		}
		done += int64(n)
	}
	if err := sink.f.Sync(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpenRead opens a page of a site that is here and reads it.
func BenchmarkOpenRead(b *testing.B) {
	store := newMemStore()
	files := map[string][]byte{}
	for i := range 1000 {
		files[fmt.Sprintf("docs/page-%d.html", i)] = noise(uint64(i), 10<<10)
	}
	fsys := open(b, store.publish(b, files).Root, store)
	buf := make([]byte, 10<<10)
	for b.Loop() {
		f, err := fsys.OpenFile("docs/page-77.html")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(f, buf); err != nil {
			b.Fatal(err)
		}
	}
}

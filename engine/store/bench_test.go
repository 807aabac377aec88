package store

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"altnet/engine/wire"
)

// source is bytes to cut into blocks, made once per benchmark.
func source(b *testing.B, n int) []byte {
	_, data := block(1, n)
	return data
}

// hashAll cuts data into blocks and calls put with each, from both cores.
func hashAll(b *testing.B, data []byte, size int, put func(i int, h wire.Hash, block []byte) error) {
	var wg sync.WaitGroup
	const workers = 2
	for w := range workers {
		wg.Go(func() {
			for i := w; i*size < len(data); i += workers {
				piece := data[i*size : min((i+1)*size, len(data))]
				if err := put(i, sha256.Sum256(piece), piece); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// ceilingIngest is the least that durable storing costs: SHA-256, write into
// one file, fsync.
func ceilingIngest(b *testing.B, data []byte, size int) {
	b.SetBytes(int64(len(data)))
	dir := b.TempDir()
	for b.Loop() {
		f, err := os.Create(filepath.Join(dir, "file"))
		if err != nil {
			b.Fatal(err)
		}
		if size >= largeBlock {
			hashAll(b, data, size, func(i int, _ wire.Hash, piece []byte) error {
				_, err := f.WriteAt(piece, int64(i*size))
				return err
			})
		} else {
			hashAll(b, data, size, func(int, wire.Hash, []byte) error { return nil })
			_, err = f.Write(data)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		f.Close()
		os.Remove(f.Name())
		b.StartTimer()
	}
}

func benchIngest(b *testing.B, total, size int) {
	data := source(b, total)
	b.Run("ceiling", func(b *testing.B) { ceilingIngest(b, data, size) })
	b.Run("store", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			b.StopTimer()
			dir, err := os.MkdirTemp("", "store")
			if err != nil {
				b.Fatal(err)
			}
			s, err := Open(Config{Dir: dir})
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			batch := s.NewBatch()
			hashAll(b, data, size, func(_ int, h wire.Hash, piece []byte) error { return batch.Put(h, piece) })
			if err := batch.Commit(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			os.RemoveAll(dir)
			b.StartTimer()
		}
		b.ReportMetric(float64(len(data)/size*b.N)/b.Elapsed().Seconds(), "blocks/s")
	})
}

func BenchmarkIngest256MiB(b *testing.B)   { benchIngest(b, 256<<20, wire.MaxBlock) }
func BenchmarkIngest10000x4K(b *testing.B) { benchIngest(b, 10000*4096, 4096) }

// BenchmarkGet reads blocks that are in the page cache.
func BenchmarkGet(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"4K", 4096}, {"256K", wire.MaxBlock}} {
		s := open(b, Config{NoSync: true})
		hashes := putBlocks(b, s, 1, sizes(200, c.size)...)
		buf := make([]byte, c.size)
		b.Run(c.name+"/ceiling", func(b *testing.B) {
			sec, err := s.Section(hashes[0])
			if err != nil {
				b.Fatal(err)
			}
			defer sec.Close()
			b.SetBytes(int64(c.size))
			for b.Loop() {
				if _, err := sec.File.ReadAt(buf, sec.Offset); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/store", func(b *testing.B) {
			b.SetBytes(int64(c.size))
			i := 0
			for b.Loop() {
				if _, err := s.Get(b.Context(), hashes[i%len(hashes)], buf); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(c.name+"/section", func(b *testing.B) {
			i := 0
			for b.Loop() {
				sec, err := s.Section(hashes[i%len(hashes)])
				if err != nil {
					b.Fatal(err)
				}
				sec.Close()
				i++
			}
		})
	}
}

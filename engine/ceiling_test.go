//go:build unix

package engine

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/flynn/noise"

	"altnet/engine/site"
)

// The ceilings of publishing and fetching: the least that any program has to
// do for the same result, without names, trees, an index or a protocol.

// stretch is how much a ceiling writes at once.
const stretch = 1 << 20

// piece is a part of a file that is read and hashed at once.
type piece struct {
	path string
	off  int64
	size int
}

func pieces(b *testing.B, dir string) []piece {
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	var out []piece
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			b.Fatal(err)
		}
		for off := int64(0); off < info.Size(); off += site.ChunkSize {
			out = append(out, piece{filepath.Join(dir, e.Name()), off, int(min(site.ChunkSize, info.Size()-off))})
		}
	}
	return out
}

// ceilingPublish reads and hashes a folder with both cores, appends it to one
// file and syncs that.
func ceilingPublish(b *testing.B, dir, into string) {
	f, err := os.Create(filepath.Join(into, "pack"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	all := pieces(b, dir)
	var next, end atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			buf := make([]byte, 0, stretch)
			write := func() {
				if _, err := f.WriteAt(buf, end.Add(int64(len(buf)))-int64(len(buf))); err != nil {
					b.Error(err)
				}
				buf = buf[:0]
			}
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				if len(buf)+all[i].size > cap(buf) {
					write()
				}
				at := len(buf)
				buf = buf[:at+all[i].size]
				if err := all[i].read(buf[at:]); err != nil {
					b.Error(err)
				}
				_ = sha256.Sum256(buf[at:])
			}
			write()
		})
	}
	wg.Wait()
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

func (p piece) read(buf []byte) error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadAt(buf, p.off)
	return err
}

// ceilingFetch sends one file over loopback in Noise records of 64 KiB, which
// the other end opens, hashes in blocks, appends to a file and syncs.
func ceilingFetch(b *testing.B, from string, s shape, into string) {
	near, far := tcpPair(b)
	defer near.Close()
	defer far.Close()
	go sendRecords(b, far, from)
	f, err := os.Create(filepath.Join(into, "pack"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	full, free := make(chan []byte, 4), make(chan []byte, 4)
	for range cap(free) {
		free <- make([]byte, stretch)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for buf := range full {
			for at := 0; at < len(buf); at += min(s.size, site.ChunkSize) {
				_ = sha256.Sum256(buf[at:min(at+min(s.size, site.ChunkSize), len(buf))])
			}
			if _, err := f.Write(buf); err != nil {
				b.Error(err)
			}
			free <- buf[:stretch]
		}
	})
	records := newRecords(near)
	for left := s.files * s.size; left > 0; {
		buf := (<-free)[:min(stretch, left)]
		if _, err := io.ReadFull(records, buf); err != nil {
			b.Fatal(err)
		}
		full <- buf
		left -= len(buf)
	}
	close(full)
	wg.Wait()
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

func noiseCipher() noise.Cipher {
	return noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256).Cipher([32]byte{1})
}

const (
	maxRecord = 1<<16 - 1
	sealSize  = 16
)

func sendRecords(b *testing.B, to net.Conn, path string) {
	f, err := os.Open(path)
	if err != nil {
		b.Error(err)
		return
	}
	defer f.Close()
	c := noiseCipher()
	plain, sealed := make([]byte, maxRecord-sealSize), make([]byte, 2, 2+maxRecord)
	for n := uint64(0); ; n++ {
		got, err := io.ReadFull(f, plain)
		if got == 0 {
			return
		}
		record := c.Encrypt(sealed, n, nil, plain[:got])
		binary.BigEndian.PutUint16(record, uint16(len(record)-2))
		if _, err := to.Write(record); err != nil {
			b.Error(err)
			return
		}
		if err != nil {
			return
		}
	}
}

// records reads what sendRecords sends.
type records struct {
	r      *bufio.Reader
	cipher noise.Cipher
	n      uint64
	buf    []byte
	rest   []byte
}

func newRecords(c net.Conn) *records {
	return &records{r: bufio.NewReaderSize(c, 256<<10), cipher: noiseCipher(), buf: make([]byte, maxRecord)}
}

func (r *records) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		var head [2]byte
		if _, err := io.ReadFull(r.r, head[:]); err != nil {
			return 0, err
		}
		sealed := r.buf[:binary.BigEndian.Uint16(head[:])]
		if _, err := io.ReadFull(r.r, sealed); err != nil {
			return 0, err
		}
		var err error
		if r.rest, err = r.cipher.Decrypt(sealed[:0], r.n, nil, sealed); err != nil {
			return 0, err
		}
		r.n++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func tcpPair(b *testing.B) (near, far net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	return near, far
}

package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"sync"

	"altnet/engine/wire"
)

// readahead is how many chunks beyond the one being read a Blocks that can
// prefetch is told of: 2 MiB, enough for 100 ms at 20 MB/s.
const readahead = 8

// Chunk is one block of a file.
type Chunk struct {
	Hash   wire.Hash
	Offset int64 // in the file
	Length int64
}

// File is an open file: fs.File, io.ReadSeeker, io.ReaderAt, io.WriterTo. One
// chunk is kept in memory. ReadAt and Chunks are safe for concurrent use.
type File struct {
	fsys   *FS
	blocks Blocks
	link   Link
	info   info

	off    int64
	closed bool

	mu   sync.Mutex // of the kept chunk
	kept Chunk
	data []byte
}

// Stat implements fs.File.
func (f *File) Stat() (fs.FileInfo, error) { return f.info, nil }

// Size returns the bytes of the file.
func (f *File) Size() int64 { return int64(f.link.Size) }

// Hash returns the hash that stands for the whole content: files with the
// same bytes have the same. It makes a strong ETag.
func (f *File) Hash() wire.Hash { return f.link.Hash }

// Close implements fs.File.
func (f *File) Close() error {
	f.closed = true
	return nil
}

// Seek implements io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		offset += f.Size()
	}
	if offset < 0 {
		return 0, f.wrap("seek", fs.ErrInvalid)
	}
	f.off = offset
	return offset, nil
}

func (f *File) wrap(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.info.name, Err: err}
}

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if f.closed {
		return 0, f.wrap("read", fs.ErrClosed)
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.readOnce(p, f.off)
	f.off += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, f.wrap("read", fs.ErrInvalid)
	}
	done := 0
	for done < len(p) {
		n, err := f.readOnce(p[done:], off+int64(done))
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// readOnce reads from the chunk at off, straight into p where a whole chunk
// fits there.
func (f *File) readOnce(p []byte, off int64) (int, error) {
	if off >= f.Size() {
		return 0, io.EOF
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data != nil && off >= f.kept.Offset && off < f.kept.Offset+f.kept.Length {
		return copy(p, f.data[off-f.kept.Offset:]), nil
	}
	c, err := f.locate(off, true)
	if err != nil {
		return 0, f.wrap("read", err)
	}
	if off == c.Offset && int64(len(p)) >= c.Length {
		data, err := f.chunk(c, p[:0:c.Length])
		return copy(p, data), err // onto itself where Get used the room
	}
	if f.data, err = f.chunk(c, f.data[:0]); err != nil {
		f.data = nil
		return 0, err
	}
	f.kept = c
	return copy(p, f.data[off-c.Offset:]), nil
}

// chunk reads a chunk's bytes.
func (f *File) chunk(c Chunk, buf []byte) ([]byte, error) {
	if int64(cap(buf)) < c.Length {
		buf = make([]byte, 0, c.Length)
	}
	data, err := get(f.fsys.ctx, f.blocks, c.Hash, buf)
	if err == nil && int64(len(data)) != c.Length {
		err = fmt.Errorf("chunk %s is %d bytes, not %d: %w", c.Hash, len(data), c.Length, ErrCorrupt)
	}
	if err != nil {
		return nil, f.wrap("read", err)
	}
	return data, nil
}

// WriteTo implements io.WriterTo: the rest of the file, chunk by chunk.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	var total int64
	var buf []byte
	for c, err := range f.Chunks(f.off) {
		if err != nil {
			return total, err
		}
		if buf, err = f.chunk(c, buf[:0]); err != nil {
			return total, err
		}
		n, err := w.Write(buf[max(0, f.off-c.Offset):])
		total, f.off = total+int64(n), f.off+int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// ChunkAt returns the chunk that holds the byte at off, io.EOF at the end.
func (f *File) ChunkAt(off int64) (Chunk, error) {
	switch {
	case off < 0:
		return Chunk{}, f.wrap("read", fs.ErrInvalid)
	case off >= f.Size():
		return Chunk{}, io.EOF
	}
	c, err := f.locate(off, false)
	if err != nil {
		return Chunk{}, f.wrap("read", err)
	}
	return c, nil
}

// Chunks yields the chunks from the one that holds off to the end.
func (f *File) Chunks(off int64) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		for off < f.Size() {
			c, err := f.locate(off, true)
			if err != nil {
				yield(Chunk{}, f.wrap("read", err))
				return
			}
			if !yield(c, nil) {
				return
			}
			off = c.Offset + c.Length
		}
	}
}

// locate descends the lists to the chunk that holds off.
func (f *File) locate(off int64, ahead bool) (Chunk, error) {
	l, start := f.link, int64(0)
	for range maxLists + 1 {
		if l.Kind == KindChunk {
			return Chunk{Hash: l.Hash, Offset: start, Length: int64(l.Size)}, nil
		}
		if l.Kind != KindList {
			break
		}
		n, err := f.fsys.load(f.blocks, l, position{})
		if err != nil {
			return Chunk{}, err
		}
		i := 0
		for ; i < len(n.links)-1 && off >= start+int64(n.links[i].Size); i++ {
			start += int64(n.links[i].Size)
		}
		if l = n.links[i]; ahead {
			f.hint(n.links[i:])
		}
	}
	return Chunk{}, fmt.Errorf("file of more than %d lists: %w", maxLists, ErrCorrupt)
}

// hint tells what comes next.
func (f *File) hint(next []Link) {
	p, ok := f.blocks.(prefetcher)
	if !ok || len(next) < 2 {
		return
	}
	next = next[:min(len(next), readahead+1)]
	hashes := make([]wire.Hash, len(next))
	for i, l := range next {
		hashes[i] = l.Hash
	}
	p.Prefetch(hashes)
}

var _ interface {
	fs.File
	io.ReadSeeker
	io.ReaderAt
	io.WriterTo
} = (*File)(nil)

var errNotFile = errors.New("is a directory")

// OpenFile opens a file and only a file.
func (f *FS) OpenFile(name string) (*File, error) {
	opened, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	file, ok := opened.(*File)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotFile}
	}
	return file, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

// maxMoves bounds how often a read starts again because compaction moved the
// block between the look at the index and the look at the pack.
const maxMoves = 8

// Get returns a block in buf where that is large enough, else in new memory.
// ErrNotFound where it is not held, or where its bytes have rotted on the
// disk: then the store forgets it, so that it is fetched again.
func (s *Store) Get(ctx context.Context, h wire.Hash, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, l, err := s.locate(h)
	if err != nil {
		return nil, fmt.Errorf("read block %s: %w", h, err)
	}
	defer s.packs.release(p)
	data, err := readBlock(p, l, buf)
	if errors.Is(err, errRotten) {
		s.log.Error("a block has rotted on the disk", "hash", h, "pack", l.pack, "offset", l.off, "err", err)
		if err := s.forgetRotten(ctx, h, l); err != nil {
			return nil, err
		}
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read block %s: %w", h, err)
	}
	return data, nil
}

// errRotten: the bytes on disk are not those that were stored, or are beyond
// reading.
var errRotten = errors.New("the bytes stored are lost")

func readBlock(p *pack, l loc, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(l.size))[:l.size]
	if _, err := p.file.ReadAt(buf, l.off); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EIO) {
			return nil, fmt.Errorf("%w: %w", errRotten, err)
		}
		return nil, err
	}
	if checksum(buf) != l.sum {
		return nil, errRotten
	}
	return buf, nil
}

// locate finds a block and holds its pack.
func (s *Store) locate(h wire.Hash) (*pack, loc, error) {
	for range maxMoves {
		l, ok, err := s.lookup(h)
		if err != nil {
			return nil, loc{}, err
		}
		if !ok {
			return nil, loc{}, ErrNotFound
		}
		if p, ok, err := s.packs.hold(l.pack); err != nil || ok {
			return p, l, err
		}
	}
	return nil, loc{}, errors.New("the block keeps moving")
}

// Section is a block's bytes as a piece of an open file, so that the kernel
// can send them. They are not checked against rot. The file is the caller's
// own (nobody else moves its offset) and stays readable until Close, whatever
// becomes of the pack.
type Section struct {
	File   *os.File
	Offset int64
	Length int64
}

// Close closes the file.
func (s Section) Close() error { return s.File.Close() }

// Section opens a block where it lies. ErrNotFound where it is not held.
func (s *Store) Section(h wire.Hash) (Section, error) {
	p, l, err := s.locate(h)
	if err != nil {
		return Section{}, fmt.Errorf("open block %s: %w", h, err)
	}
	defer s.packs.release(p) // only then may the name go away
	f, err := os.Open(p.path)
	if err != nil {
		return Section{}, fmt.Errorf("open block %s: %w", h, err)
	}
	return Section{File: f, Offset: l.off, Length: int64(l.size)}, nil
}

// forgetRotten takes a block out of the index if it is still at l.
func (s *Store) forgetRotten(ctx context.Context, h wire.Hash, l loc) error {
	return s.removeIf(ctx, []wire.Hash{h}, func(now loc) bool { return now == l })
}

// Remove deletes blocks whatever lists them, for content that must not be held.
func (s *Store) Remove(ctx context.Context, hashes []wire.Hash) error {
	if err := s.removeIf(ctx, hashes, func(loc) bool { return true }); err != nil {
		return fmt.Errorf("remove blocks: %w", err)
	}
	s.wake()
	return nil
}

// removeIf deletes the blocks that the condition holds for, and with them the
// knowledge that any root is complete.
func (s *Store) removeIf(ctx context.Context, hashes []wire.Hash, cond func(loc) bool) error {
	s.deleting.Lock()
	defer s.deleting.Unlock()
	return s.commit(ctx, func(t *txn) error {
		removed := false
		for _, h := range hashes {
			if l, ok := readLoc(t.Bucket(bucketIndex).Get(h[:])); ok && cond(l) {
				removed = true
				if err := t.unindex(h, l); err != nil {
					return err
				}
			}
		}
		if !removed {
			return nil
		}
		return s.clearFull(t)
	})
}

// clearFull makes every root count its blocks again.
func (s *Store) clearFull(t *txn) error {
	s.removals.Add(1)
	for _, h := range t.rootHashes() {
		rec, _, err := t.root(h)
		if err != nil {
			return err
		}
		if !rec.Full {
			continue
		}
		rec.Full = false
		if err := t.saveRoot(h, rec); err != nil {
			return err
		}
	}
	t.then(func() {
		s.removals.Add(1)
		s.roots.mu.Lock()
		defer s.roots.mu.Unlock()
		for _, rec := range s.roots.m {
			rec.Full = false
		}
	})
	return nil
}

func (t *txn) rootHashes() (hashes []wire.Hash) {
	c := t.Bucket(bucketRoots).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if len(k) == len(wire.Hash{}) {
			hashes = append(hashes, wire.Hash(k))
		}
	}
	return hashes
}

// unindex forgets a block; its bytes are dead until compaction.
func (t *txn) unindex(h wire.Hash, l loc) error {
	if st := t.stat(l.pack); st != nil {
		st.live -= l.cost()
		st.blocks--
	}
	return t.Bucket(bucketIndex).Delete(h[:])
}

// blocksOf returns every block of a root, listed or loose.
func (s *Store) blocksOf(h wire.Hash) (blocks []wire.Hash, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		walkList(tx, h, func(b wire.Hash) { blocks = append(blocks, b) })
		return nil
	})
	return blocks, err
}

package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

// listKey is the key of a part of a root's list.
func listKey(h wire.Hash, part int) []byte {
	return binary.BigEndian.AppendUint32(h[:len(h):len(h)], uint32(part))
}

func (t *txn) putList(h wire.Hash, blocks []wire.Hash) error {
	lists := t.Bucket(bucketLists)
	if err := deletePrefix(lists, h[:]); err != nil {
		return err
	}
	for part := 0; len(blocks) > 0; part++ {
		n := min(listPart, len(blocks))
		v := make([]byte, 0, n*len(h))
		for _, b := range blocks[:n] {
			v = append(v, b[:]...)
		}
		if err := lists.Put(listKey(h, part), v); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

// walkList calls visit with every block of a root, listed or loose.
func walkList(tx *bolt.Tx, h wire.Hash, visit func(wire.Hash)) {
	c := tx.Bucket(bucketLists).Cursor()
	for k, v := c.Seek(h[:]); hasPrefix(k, h); k, v = c.Next() {
		for ; len(v) >= len(h); v = v[len(h):] {
			visit(wire.Hash(v[:len(h)]))
		}
	}
	c = tx.Bucket(bucketLoose).Cursor()
	for k, _ := c.Seek(h[:]); hasPrefix(k, h); k, _ = c.Next() {
		if len(k) == 2*len(h) {
			visit(wire.Hash(k[len(h):]))
		}
	}
}

func hasPrefix(k []byte, h wire.Hash) bool {
	return len(k) >= len(h) && wire.Hash(k[:len(h)]) == h
}

// deletePrefix deletes every key that begins with prefix.
func deletePrefix(b *bolt.Bucket, prefix []byte) error {
	c := b.Cursor()
	for {
		// Seeking again each time: deleting moves what a cursor points to.
		k, _ := c.Seek(prefix)
		if len(k) < len(prefix) || string(k[:len(prefix)]) != string(prefix) {
			return nil
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
}

// BlockList returns the distinct blocks of a root in canonical preorder.
// ErrUnknownRoot where the root or its list is not known.
func (s *Store) BlockList(h wire.Hash) ([]wire.Hash, error) {
	rec, ok := s.roots.get(h)
	if !ok || rec.Listed == 0 {
		return nil, fmt.Errorf("blocks of %s: %w", h, ErrUnknownRoot)
	}
	blocks := make([]wire.Hash, 0, rec.Listed)
	err := s.db.View(func(tx *bolt.Tx) error {
		walkList(tx, h, func(b wire.Hash) { blocks = append(blocks, b) })
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("blocks of %s: %w", h, ErrClosed)
	}
	return blocks, nil
}

// Bitmap returns which blocks of a root are held: bits over its list, most
// significant first, and the length of the list. Where all are held, full is
// set and bits is nil; where the list is not known, count is 0.
func (s *Store) Bitmap(h wire.Hash) (bits []byte, count int, full bool, err error) {
	rec, ok := s.roots.get(h)
	if !ok {
		return nil, 0, false, fmt.Errorf("blocks of %s: %w", h, ErrUnknownRoot)
	}
	if rec.Full || rec.Listed == 0 {
		return nil, rec.Listed, rec.Full, nil
	}
	bits, held := make([]byte, (rec.Listed+7)/8), 0
	gen := s.removals.Load()
	err = s.db.View(func(tx *bolt.Tx) error {
		idx, i := tx.Bucket(bucketIndex), 0
		walkList(tx, h, func(b wire.Hash) {
			if i < rec.Listed && idx.Get(b[:]) != nil {
				bits[i/8] |= 0x80 >> (i % 8)
				held++
			}
			i++
		})
		return nil
	})
	if err != nil {
		return nil, 0, false, fmt.Errorf("blocks of %s: %w", h, ErrClosed)
	}
	if held < rec.Listed {
		return bits, rec.Listed, false, nil
	}
	s.noteFull(h, rec.Listed, gen)
	return nil, rec.Listed, true, nil
}

// noteFull remembers that all blocks are here. What a live root lists is never
// swept, so that stays true unless blocks are removed by name (gen says whether
// any were since the look).
func (s *Store) noteFull(h wire.Hash, listed int, gen uint64) {
	s.roots.mu.Lock()
	defer s.roots.mu.Unlock()
	if rec := s.roots.m[h]; rec != nil && rec.Listed == listed && s.removals.Load() == gen {
		rec.Full = true
		s.roots.touched[h] = struct{}{}
	}
}

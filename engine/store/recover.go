package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
)

// recoverPacks brings the pack files in line with the index: it deletes packs
// that the index does not know, cuts off bytes after the last indexed one, and
// forgets blocks whose bytes are gone.
func (s *Store) recoverPacks() error {
	stats, err := s.loadPackStats()
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	if err := s.removeStrays(stats); err != nil {
		return err
	}
	var last *pack
	for id, st := range stats {
		size, err := s.cutPack(id, st.end)
		if err != nil {
			return fmt.Errorf("recover pack %d: %w", id, err)
		}
		if size < st.end {
			if st, err = s.forgetLost(id, size); err != nil {
				return fmt.Errorf("recover pack %d: %w", id, err)
			}
			if st == (packStat{}) {
				continue
			}
		}
		p := s.packs.add(id, st)
		if size >= st.end && (last == nil || id > last.id) {
			last = p
		}
	}
	if last == nil || last.stat.end >= s.cfg.PackSize {
		return nil
	}
	return s.app.adopt(last)
}

func (s *Store) loadPackStats() (map[uint32]packStat, error) {
	stats := map[uint32]packStat{}
	err := s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketPacks).ForEach(func(k, v []byte) error {
			if len(k) == 4 {
				stats[binary.BigEndian.Uint32(k)] = readPackStat(v)
			}
			return nil
		})
	})
	return stats, err
}

// removeStrays deletes packs that were begun, or compacted away, when the
// store last stopped. Other files are left alone.
func (s *Store) removeStrays(known map[uint32]packStat) error {
	entries, err := s.cfg.FS.ReadDir(s.packs.dir)
	if err != nil {
		return fmt.Errorf("read the packs' folder: %w", err)
	}
	for _, e := range entries {
		id, ok := parsePackName(e.Name())
		if !ok {
			continue
		}
		if _, ok := known[id]; ok {
			continue
		}
		if err := s.cfg.FS.Remove(s.packs.path(id)); err != nil {
			s.log.Warn("a stray pack cannot be removed", "pack", id, "err", err)
			s.packs.next = max(s.packs.next, id+1)
		}
	}
	return nil
}

// cutPack cuts the pack's file after end and returns its size then; 0 where
// there is no file.
func (s *Store) cutPack(id uint32, end int64) (int64, error) {
	f, err := s.cfg.FS.OpenFile(s.packs.path(id), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size <= end {
		return size, err
	}
	return end, f.Truncate(end)
}

// forgetLost takes the blocks past size out of the index. No crash does that
// to a pack that was synced; a lost file or a broken disk does.
func (s *Store) forgetLost(id uint32, size int64) (packStat, error) {
	s.log.Error("a pack has lost bytes", "pack", id, "size", size)
	t := &txn{stats: map[uint32]*packStat{}}
	var left packStat
	err := s.db.Update(func(tx *bolt.Tx) error {
		t.Tx = tx
		for _, p := range residentsIn(tx, id) {
			if p.loc.off+int64(p.loc.size) <= size {
				continue
			}
			if err := t.unindex(p.hash, p.loc); err != nil {
				return err
			}
		}
		if err := s.clearFull(t); err != nil {
			return err
		}
		st := t.stat(id)
		if st == nil || size == 0 {
			return s.forgetPack(t, id, func() {})
		}
		left = *st
		return tx.Bucket(bucketPacks).Put(packKey(id), st.bytes())
	})
	return left, err
}

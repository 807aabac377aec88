package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// migration turns an index of one format into the next one, in one
// transaction. It may read packs and must leave them as they are: they are not
// copied.
type migration func(*bolt.Tx) error

// migrations are by the format that they begin with. There has been one format
// so far.
func migrations() map[uint32]migration { return nil }

// upgrade brings the index to the format newest, after it has been copied to
// index-format-N.db; an index of a later one it refuses and leaves alone.
func (s *Store) upgrade(newest uint32, steps map[uint32]migration) error {
	format, err := s.format()
	if err != nil {
		return err
	}
	if format > newest {
		return fmt.Errorf("format %d, this program knows %d: %w; install that one again, or put back %s", format, newest, ErrNewer, s.copyName(newest))
	}
	for ; format < newest; format++ {
		step, ok := steps[format]
		if !ok {
			return fmt.Errorf("the index has format %d, from which no way leads to %d", format, newest)
		}
		if err := s.migrate(format, step); err != nil {
			return fmt.Errorf("upgrade the index from format %d: %w", format, diskError(err))
		}
	}
	return nil
}

// format reads the format of the index.
func (s *Store) format() (format uint32, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return errors.New("index.db is not an index of AltNet")
		}
		v := meta.Get(keyFormat)
		if len(v) != 4 {
			return errors.New("the index carries no format version")
		}
		format = binary.BigEndian.Uint32(v)
		return nil
	})
	return format, err
}

// copyName is where the index of a format is kept when it is upgraded.
func (s *Store) copyName(format uint32) string {
	return filepath.Join(s.cfg.Dir, fmt.Sprintf("index-format-%d.db", format))
}

// migrate copies the index and takes one step.
func (s *Store) migrate(format uint32, step migration) error {
	if err := s.copyIndex(s.copyName(format)); err != nil {
		return fmt.Errorf("copy it first: %w", err)
	}
	s.log.Info("the index is upgraded", "from", format, "copy", s.copyName(format))
	return s.db.Update(func(tx *bolt.Tx) error {
		if err := step(tx); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, format+1))
	})
}

// copyIndex writes a copy that is whole once it has its name. A copy that a
// crash left unfinished is written anew.
func (s *Store) copyIndex(path string) error {
	temp := path + ".new"
	if left, err := s.cfg.FS.Exists(temp); err != nil || left {
		if err = errors.Join(err, s.cfg.FS.Remove(temp)); err != nil {
			return err
		}
	}
	f, err := s.cfg.FS.OpenFile(temp, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(io.NewOffsetWriter(f, 0))
		return err
	})
	if err == nil && !s.cfg.NoSync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.cfg.FS.Rename(temp, path); err != nil {
		return err
	}
	return s.syncDir(filepath.Dir(path))
}

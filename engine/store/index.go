package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"altnet/engine/wire"
)

// formatVersion is the version of everything on disk. It goes up when an
// older program could misread the folder.
const formatVersion = 1

// The buckets of index.db.
var (
	bucketMeta     = []byte("meta")     // "format": version
	bucketIndex    = []byte("index")    // block hash → loc
	bucketContents = []byte("contents") // pack ‖ offset → the run of blocks that begins there
	bucketPacks    = []byte("packs")    // pack → packStat
	bucketRoots    = []byte("roots")    // root hash → rootRecord
	bucketLists    = []byte("lists")    // root hash ‖ part → up to listPart hashes
	bucketLoose    = []byte("loose")    // root hash ‖ block hash → nothing
	bucketKV       = []byte("kv")       // small records, one bucket inside per name

	keyFormat = []byte("format")
)

// loc is where a block's bytes are.
type loc struct {
	pack uint32
	off  int64  // of the bytes; the entry's header is in front of them
	size uint32 // bytes
	sum  uint32 // CRC-32C of the bytes
	born uint32 // unix seconds when it was stored
}

const locSize = 4 + 8 + 4 + 4 + 4

func (l loc) put(b []byte) {
	binary.BigEndian.PutUint32(b, l.pack)
	binary.BigEndian.PutUint64(b[4:], uint64(l.off))
	binary.BigEndian.PutUint32(b[12:], l.size)
	binary.BigEndian.PutUint32(b[16:], l.sum)
	binary.BigEndian.PutUint32(b[20:], l.born)
}

// readLoc reads what put wrote. A value that cannot be is not a location.
func readLoc(b []byte) (loc, bool) {
	if len(b) != locSize {
		return loc{}, false
	}
	l := loc{
		pack: binary.BigEndian.Uint32(b),
		off:  int64(binary.BigEndian.Uint64(b[4:])),
		size: binary.BigEndian.Uint32(b[12:]),
		sum:  binary.BigEndian.Uint32(b[16:]),
		born: binary.BigEndian.Uint32(b[20:]),
	}
	return l, l.size <= wire.MaxBlock && l.off >= packHeader+entryHeader
}

// cost is what the block takes of its pack.
func (l loc) cost() int64 { return entryHeader + int64(l.size) }

// spot is a place in the packs, as a key of bucketContents.
type spot [12]byte

func spotAt(pack uint32, off int64) (k spot) {
	binary.BigEndian.PutUint32(k[:], pack)
	binary.BigEndian.PutUint64(k[4:], uint64(off))
	return k
}

// A run is a value of bucketContents: the blocks that lie one behind the other
// from a spot on. It is how the blocks of a pack are found without reading it.
const runEntry = len(wire.Hash{}) + 4

func appendRun(b []byte, h wire.Hash, size uint32) []byte {
	b = append(b, h[:]...)
	return binary.BigEndian.AppendUint32(b, size)
}

// walkRun calls visit with each block of a run, with the offset of its bytes.
func walkRun(key, run []byte, visit func(h wire.Hash, off int64, size uint32)) {
	if len(key) != len(spot{}) {
		return
	}
	off := int64(binary.BigEndian.Uint64(key[4:]))
	for ; len(run) >= runEntry; run = run[runEntry:] {
		size := binary.BigEndian.Uint32(run[len(wire.Hash{}):])
		visit(wire.Hash(run[:len(wire.Hash{})]), off+entryHeader, size)
		off += entryHeader + int64(size)
	}
}

// packStat is what the index knows of a pack.
type packStat struct {
	end    int64 // after the last indexed byte: recovery cuts here
	live   int64 // bytes of blocks that the index names, headers included
	blocks int64 // how many those are
}

func (p packStat) bytes() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.end))
	b = binary.BigEndian.AppendUint64(b, uint64(p.live))
	return binary.BigEndian.AppendUint64(b, uint64(p.blocks))
}

func readPackStat(b []byte) packStat {
	if len(b) != 24 {
		return packStat{}
	}
	return packStat{
		end:    int64(binary.BigEndian.Uint64(b)),
		live:   int64(binary.BigEndian.Uint64(b[8:])),
		blocks: int64(binary.BigEndian.Uint64(b[16:])),
	}
}

const (
	indexFile = "index.db"
	indexNew  = "index.new" // index.db until it is whole
)

// openIndex opens index.db, or makes it.
func (s *Store) openIndex() error {
	path := filepath.Join(s.cfg.Dir, indexFile)
	there, err := s.cfg.FS.Exists(path)
	if err == nil && !there {
		err = s.makeIndex(path)
	}
	if err == nil {
		s.db, err = s.openBolt(path)
	}
	if err != nil {
		return fmt.Errorf("open the index: %w", diskError(err))
	}
	return s.upgrade(formatVersion, migrations())
}

// makeIndex makes an empty index beside the place where it belongs and moves
// it there when it is durable: bbolt cannot open a file whose first pages did
// not reach the disk.
func (s *Store) makeIndex(path string) error {
	temp := filepath.Join(s.cfg.Dir, indexNew)
	left, err := s.cfg.FS.Exists(temp)
	if err == nil && left {
		err = s.cfg.FS.Remove(temp)
	}
	if err != nil {
		return err
	}
	db, err := s.openBolt(temp)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Update(makeBuckets), db.Close()); err != nil {
		return err
	}
	if err := s.cfg.FS.Rename(temp, path); err != nil {
		return err
	}
	return s.syncDir(s.cfg.Dir)
}

func (s *Store) openBolt(path string) (*bolt.DB, error) {
	opts := &bolt.Options{
		Timeout:      time.Second, // the folder's lock is ours already
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		NoSync:       s.cfg.NoSync,
		NoGrowSync:   s.cfg.NoSync,
	}
	if runtime.GOOS != "windows" { // there the file would grow to this size
		opts.InitialMmapSize = 256 << 20 // address space, so that growing seldom waits for readers
	}
	db, err := s.cfg.FS.OpenIndex(path, opts)
	if errors.Is(err, berrors.ErrVersionMismatch) {
		return nil, ErrNewer
	}
	if errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrChecksum) {
		return nil, fmt.Errorf("%s is damaged (%w): move it and the folder packs away, and publish your sites again", path, err)
	}
	return db, err
}

func makeBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{
		bucketMeta, bucketIndex, bucketContents, bucketPacks, bucketRoots, bucketLists, bucketLoose, bucketKV,
	} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, formatVersion))
}

// lookup finds a block in the index.
func (s *Store) lookup(h wire.Hash) (l loc, ok bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		l, ok = readLoc(tx.Bucket(bucketIndex).Get(h[:]))
		return nil
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = ErrClosed
	}
	return l, ok, err
}

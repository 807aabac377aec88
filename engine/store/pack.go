package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"altnet/engine/wire"
)

// A pack is a header and entries, each a header and a block's bytes:
//
//	pack:  "AltNet pack\x00" ‖ version uint32 ‖ id uint32
//	entry: "blok" ‖ size uint32 ‖ CRC-32C of the bytes uint32 ‖ 0 uint32 ‖ SHA-256
//
// Numbers are big endian. The entries' headers are not needed while the index
// lives; they are there so that the packs alone can be read.
const (
	packsDir    = "packs"
	packSuffix  = ".pack"
	packMagic   = "AltNet pack\x00"
	packVersion = 1
	packHeader  = 20
	entryMagic  = "blok"
	entryHeader = 48

	// maxOpenPacks bounds the file descriptors of packs that nobody is using.
	maxOpenPacks = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

func appendPackHeader(b []byte, id uint32) []byte {
	b = append(b, packMagic...)
	b = binary.BigEndian.AppendUint32(b, packVersion)
	return binary.BigEndian.AppendUint32(b, id)
}

func appendEntryHeader(b []byte, h wire.Hash, size, sum uint32) []byte {
	b = append(b, entryMagic...)
	b = binary.BigEndian.AppendUint32(b, size)
	b = binary.BigEndian.AppendUint32(b, sum)
	b = binary.BigEndian.AppendUint32(b, 0)
	return append(b, h[:]...)
}

func packKey(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

func packName(id uint32) string { return fmt.Sprintf("%08x%s", id, packSuffix) }

// parsePackName is the inverse of packName.
func parsePackName(name string) (uint32, bool) {
	hex, ok := strings.CutSuffix(name, packSuffix)
	id, err := strconv.ParseUint(hex, 16, 32)
	return uint32(id), ok && err == nil && packName(uint32(id)) == name
}

// pack is one pack file. While it is held (refs > 0) its file stays open and
// on disk; a dropped pack goes away with its last holder.
type pack struct {
	id   uint32
	path string

	// Guarded by packSet.mu.
	file    File // nil while nobody needed it
	refs    int  // readers, the appender, and batches not yet committed
	writers int  // of those, the ones that have written or may write
	dropped bool
	stat    packStat

	// Guarded by syncing.
	syncing  sync.Mutex
	named    bool   // its name in the folder is durable
	synced   uint64 // so many of the writes are durable
	syncFail error

	end     int64         // where the next block goes; guarded by appender.mu
	written atomic.Uint64 // writes finished
	sealed  atomic.Bool   // takes no more blocks
}

// packSet is all packs of the store.
type packSet struct {
	fs     FS
	dir    string
	noSync bool

	mu     sync.Mutex
	byID   map[uint32]*pack
	next   uint32
	open   int // packs with an open file
	closed bool
	live   int64
	disk   int64
	blocks int64
}

func (ps *packSet) init(cfg Config) {
	ps.fs, ps.dir, ps.noSync = cfg.FS, filepath.Join(cfg.Dir, packsDir), cfg.NoSync
	ps.byID = map[uint32]*pack{}
	ps.next = 1
}

func (ps *packSet) path(id uint32) string { return filepath.Join(ps.dir, packName(id)) }

// add makes a pack of an existing file known.
func (ps *packSet) add(id uint32, st packStat) *pack {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := &pack{id: id, path: ps.path(id), stat: st, end: st.end, named: true}
	ps.byID[id] = p
	ps.next = max(ps.next, id+1)
	ps.live += st.live
	ps.disk += st.end
	ps.blocks += st.blocks
	return p
}

// create makes a new pack and holds it as a writer.
func (ps *packSet) create() (*pack, error) {
	ps.mu.Lock()
	id := ps.next
	ps.next++
	ps.mu.Unlock()
	path := ps.path(id)
	f, err := ps.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.WriteAt(appendPackHeader(nil, id), 0)
		if err != nil {
			err = errors.Join(err, f.Close(), ps.fs.Remove(path))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make a pack: %w", diskError(err))
	}
	p := &pack{id: id, path: path, file: f, refs: 1, writers: 1, end: packHeader}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byID[id] = p
	ps.open++
	return p, nil
}

// hold finds a pack, opens its file and keeps both until release. Not found
// means that it was compacted away since the index was read.
func (ps *packSet) hold(id uint32) (*pack, bool, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return nil, false, ErrClosed
	}
	p := ps.byID[id]
	if p == nil {
		return nil, false, nil
	}
	if p.file == nil {
		ps.closeIdleLocked()
		f, err := ps.fs.OpenFile(p.path, os.O_RDWR, 0)
		if err != nil {
			return nil, true, fmt.Errorf("open pack %d: %w", id, err)
		}
		p.file = f
		ps.open++
	}
	p.refs++
	return p, true, nil
}

// closeIdleLocked makes room for one more open file.
func (ps *packSet) closeIdleLocked() {
	if ps.open < maxOpenPacks {
		return
	}
	for _, p := range ps.byID {
		if p.file != nil && p.refs == 0 {
			p.file.Close()
			p.file = nil
			ps.open--
			return
		}
	}
}

// holdWriter keeps p, which the caller knows to be held already, for writing.
func (ps *packSet) holdWriter(p *pack) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.refs++
	p.writers++
}

func (ps *packSet) release(p *pack) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.releaseLocked(p)
}

func (ps *packSet) releaseWriter(p *pack) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.writers--
	ps.releaseLocked(p)
}

func (ps *packSet) releaseLocked(p *pack) {
	p.refs--
	switch {
	case p.refs > 0:
	case p.dropped:
		ps.removeLocked(p)
	case ps.closed && p.file != nil:
		p.file.Close()
		p.file = nil
	}
}

// drop forgets a pack that the index no longer names; its file goes when the
// last reader is done.
func (ps *packSet) drop(p *pack) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.byID, p.id)
	ps.live -= p.stat.live
	ps.disk -= p.stat.end
	ps.blocks -= p.stat.blocks
	p.dropped = true
	if p.refs == 0 {
		ps.removeLocked(p)
	}
}

// removeLocked deletes the file. Where that fails (Windows, while somebody has
// it open) the next Open finds a pack that the index does not know, and tries again.
func (ps *packSet) removeLocked(p *pack) {
	if p.file != nil {
		p.file.Close()
		p.file = nil
		ps.open--
	}
	_ = ps.fs.Remove(p.path)
}

// apply takes over numbers that were committed.
func (ps *packSet) apply(stats map[uint32]*packStat) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for id, st := range stats {
		p := ps.byID[id]
		if p == nil || st == nil {
			continue
		}
		ps.live += st.live - p.stat.live
		ps.disk += st.end - p.stat.end
		ps.blocks += st.blocks - p.stat.blocks
		p.stat = *st
	}
}

func (ps *packSet) totals() (live, disk, blocks int64) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.live, ps.disk, ps.blocks
}

// close closes the files that nobody is reading; the others with their last
// reader.
func (ps *packSet) close() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.closed = true
	for _, p := range ps.byID {
		if p.file != nil && p.refs-p.writers == 0 {
			p.file.Close()
			p.file = nil
		}
	}
}

// sync makes the first `at` writes of p durable, and its name. After one
// failure nothing more is trusted to p: the kernel may have dropped what it
// could not write and would call the next fsync a success.
func (ps *packSet) sync(p *pack, at uint64) error {
	if ps.noSync {
		return nil
	}
	p.syncing.Lock()
	defer p.syncing.Unlock()
	if at <= p.synced && p.named {
		return nil
	}
	if p.syncFail == nil {
		p.syncFail = ps.syncLocked(p, at)
	}
	if p.syncFail != nil {
		p.sealed.Store(true)
	}
	return p.syncFail
}

func (ps *packSet) syncLocked(p *pack, at uint64) error {
	if at > p.synced {
		finished := p.written.Load() // whoever wrote these shares the fsync
		if err := p.file.Sync(); err != nil {
			return fmt.Errorf("sync pack %d: %w", p.id, diskError(err))
		}
		p.synced = finished
	}
	if !p.named {
		if err := ps.fs.SyncDir(ps.dir); err != nil {
			return fmt.Errorf("sync the packs' folder: %w", diskError(err))
		}
		p.named = true
	}
	return nil
}

package store

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	bolt "go.etcd.io/bbolt"
)

// crashFS passes everything on to the real file system and writes down what
// was asked, so that the disk can be built as a power failure at any moment
// may leave it: what was synced is there, of everything else any part may be,
// in any order, torn at sectors.
//
// bbolt writes to its file past the seam. Its writeAt is hooked through its
// own test hook, and its syncs are inferred: with NoSync off it syncs before
// and after each meta page, and never elsewhere in a commit.
type crashFS struct {
	base string // the disk: everything above is durable

	mu        sync.Mutex
	log       []event
	inodes    int
	byPath    map[string]int
	dbSyncDue int // inode whose meta page was written; 0: none

	passed map[[32]byte]int // images that recovered, with the promises they kept

	// Faults, all nil or zero by default.
	failSync  func(name string) error // of packs; after a failure the bytes are lost though a later sync succeeds
	room      int64                   // bytes that may still be written
	roomBound bool
	inPlace   bool // what the index writes again takes no more room
	failIndex atomic.Bool
}

type eventKind int

const (
	evName     eventKind = iota // path now means inode (0: removed; -1: a folder)
	evWrite                     // data at off
	evTruncate                  // to off
	evSync                      // of inode
	evLost                      // what is not synced of inode never will be
	evSyncDir                   // of path
	evModel                     // what the store has promised changes
)

type event struct {
	kind  eventKind
	path  string
	from  string // evName: the name that goes away at once
	inode int
	off   int64
	data  []byte
	model func(*model)
}

func newCrashFS(base string) *crashFS {
	return &crashFS{base: base, byPath: map[string]int{}, passed: map[[32]byte]int{}}
}

func (c *crashFS) add(e event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addLocked(e)
}

func (c *crashFS) addLocked(e event) {
	if in := c.dbSyncDue; in != 0 {
		c.dbSyncDue = 0
		c.log = append(c.log, event{kind: evSync, inode: in})
	}
	c.log = append(c.log, e)
}

// promise notes a change of what must hold after a crash from here on.
func (c *crashFS) promise(f func(*model)) { c.add(event{kind: evModel, model: f}) }

func (c *crashFS) rel(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil {
		panic(err)
	}
	rel, err := filepath.Rel(c.base, abs)
	if err != nil || strings.HasPrefix(rel, "..") {
		return ".."
	}
	return rel
}

// inode returns the inode of a path, a new one where it has none.
func (c *crashFS) inode(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in, ok := c.byPath[path]; ok {
		return in
	}
	c.inodes++
	c.byPath[path] = c.inodes
	c.addLocked(event{kind: evName, path: path, inode: c.inodes})
	return c.inodes
}

func (c *crashFS) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	f, err := osFS{}.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c, name: name, inode: c.inode(c.rel(name))}, nil
}

func (c *crashFS) OpenIndex(name string, opts *bolt.Options) (*bolt.DB, error) {
	_, err := os.Stat(name)
	fresh := err != nil
	db, err := bolt.Open(name, 0o600, opts)
	if err != nil {
		return nil, err
	}
	in := c.inode(c.rel(name))
	if fresh { // bbolt makes its first pages with a sync of its own
		data, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		c.add(event{kind: evWrite, inode: in, data: data})
		c.add(event{kind: evSync, inode: in})
	}
	hook := reflect.ValueOf(db).Elem().FieldByName("ops").FieldByName("writeAt")
	writeAt := (*func([]byte, int64) (int, error))(unsafe.Pointer(hook.UnsafeAddr()))
	real := *writeAt
	high := int64(0) // behind what was written before
	*writeAt = func(b []byte, off int64) (int, error) {
		n := int64(len(b))
		if c.inPlace {
			n = max(0, off+n-max(high, off))
		}
		high = max(high, off+int64(len(b)))
		if err := c.take(int(n)); err != nil {
			return 0, err
		}
		if c.failIndex.Load() {
			return 0, syscall.EIO
		}
		meta := off < 2*int64(db.Info().PageSize)
		if meta && !db.NoSync {
			c.add(event{kind: evSync, inode: in})
		}
		c.add(event{kind: evWrite, inode: in, off: off, data: slices.Clone(b)})
		if meta && !db.NoSync {
			c.mu.Lock()
			c.dbSyncDue = in
			c.mu.Unlock()
		}
		return real(b, off)
	}
	return db, nil
}

func (c *crashFS) Mkdir(name string, perm os.FileMode) error {
	if err := os.Mkdir(name, perm); err != nil {
		return err
	}
	c.add(event{kind: evName, path: c.rel(name), inode: -1})
	return nil
}

func (c *crashFS) Remove(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	path := c.rel(name)
	delete(c.byPath, path)
	c.addLocked(event{kind: evName, path: path})
	return nil
}

func (c *crashFS) Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	from, to = c.rel(from), c.rel(to)
	in := c.byPath[from]
	delete(c.byPath, from)
	c.byPath[to] = in
	c.addLocked(event{kind: evName, path: to, from: from, inode: in})
	return nil
}

func (c *crashFS) Exists(name string) (bool, error) { return osFS{}.Exists(name) }

func (c *crashFS) ReadDir(name string) ([]os.DirEntry, error) { return os.ReadDir(name) }

func (c *crashFS) SyncDir(name string) error {
	c.add(event{kind: evSyncDir, path: c.rel(name)})
	return nil
}

// take uses up room on the disk.
func (c *crashFS) take(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.roomBound {
		return nil
	}
	if c.room < int64(n) {
		c.room = 0
		return fmt.Errorf("write: %w", errNoSpace)
	}
	c.room -= int64(n)
	return nil
}

// give makes room that a file took.
func (c *crashFS) give(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room += n
}

// setRoom bounds what may be written from now on; negative: no bound.
func (c *crashFS) setRoom(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room, c.roomBound = n, n >= 0
}

type crashFile struct {
	File
	fs    *crashFS
	name  string
	inode int
}

func (f *crashFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fs.take(len(b)); err != nil {
		// A full disk takes what it can.
		n, _ := f.File.WriteAt(b[:len(b)/2], off)
		f.fs.add(event{kind: evWrite, inode: f.inode, off: off, data: slices.Clone(b[:n])})
		return n, err
	}
	f.fs.add(event{kind: evWrite, inode: f.inode, off: off, data: slices.Clone(b)})
	return f.File.WriteAt(b, off)
}

func (f *crashFile) Truncate(size int64) error {
	f.fs.add(event{kind: evTruncate, inode: f.inode, off: size})
	if old, err := f.File.Size(); err == nil {
		f.fs.give(old - size)
	}
	return f.File.Truncate(size)
}

func (f *crashFile) Sync() error {
	if f.fs.failSync != nil {
		if err := f.fs.failSync(f.name); err != nil {
			f.fs.add(event{kind: evLost, inode: f.inode})
			return err
		}
	}
	f.fs.add(event{kind: evSync, inode: f.inode})
	return nil // the real disk need not be bothered
}

// disk is the state of a disk: what is durable and what may be.
type disk struct {
	files   map[int]*inodeState
	names   map[string]int // durable
	renamed []event        // evName not yet durable
	model   model

	promises int // how often the model changed, counted from 1
}

type inodeState struct {
	durable []byte
	pending []event
}

// at replays the first n events.
func (c *crashFS) at(n int) *disk {
	d := &disk{files: map[int]*inodeState{}, names: map[string]int{}, promises: 1}
	for _, e := range c.log[:n] {
		switch e.kind {
		case evName:
			d.renamed = append(d.renamed, e)
		case evSyncDir:
			d.renamed = slices.DeleteFunc(d.renamed, func(r event) bool {
				if filepath.Dir(r.path) != e.path {
					return false
				}
				r.rename(d.names)
				return true
			})
		case evWrite, evTruncate:
			f := d.file(e.inode)
			f.pending = append(f.pending, e)
		case evSync:
			f := d.file(e.inode)
			for _, p := range f.pending {
				f.durable = p.apply(f.durable)
			}
			f.pending = nil
		case evLost:
			d.file(e.inode).pending = nil
		case evModel:
			e.model(&d.model)
			d.promises++
		}
	}
	return d
}

// rename applies an evName.
func (e event) rename(names map[string]int) {
	names[e.path] = e.inode
	if e.from != "" {
		delete(names, e.from)
	}
}

func (d *disk) file(inode int) *inodeState {
	if d.files[inode] == nil {
		d.files[inode] = &inodeState{}
	}
	return d.files[inode]
}

// apply returns data as a write or truncation leaves it.
func (e event) apply(data []byte) []byte {
	if e.kind == evTruncate {
		return resize(data, e.off)
	}
	if end := e.off + int64(len(e.data)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[e.off:], e.data)
	return data
}

func resize(data []byte, size int64) []byte {
	if n := size - int64(len(data)); n > 0 {
		return append(data, make([]byte, n)...)
	}
	return data[:size]
}

// fate says what becomes of what was not synced.
type fate struct {
	name  string
	keep  func(r *rand.Rand) bool // one write, truncation, or sector
	named func(r *rand.Rand) bool // one change of a name
	torn  bool
}

var (
	never  = func(*rand.Rand) bool { return false }
	always = func(*rand.Rand) bool { return true }
	coin   = func(r *rand.Rand) bool { return r.IntN(2) == 0 }

	fates = []fate{
		{name: "nothing unsynced survives", keep: never, named: never},
		{name: "everything survives", keep: always, named: always},
		{name: "names survive, bytes do not", keep: never, named: always},
		{name: "bytes survive, names do not", keep: always, named: never},
		{name: "some survives", keep: coin, named: coin},
		{name: "some survives, torn", keep: coin, named: coin, torn: true},
	}
)

// after returns the file's bytes under a fate.
func (f *inodeState) after(fa fate, r *rand.Rand) []byte {
	data := slices.Clone(f.durable)
	for _, e := range f.pending {
		if !fa.torn || e.kind == evTruncate {
			if fa.keep(r) {
				data = e.apply(data)
			}
			continue
		}
		for off := 0; off < len(e.data); off += 512 {
			if fa.keep(r) {
				sector := event{kind: evWrite, off: e.off + int64(off), data: e.data[off:min(off+512, len(e.data))]}
				data = sector.apply(data)
			}
		}
	}
	return data
}

// image is a disk after a crash: bytes by path, nil for a folder.
type image map[string][]byte

// image decides the fate of everything.
func (d *disk) image(fa fate, r *rand.Rand) image {
	names := maps.Clone(d.names)
	for _, e := range d.renamed {
		if fa.named(r) {
			e.rename(names)
		}
	}
	img := image{}
	for _, p := range slices.Sorted(maps.Keys(names)) { // parents sort first
		if _, ok := img[filepath.Dir(p)]; !ok && filepath.Dir(p) != "." {
			continue // its folder did not survive
		}
		switch in := names[p]; in {
		case 0:
		case -1:
			img[p] = nil
		default:
			img[p] = append([]byte{}, d.file(in).after(fa, r)...)
		}
	}
	return img
}

// sum tells images apart.
func (img image) sum() [32]byte {
	h := sha256.New()
	for _, p := range slices.Sorted(maps.Keys(img)) {
		fmt.Fprintf(h, "%q %v %d\n", p, img[p] == nil, len(img[p]))
		h.Write(img[p])
	}
	return [32]byte(h.Sum(nil))
}

// build lays the image out under base.
func (img image) build(t *testing.T, base string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(img)) {
		full := filepath.Join(base, p)
		var err error
		if img[p] == nil {
			err = os.Mkdir(full, 0o700)
		} else {
			err = os.WriteFile(full, img[p], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

var _ FS = (*crashFS)(nil)

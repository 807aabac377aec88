// Package store keeps what a node holds: blocks by their hash, which sites
// (roots) they belong to and why each is kept, and the small records of the
// other packages.
//
// Block bytes lie in append-only packs (Dir/packs/XXXXXXXX.pack); everything
// else, the index of the packs included, lies in one bbolt file
// (Dir/index.db). The order of a write is: append to the pack, fsync the pack
// (and its folder when it is new), commit the index, acknowledge. So whatever
// the index names is on disk, and what it does not name was never promised:
// recovery cuts each pack after its last indexed byte.
//
// Nothing is counted by reference. A block lives while some root lists it, and
// that is found out by marking the lists and sweeping the index (sweep.go).
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

// Sentinels. All are wrapped with what was being done.
var (
	// ErrLocked: another process has the folder open.
	ErrLocked = errors.New("another AltNet is running on this data folder")
	// ErrNewer: the folder was written by a later version of AltNet.
	ErrNewer = errors.New("the data folder was written by a newer version of AltNet")
	// ErrNotFound: the block is not held. It matches fs.ErrNotExist.
	ErrNotFound = fmt.Errorf("block not held: %w", fs.ErrNotExist)
	// ErrUnknownRoot: no such root. It matches fs.ErrNotExist.
	ErrUnknownRoot = fmt.Errorf("site not held: %w", fs.ErrNotExist)
	// ErrFull: what is leased, pinned, published or in use leaves no room
	// under the budget.
	ErrFull = errors.New("the storage budget is used up by sites that must be kept")
	// ErrDiskFull: the operating system has no room left.
	ErrDiskFull = errors.New("the disk is full")
	// ErrTooLarge: a block, a list, a key or a value beyond its limit.
	ErrTooLarge = errors.New("too large to store")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrBroken: a write to the index failed in a way that leaves its state on
	// disk unknown. Reads go on; writes need a restart.
	ErrBroken = errors.New("the disk failed; no more is written until a restart")
)

// Config says where and how much to store. The zero value of a field means
// its default; Dir must be set.
type Config struct {
	Dir      string        // made when it is missing
	Budget   int64         // bytes of block data and its bookkeeping; default 10 GB
	PackSize int64         // bytes after which a pack is closed; default 128 MiB
	Grace    time.Duration // how long a block that no root lists yet is safe; default 24 h
	FS       FS            // default the operating system
	NoSync   bool          // leave out every fsync; for tests on virtual time only
	Log      *slog.Logger  // default: discard

	// DiskFull is called whenever a write fails because the disk is full. It
	// must neither wait nor use the store.
	DiskFull func()

	// MaxRoots bounds the sites kept, whose records lie in memory (about 300
	// bytes each); default 2^17.
	MaxRoots int
	// SweepEvery is the time between looks for garbage; default 1 h.
	SweepEvery time.Duration
}

func (c Config) withDefaults() Config {
	if c.Budget <= 0 {
		c.Budget = 10e9
	}
	if c.PackSize <= 0 {
		c.PackSize = 128 << 20
	}
	if c.Grace <= 0 {
		c.Grace = 24 * time.Hour
	}
	if c.FS == nil {
		c.FS = osFS{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxRoots <= 0 {
		c.MaxRoots = 1 << 17
	}
	if c.SweepEvery <= 0 {
		c.SweepEvery = time.Hour
	}
	return c
}

// Store is an open data folder. Its methods are safe for concurrent use.
type Store struct {
	cfg   Config
	log   *slog.Logger
	db    *bolt.DB
	lock  *flock.Flock
	packs packSet
	app   appender
	roots rootTable

	writes  chan *write
	kick    chan struct{} // wakes the janitor
	quit    chan struct{} // closed when Close begins
	running sync.WaitGroup
	closing sync.Once
	sending sync.RWMutex // held for reading while a write is handed over
	closed  bool         // guarded by sending

	evicting sync.Mutex    // one eviction or sweep at a time
	tidying  sync.Mutex    // one compaction at a time
	deleting sync.RWMutex  // held while blocks leave the index; see keepIfHeld
	kept     keptSet       // blocks somebody was told are here
	passing  keptSet       // the same, until a root lists them
	live     liveMark      // what a running sweep found to be in use
	removals atomic.Uint64 // times blocks were removed by name
	budget   atomic.Int64  // bytes
	broken   atomic.Bool   // the index cannot be written any more
}

// Open opens or makes the folder, cuts off what a crash left unfinished and
// starts the goroutines that Close stops.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	s := &Store{
		cfg:    cfg,
		log:    cfg.Log,
		writes: make(chan *write),
		kick:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
	}
	s.budget.Store(cfg.Budget)
	s.packs.init(cfg)
	s.app.s = s
	s.roots.init()
	if err := s.open(); err != nil {
		s.release()
		return nil, fmt.Errorf("%s: %w", cfg.Dir, err)
	}
	s.running.Go(s.commitLoop)
	s.running.Go(s.janitor)
	return s, nil
}

func (s *Store) open() error {
	if err := s.makeDirs(); err != nil {
		return err
	}
	// The lock comes first, so that a second instance fails at once rather
	// than after bbolt's own wait.
	s.lock = flock.New(filepath.Join(s.cfg.Dir, "lock"))
	if held, err := s.lock.TryLock(); err != nil {
		return fmt.Errorf("lock the folder: %w", err)
	} else if !held {
		s.lock = nil
		return ErrLocked
	}
	if err := s.openIndex(); err != nil {
		return err
	}
	if err := s.recoverPacks(); err != nil {
		return err
	}
	return s.loadRoots()
}

// Close waits for what is being written, saves what is written lazily and
// closes the files. Open Sections stay readable.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		close(s.quit)
		touched := s.flushTouches(context.Background())
		s.sending.Lock()
		s.closed = true
		close(s.writes)
		s.sending.Unlock()
		s.running.Wait()
		err = errors.Join(touched, s.release())
	})
	return err
}

// release closes what open opened, as far as it came.
func (s *Store) release() error {
	s.app.close()
	s.packs.close()
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Unlock())
	}
	return errors.Join(errs...)
}

// janitor sweeps, compacts and writes down what was touched.
func (s *Store) janitor() {
	tick := time.NewTicker(s.cfg.SweepEvery)
	defer tick.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.running.Go(func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		var err error
		select {
		case <-s.quit:
			return
		case <-s.kick:
			err = s.Compact(ctx)
		case <-tick.C:
			err = s.Sweep(ctx)
		}
		if err != nil && !errors.Is(err, ErrClosed) && ctx.Err() == nil {
			s.log.Warn("tidying the store failed", "err", err)
		}
	}
}

// wake asks the janitor to look at the packs.
func (s *Store) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Usage says what the store holds, in bytes. A block counts once however many
// sites list it; the sums by class count each site's own share.
type Usage struct {
	Budget int64
	Bytes  int64 // of live blocks, with their headers, and of the lists of roots
	Disk   int64 // of the packs, dead bytes included
	Blocks int64
	Roots  int

	Cache, Leased, Pinned, Own int64 // by the strongest class of each root
}

// Usage returns what is stored now.
func (s *Store) Usage() Usage {
	u := s.roots.usage(time.Now())
	u.Budget = s.budget.Load()
	live, disk, blocks := s.packs.totals()
	u.Bytes = live + s.roots.overhead()
	u.Disk, u.Blocks = disk, blocks
	return u
}

// used is Usage().Bytes.
func (s *Store) used() int64 {
	live, _, _ := s.packs.totals()
	return live + s.roots.overhead()
}

// Has reports whether the block is held.
func (s *Store) Has(h wire.Hash) bool { return s.HasMany([]wire.Hash{h})[0] }

// HasMany reports which blocks are held, in the order of the question.
func (s *Store) HasMany(hashes []wire.Hash) []bool {
	held := make([]bool, len(hashes))
	_ = s.db.View(func(tx *bolt.Tx) error { // fails only when closed: nothing is held then
		idx := tx.Bucket(bucketIndex)
		for i := range hashes {
			held[i] = idx.Get(hashes[i][:]) != nil
		}
		return nil
	})
	return held
}

// Keep is HasMany for one who is about to rely on the answer: what is held is
// not swept for the time of Config.Grace, even while no root lists it.
func (s *Store) Keep(hashes []wire.Hash) []bool {
	s.deleting.RLock()
	defer s.deleting.RUnlock()
	held := s.HasMany(hashes)
	now := time.Now()
	for i, h := range hashes {
		if held[i] {
			s.kept.add(h, now, s.cfg.Grace)
		}
	}
	return held
}

// keepIfHeld is Keep for one block. A block that has a root needs keeping only
// until that is written down.
func (s *Store) keepIfHeld(h wire.Hash, long bool) bool {
	s.deleting.RLock()
	defer s.deleting.RUnlock()
	_, held, err := s.lookup(h)
	if !held || err != nil {
		return false
	}
	if long {
		s.kept.add(h, time.Now(), s.cfg.Grace)
	} else {
		s.passing.add(h, time.Now(), keepPassing)
	}
	return true
}

// diskFull is diskError for what is written all the time: it says so, too.
func (s *Store) diskFull(err error) error {
	err = diskError(err)
	if errors.Is(err, ErrDiskFull) && s.cfg.DiskFull != nil {
		s.cfg.DiskFull()
	}
	return err
}

// diskError gives a full disk its sentinel.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || isDiskFull(err) {
		return fmt.Errorf("%w (%w)", ErrDiskFull, err)
	}
	return err
}

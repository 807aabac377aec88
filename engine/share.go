package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

const (
	// visitFor is how long after the last page a visit goes on.
	visitFor = 30 * time.Minute
	// shareLook is how often is looked which visits have ended.
	shareLook = 5 * time.Minute
	// shareMost is the largest site, in bytes, that a visit brings here whole.
	shareMost = 256 << 20
	// shareTTL is how long peers remember that a visited site is here; it is
	// announced again at half of it.
	shareTTL = 2 * time.Hour
)

// sharedBucket holds the visited sites that are announced, so that a node that
// was killed takes the word back.
const sharedBucket = "shared"

// shared is the visited sites that are handed on, where the person chose so.
// What was visited before the choice stays private.
type shared struct {
	e      *Engine
	bucket *store.Bucket
	log    *slog.Logger // what was read here is in no log

	mu    sync.Mutex
	mode  control.Share
	sites map[wire.Hash]*visit
}

// visit is one visited site.
type visit struct {
	last     time.Time
	whole    bool      // all of it is here, and it is announced
	told     time.Time // the network, last
	bringing bool
}

func newShared(e *Engine) *shared {
	s := &shared{e: e, bucket: e.store.Bucket(sharedBucket), log: e.book.private(), mode: e.chosen().Share, sites: map[wire.Hash]*visit{}}
	err := s.bucket.Range(nil, func(key, _ []byte, _ time.Time) bool {
		if len(key) == len(wire.Hash{}) {
			s.sites[wire.Hash(key)] = &visit{whole: true}
		}
		return true
	})
	if err != nil {
		e.log.Warn("read which sites are shared", "err", err)
	}
	return s
}

// has reports whether a visited site is handed on.
func (s *shared) has(root wire.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.sites[root]
	return v != nil && v.whole && s.mode != control.ShareNever
}

// visited notes that a page of a site is read. The first one of a visit brings
// the rest of the site here.
func (s *shared) visited(r *record.Record) {
	root := r.Content
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == control.ShareNever || r.Size > shareMost {
		return
	}
	v := s.sites[root]
	if v == nil {
		v = &visit{}
		s.sites[root] = v
	}
	v.last = time.Now()
	if v.whole || v.bringing {
		return
	}
	v.bringing = true
	owner, size := r.Root, int64(r.Size)
	s.e.spawn(func() {
		err := s.bring(root, store.Root{Hash: root, Class: store.Cache, Owner: owner, Size: size})
		if err != nil && s.e.ctx.Err() == nil {
			s.log.Info("share a visited site", "root", root, "err", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		v.bringing = false
	})
}

// bring completes a visited site and announces it.
func (s *shared) bring(root wire.Hash, r store.Root) error {
	out, err := s.e.swarm.Fetch(s.e.ctx, root, site.FetchOptions{})
	if err != nil {
		return err
	}
	r.Blocks = out.Blocks
	if _, err := s.e.store.AddRoot(s.e.ctx, r); err != nil {
		return err
	}
	if err := s.bucket.Put(s.e.ctx, root[:], []byte{1}, time.Time{}); err != nil {
		return err
	}
	s.mu.Lock()
	v, still := s.sites[root]
	if still = still && s.mode != control.ShareNever; still {
		v.whole = true
	}
	s.mu.Unlock()
	if !still {
		return s.bucket.Delete(s.e.ctx, root[:])
	}
	s.announce(root)
	return nil
}

func (s *shared) announce(root wire.Hash) {
	if _, err := s.e.dht.Provide(s.e.ctx, root, true, min(shareTTL, dht.MaxTTL)); err != nil {
		s.log.Debug("announce a visited site", "root", root, "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.sites[root]; v != nil {
		v.told = time.Now()
	}
}

// chose puts another choice in force.
func (s *shared) chose(mode control.Share) {
	s.mu.Lock()
	s.mode = mode
	s.mu.Unlock()
	s.e.spawn(s.tidy)
}

// keep ends the visits that are over and announces the others again.
func (s *shared) keep() {
	s.tidy()
	for s.e.pause(shareLook) {
		s.tidy()
	}
}

func (s *shared) tidy() {
	ended, due := s.sort(time.Now())
	for _, root := range ended {
		s.end(root)
	}
	if !s.e.isOnline() {
		return
	}
	for _, root := range due {
		s.announce(root)
	}
}

// sort tells the visits that are over, which it forgets, from those that are
// to be announced again.
func (s *shared) sort(now time.Time) (ended, due []wire.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for root, v := range s.sites {
		over := s.mode == control.ShareNever || s.mode == control.ShareVisiting && now.Sub(v.last) > visitFor
		if _, here := s.e.store.Root(root); v.whole && !here {
			over = true // evicted
		}
		switch {
		case over && v.bringing && s.mode != control.ShareNever:
		case over:
			delete(s.sites, root)
			ended = append(ended, root)
		case v.whole && now.Sub(v.told) >= shareTTL/2:
			due = append(due, root)
		}
	}
	return ended, due
}

// end takes the word back that a site is here, unless something else keeps it.
func (s *shared) end(root wire.Hash) {
	if info, ok := s.e.store.Root(root); !ok || info.Class&^store.Cache == 0 {
		if _, err := s.e.dht.Provide(s.e.ctx, root, false, 0); err != nil {
			s.log.Debug("withdraw a visited site", "root", root, "err", err)
		}
	}
	if err := s.bucket.Delete(s.e.ctx, root[:]); err != nil && s.e.ctx.Err() == nil {
		s.log.Warn("forget a visited site", "root", root, "err", err)
	}
}

// forget ends every visit.
func (s *shared) forget(ctx context.Context) error {
	s.mu.Lock()
	roots := make([]wire.Hash, 0, len(s.sites))
	for root := range s.sites {
		roots = append(roots, root)
	}
	clear(s.sites)
	s.mu.Unlock()
	for _, root := range roots {
		if err := s.bucket.Delete(ctx, root[:]); err != nil {
			return err
		}
	}
	return nil
}

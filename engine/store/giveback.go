package store

import (
	"context"
	"errors"
	"time"
)

// maxPlaced bounds what a batch remembers of the blocks that it committed, 56
// bytes each.
const maxPlaced = 1 << 17

// giveBack frees what a batch left that failed because there was no room: what
// it had written, and what it had committed for nobody. It would stay for a
// day, and the room is needed.
func (s *Store) giveBack(err error, placed []put) {
	if !errors.Is(err, ErrDiskFull) && !errors.Is(err, ErrFull) {
		return
	}
	s.app.cutTails()
	if len(placed) == 0 {
		return
	}
	s.evicting.Lock()
	defer s.evicting.Unlock()
	if err := s.removePlaced(placed); err != nil {
		s.log.Warn("what a failed write left stays for a day", "blocks", len(placed), "err", err)
	}
	s.wake()
}

// removePlaced deletes blocks that no root lists by now.
func (s *Store) removePlaced(placed []put) error {
	if err := s.mark(); err != nil {
		return err
	}
	defer s.live.end()
	for len(placed) > 0 {
		part := placed[:min(len(placed), sweepPart)]
		if err := s.removePart(part); err != nil {
			return err
		}
		placed = placed[len(part):]
	}
	return nil
}

// removePart is removeDead for blocks that are still where they were put.
func (s *Store) removePart(placed []put) error {
	s.deleting.Lock()
	defer s.deleting.Unlock()
	now := time.Now()
	return s.commit(context.Background(), func(t *txn) error {
		for _, p := range placed {
			l, ok := readLoc(t.Bucket(bucketIndex).Get(p.hash[:]))
			if !ok || l != p.loc || s.live.has(p.hash) || s.kept.has(p.hash, now) || s.passing.has(p.hash, now) {
				continue
			}
			if err := t.unindex(p.hash, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// cutTails cuts off what the index does not name at the end of packs that
// nobody is writing to: writes that failed left it.
func (a *appender) cutTails() {
	if a.s.broken.Load() {
		return // the index on disk may name more than is known here
	}
	a.gate.RLock()
	defer a.gate.RUnlock()
	if a.closed {
		return
	}
	a.mu.Lock() // so that nobody begins to write
	defer a.mu.Unlock()
	for _, p := range a.s.packs.tailed(a.active) {
		a.cut(p)
		a.s.packs.release(p)
	}
}

// cut cuts one pack. One of which nothing was ever indexed goes away, unless
// it is the active one.
func (a *appender) cut(p *pack) {
	end := p.indexed(&a.s.packs)
	if end == 0 && p != a.active {
		a.s.packs.drop(p)
		return
	}
	end = max(end, packHeader)
	if err := p.file.Truncate(end); err != nil {
		a.s.log.Warn("cut a pack", "pack", p.id, "err", err) // recovery cuts there, too
		return
	}
	p.end = end
}

func (p *pack) indexed(ps *packSet) int64 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return p.stat.end
}

// tailed returns the packs with bytes behind the last indexed one to which
// nobody writes, held. The caller holds appender.mu.
func (ps *packSet) tailed(active *pack) []*pack {
	ps.mu.Lock()
	var ids []uint32
	for id, p := range ps.byID {
		idle := p.writers == 0 || p == active && p.writers == 1
		if idle && p.end > max(p.stat.end, packHeader) {
			ids = append(ids, id)
		}
	}
	ps.mu.Unlock()
	var held []*pack
	for _, id := range ids {
		if p, ok, err := ps.hold(id); ok && err == nil {
			held = append(held, p)
		}
	}
	return held
}

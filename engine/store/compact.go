package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"altnet/engine/wire"
)

// compactStep is how many bytes one transaction moves.
const compactStep = 8 << 20

// Compact moves what lives out of packs that are mostly dead and deletes them.
// Readers go on reading. The store does it by itself after every sweep.
func (s *Store) Compact(ctx context.Context) error {
	s.tidying.Lock()
	defer s.tidying.Unlock()
	s.app.cutTails()
	s.app.sealWasteful()
	return s.compactWhile(ctx, func() *pack { return s.packs.worst(s.budget.Load()) })
}

// compactWhile rewrites the packs that next names, until it names none.
func (s *Store) compactWhile(ctx context.Context, next func() *pack) error {
	for {
		p := next()
		if p == nil {
			return nil
		}
		err := s.compactPack(ctx, p)
		s.packs.release(p)
		if err != nil {
			return fmt.Errorf("compact pack %d: %w", p.id, err)
		}
	}
}

// sealWasteful closes the active pack where it is due for compaction itself.
func (a *appender) sealWasteful() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.active == nil {
		return
	}
	a.s.packs.mu.Lock()
	st := a.active.stat
	a.s.packs.mu.Unlock()
	if st.end >= a.s.cfg.PackSize/8 && st.live < st.end/2 {
		a.sealLocked()
	}
}

// worst returns the pack that is best rewritten next, held; nil: none. A pack
// is due when less than half of it lives. While the packs together take more
// than the budget and a sixth, the emptiest are due as long as one byte in
// thirty-two is won.
func (ps *packSet) worst(budget int64) *pack {
	ps.mu.Lock()
	pressed := ps.disk > budget+budget/6
	ps.mu.Unlock()
	return ps.emptiest(func(p *pack) bool {
		st := p.stat
		return st.live < st.end/2 || pressed && st.live < st.end-st.end/32
	})
}

// emptiest returns the pack with the fewest live bytes among those that nobody
// writes to and that are due, held; nil: none.
func (ps *packSet) emptiest(due func(*pack) bool) *pack {
	ps.mu.Lock()
	var best *pack
	for _, p := range ps.byID {
		if p.writers == 0 && p.stat.end > 0 && due(p) && (best == nil || p.stat.live < best.stat.live) {
			best = p
		}
	}
	ps.mu.Unlock()
	if best == nil {
		return nil
	}
	held, ok, err := ps.hold(best.id)
	if !ok || err != nil {
		return nil
	}
	return held
}

// compactPack empties a pack that takes no more blocks, and drops it.
func (s *Store) compactPack(ctx context.Context, p *pack) error {
	all, err := s.residents(p)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		n, size := 0, int64(0)
		for n < len(all) && size < compactStep {
			size += all[n].loc.cost()
			n++
		}
		if err := s.moveBlocks(ctx, p, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return s.dropPack(ctx, p)
}

// residents returns the blocks that the index places in p, in their order.
func (s *Store) residents(p *pack) (all []put, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		all = residentsIn(tx, p.id)
		return nil
	})
	slices.SortFunc(all, func(a, b put) int { return cmp.Compare(a.loc.off, b.loc.off) })
	return all, err
}

func residentsIn(tx *bolt.Tx, id uint32) (all []put) {
	idx := tx.Bucket(bucketIndex)
	c := tx.Bucket(bucketContents).Cursor()
	prefix := packKey(id)
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		walkRun(k, v, func(h wire.Hash, off int64, _ uint32) {
			if l, ok := readLoc(idx.Get(h[:])); ok && l.pack == id && l.off == off {
				all = append(all, put{h, l})
			}
		})
	}
	return all
}

// moveBlocks copies blocks to the active pack and points the index there.
func (s *Store) moveBlocks(ctx context.Context, from *pack, olds []put) error {
	b := s.NewBatch()
	defer b.Discard()
	var buf []byte
	for _, old := range olds {
		data, err := readBlock(from, old.loc, buf)
		if errors.Is(err, errRotten) {
			s.log.Error("a block has rotted on the disk", "hash", old.hash, "pack", old.loc.pack)
			if err := s.forgetRotten(ctx, old.hash, old.loc); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		buf = data
		l := old.loc
		if len(data) >= largeBlock {
			err = b.putLarge(put{old.hash, l}, data)
		} else {
			err = b.putSmall(put{old.hash, l}, data)
		}
		if err != nil {
			return err
		}
	}
	return s.commitMoved(ctx, b, from.id)
}

// commitMoved makes the copies durable and swaps the index over, for blocks
// that are still where they were copied from.
func (s *Store) commitMoved(ctx context.Context, b *Batch, from uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.part.writeRun(s); err != nil {
		return err
	}
	news, packs := b.part.puts, b.part.packs
	runs := runsOf(news)
	w := &write{
		packs: packs,
		do:    func(t *txn) error { return t.move(from, news, runs) },
		finally: func() {
			for pk := range packs {
				s.packs.releaseWriter(pk)
			}
		},
	}
	if err := s.submit(ctx, w); err != nil {
		return err
	}
	b.part.packs = nil // w has them now
	<-w.done
	return w.err
}

// move points the index at copies.
func (t *txn) move(from uint32, news []put, runs []run) error {
	idx := t.Bucket(bucketIndex)
	for _, r := range runs {
		st := t.statOrNew(r.pack)
		st.end = max(st.end, r.end)
		if err := t.Bucket(bucketContents).Put(r.at[:], r.list); err != nil {
			return err
		}
	}
	for _, n := range news {
		old, ok := readLoc(idx.Get(n.hash[:]))
		if !ok || old.pack != from {
			continue // freed or stored anew since it was read
		}
		v := make([]byte, locSize)
		n.loc.put(v)
		if err := idx.Put(n.hash[:], v); err != nil {
			return err
		}
		if st := t.stat(from); st != nil {
			st.live -= old.cost()
			st.blocks--
		}
		st := t.statOrNew(n.loc.pack)
		st.live += n.loc.cost()
		st.blocks++
	}
	return nil
}

// errStillUsed: a block turned up in a pack that was emptied. The pack stays.
var errStillUsed = errors.New("the index still names blocks in it")

// dropPack takes a pack out of the index and then off the disk, once the
// transaction has seen for itself that nothing in it is named any more.
func (s *Store) dropPack(ctx context.Context, p *pack) error {
	return s.commit(ctx, func(t *txn) error {
		if len(residentsIn(t.Tx, p.id)) > 0 {
			return errStillUsed
		}
		return s.forgetPack(t, p.id, func() { s.packs.drop(p) })
	})
}

func (s *Store) forgetPack(t *txn, id uint32, then func()) error {
	key := packKey(id)
	if err := deletePrefix(t.Bucket(bucketContents), key); err != nil {
		return err
	}
	t.stats[binary.BigEndian.Uint32(key)] = nil
	t.then(then)
	return t.Bucket(bucketPacks).Delete(key)
}

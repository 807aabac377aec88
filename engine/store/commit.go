package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// maxGroup bounds how many writes share one commit.
const maxGroup = 256

// write is one atomic change of the index. Whatever is handed in while the
// disk is busy shares the next commit and its fsyncs.
type write struct {
	// packs are synced before the index names anything in them; at says up to
	// which write of each pack this one depends on it.
	packs map[*pack]uint64
	// do changes the index. It may run more than once, on a new transaction
	// each time, and must leave memory alone: that is for txn.then.
	do      func(*txn) error
	finally func() // whatever became of it; may be nil
	err     error
	done    chan struct{}
}

// txn is a transaction of the index under way.
type txn struct {
	*bolt.Tx
	stats map[uint32]*packStat // of the packs that change
	after []func()
}

// then runs f once the transaction is durable, before anybody is told.
func (t *txn) then(f func()) { t.after = append(t.after, f) }

// stat returns the pack's numbers for changing. Nil: the pack is not known.
func (t *txn) stat(id uint32) *packStat {
	if st, ok := t.stats[id]; ok {
		return st
	}
	v := t.Bucket(bucketPacks).Get(packKey(id))
	if v == nil {
		return nil
	}
	st := readPackStat(v)
	t.stats[id] = &st
	return &st
}

// statOrNew is stat for one who is about to index something in the pack.
func (t *txn) statOrNew(id uint32) *packStat {
	if st := t.stat(id); st != nil {
		return st
	}
	st := &packStat{end: packHeader}
	t.stats[id] = st
	return st
}

// submit hands a write to the committer without waiting for it. After a nil
// error, w.done closes when w.err is final.
func (s *Store) submit(ctx context.Context, w *write) error {
	w.done = make(chan struct{})
	s.sending.RLock()
	defer s.sending.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.writes <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit runs do in a durable transaction. Once it is handed over it is waited
// for, whatever becomes of ctx: the caller's memory is in use.
func (s *Store) commit(ctx context.Context, do func(*txn) error) error {
	w := &write{do: do}
	if err := s.submit(ctx, w); err != nil {
		return err
	}
	<-w.done
	return w.err
}

// commitLoop is the only goroutine that changes the index.
func (s *Store) commitLoop() {
	var broken error
	for w := range s.writes {
		group := []*write{w}
		for len(group) < maxGroup {
			select {
			case more, ok := <-s.writes:
				if ok {
					group = append(group, more)
					continue
				}
			default:
			}
			break
		}
		if broken == nil {
			broken = s.commitGroup(group)
		} else {
			for _, w := range group {
				w.err = broken
			}
		}
		for _, w := range group {
			if w.finally != nil {
				w.finally()
			}
			close(w.done)
		}
	}
}

// commitGroup makes the group durable, or as many of it as can be. A non-nil
// result means that nothing must be written to the index any more.
func (s *Store) commitGroup(group []*write) (broken error) {
	s.syncPacks(group)
	for {
		pending := slices.DeleteFunc(slices.Clone(group), func(w *write) bool { return w.err != nil })
		if len(pending) == 0 {
			return nil
		}
		t := &txn{stats: map[uint32]*packStat{}}
		culprit, err := s.tryCommit(t, pending)
		switch {
		case err == nil:
			s.packs.apply(t.stats)
			for _, f := range t.after {
				f()
			}
			return nil
		case culprit != nil:
			culprit.err = err // and once more without it
		default:
			err = s.diskFull(err)
			if !errors.Is(err, ErrDiskFull) {
				// bbolt may or may not have reached the disk, and its memory
				// and the file may disagree from now on.
				err = fmt.Errorf("%w: %w", ErrBroken, err)
				broken = err
				s.broken.Store(true)
				s.log.Error("the index cannot be written", "err", err)
			}
			for _, w := range pending {
				w.err = fmt.Errorf("commit the index: %w", err)
			}
			return broken
		}
	}
}

// tryCommit runs all of the group in one transaction. It names the culprit
// where one of them refused.
func (s *Store) tryCommit(t *txn, group []*write) (culprit *write, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		t.Tx = tx
		for _, w := range group {
			if err := w.do(t); err != nil {
				culprit = w
				return err
			}
		}
		for id, st := range t.stats {
			if st == nil {
				continue
			}
			if err := tx.Bucket(bucketPacks).Put(packKey(id), st.bytes()); err != nil {
				return err
			}
		}
		return nil
	})
	return culprit, err
}

// syncPacks syncs every pack that the group wrote to, and fails those of the
// group whose pack cannot be synced.
func (s *Store) syncPacks(group []*write) {
	for _, w := range group {
		for p, at := range w.packs {
			if err := s.packs.sync(p, at); err != nil && w.err == nil {
				w.err = err
			}
		}
	}
}

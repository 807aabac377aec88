package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Limits of small records.
const (
	MaxKey   = 1024
	MaxValue = 1 << 20
)

// Bucket is a named, ordered set of small records. Its methods are safe for
// concurrent use; concurrent writes share an fsync.
type Bucket struct {
	s    *Store
	name string
}

// Bucket returns the bucket of a name, which begins to exist with its first
// record.
func (s *Store) Bucket(name string) *Bucket { return &Bucket{s: s, name: name} }

// Get returns a copy of the value. False: not there, or expired.
func (b *Bucket) Get(key []byte) (value []byte, ok bool, err error) {
	err = b.s.View(func(tx *Tx) error {
		value, ok = tx.Bucket(b.name).Get(key)
		value = bytes.Clone(value)
		return nil
	})
	return value, ok, err
}

// Put stores a value until expires; the zero time is never. It is durable when
// Put returns.
func (b *Bucket) Put(ctx context.Context, key, value []byte, expires time.Time) error {
	return b.s.Update(ctx, func(tx *Tx) error { return tx.Bucket(b.name).Put(key, value, expires) })
}

// Delete removes a record, if it is there.
func (b *Bucket) Delete(ctx context.Context, key []byte) error {
	return b.s.Update(ctx, func(tx *Tx) error { return tx.Bucket(b.name).Delete(key) })
}

// Range calls visit with each record whose key begins with prefix, in the
// order of the keys, until it returns false. Key and value are valid during
// the call only. visit must not write to the store.
func (b *Bucket) Range(prefix []byte, visit func(key, value []byte, expires time.Time) bool) error {
	return b.s.View(func(tx *Tx) error {
		tx.Bucket(b.name).Range(prefix, visit)
		return nil
	})
}

// Tx is a transaction over all buckets.
type Tx struct {
	tx  *bolt.Tx
	now time.Time
}

// TxBucket is a bucket within a transaction. What it returns is valid until
// the transaction ends.
type TxBucket struct {
	tx   *Tx
	name string
}

// View runs f on one state of all buckets. f must not write to the store.
func (s *Store) View(f func(*Tx) error) error {
	err := s.db.View(func(tx *bolt.Tx) error { return f(&Tx{tx: tx, now: time.Now()}) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// Update runs f in a transaction that is durable when Update returns nil, and
// did not happen otherwise. f may run more than once; it must use nothing of
// the store but tx, and only the last run's effects on the caller count.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	return s.commit(ctx, func(t *txn) error { return f(&Tx{tx: t.Tx, now: time.Now()}) })
}

// Bucket returns the bucket of a name.
func (tx *Tx) Bucket(name string) TxBucket { return TxBucket{tx, name} }

// bucket returns nil where there is none yet.
func (b TxBucket) bucket() *bolt.Bucket {
	return b.tx.tx.Bucket(bucketKV).Bucket([]byte(b.name))
}

// Get returns the value. False: not there, or expired.
func (b TxBucket) Get(key []byte) ([]byte, bool) {
	bk := b.bucket()
	if bk == nil {
		return nil, false
	}
	value, expires, ok := readRecord(bk.Get(key))
	return value, ok && !expired(expires, b.tx.now)
}

// Put stores a value until expires; the zero time is never. A time in the past
// deletes. ErrTooLarge beyond MaxKey and MaxValue.
func (b TxBucket) Put(key, value []byte, expires time.Time) error {
	if len(key) == 0 || len(key) > MaxKey || len(value) > MaxValue {
		return fmt.Errorf("record of %d bytes under a key of %d: %w", len(value), len(key), ErrTooLarge)
	}
	if expired(expires, b.tx.now) {
		return b.Delete(key)
	}
	bk, err := b.tx.tx.Bucket(bucketKV).CreateBucketIfNotExists([]byte(b.name))
	if err != nil {
		return err
	}
	return bk.Put(key, writeRecord(value, expires))
}

// Delete removes a record, if it is there.
func (b TxBucket) Delete(key []byte) error {
	if bk := b.bucket(); bk != nil {
		return bk.Delete(key)
	}
	return nil
}

// Range is Bucket.Range within the transaction.
func (b TxBucket) Range(prefix []byte, visit func(key, value []byte, expires time.Time) bool) {
	bk := b.bucket()
	if bk == nil {
		return
	}
	c := bk.Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		value, expires, ok := readRecord(v)
		if !ok || expired(expires, b.tx.now) {
			continue
		}
		if !visit(k, value, expires) {
			return
		}
	}
}

// A record on disk is the unix millisecond at which it expires (0: never) and
// the value.
func writeRecord(value []byte, expires time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), uint64(millis(expires)))
	return append(b, value...)
}

func readRecord(b []byte) (value []byte, expires time.Time, ok bool) {
	if len(b) < 8 {
		return nil, time.Time{}, false
	}
	return b[8:], timeOf(int64(binary.BigEndian.Uint64(b))), true
}

func expired(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// expirePart is how many records one look at the buckets takes.
const expirePart = 4096

// expireRecords deletes what has expired, a part at a time.
func (s *Store) expireRecords(ctx context.Context) error {
	names, err := s.bucketNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		for from := []byte{}; from != nil; {
			var dead [][]byte
			if dead, from, err = s.findExpired(name, from); err != nil {
				return err
			}
			if len(dead) == 0 {
				continue
			}
			if err := s.deleteExpired(ctx, name, dead); err != nil {
				return fmt.Errorf("delete expired records: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) bucketNames() (names [][]byte, err error) {
	err = s.View(func(tx *Tx) error {
		return tx.tx.Bucket(bucketKV).ForEachBucket(func(name []byte) error {
			names = append(names, bytes.Clone(name))
			return nil
		})
	})
	return names, err
}

func (s *Store) findExpired(name, from []byte) (dead [][]byte, next []byte, err error) {
	err = s.View(func(tx *Tx) error {
		bk := tx.tx.Bucket(bucketKV).Bucket(name)
		if bk == nil {
			return nil
		}
		c, seen := bk.Cursor(), 0
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if seen++; seen > expirePart {
				next = bytes.Clone(k)
				return nil
			}
			if _, expires, ok := readRecord(v); !ok || expired(expires, tx.now) {
				dead = append(dead, bytes.Clone(k))
			}
		}
		return nil
	})
	return dead, next, err
}

// deleteExpired looks again, because a record may have been renewed meanwhile.
func (s *Store) deleteExpired(ctx context.Context, name []byte, keys [][]byte) error {
	return s.Update(ctx, func(tx *Tx) error {
		bk := tx.tx.Bucket(bucketKV).Bucket(name)
		if bk == nil {
			return nil
		}
		for _, k := range keys {
			v := bk.Get(k)
			if v == nil {
				continue
			}
			if _, expires, ok := readRecord(v); ok && !expired(expires, tx.now) {
				continue
			}
			if err := bk.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
}

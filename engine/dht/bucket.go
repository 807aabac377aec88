package dht

import (
	"context"
	"time"

	"altnet/engine/store"
)

// Bucket is a Store in a bucket of the node's own store. Nothing else may
// write to that bucket.
type Bucket struct {
	Store *store.Store
	Name  string
}

// Get implements Store.
func (b Bucket) Get(key []byte) ([]byte, error) {
	v, ok, err := b.Store.Bucket(b.Name).Get(key)
	if !ok {
		return nil, err
	}
	return v, err
}

// Write implements Store. It is durable when it returns.
func (b Bucket) Write(changes []Change) error {
	return b.Store.Update(context.Background(), func(tx *store.Tx) error {
		bucket := tx.Bucket(b.Name)
		for _, c := range changes {
			var err error
			if c.Value == nil {
				err = bucket.Delete(c.Key)
			} else {
				err = bucket.Put(c.Key, c.Value, time.Time{}) // the DHT knows when to delete
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Range implements Store. visit must not write.
func (b Bucket) Range(prefix []byte, visit func(key, value []byte) bool) error {
	return b.Store.Bucket(b.Name).Range(prefix, func(k, v []byte, _ time.Time) bool { return visit(k, v) })
}

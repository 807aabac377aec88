package dht

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Store is where a node keeps what it holds for others and the peers it knows:
// an ordered map that survives a restart. A bucket of engine/store is one,
// through Bucket; Memory is another.
//
// What lies here is soft: others hold it too, and it is announced again. So a
// Store need not make every write durable at once.
type Store interface {
	// Get returns the value under key, or nil where there is none. The caller
	// does not change it.
	Get(key []byte) ([]byte, error)
	// Write carries out all changes or none, in order.
	Write(changes []Change) error
	// Range calls visit for every key with the prefix, in ascending order,
	// until it returns false. Key and value are valid during the call only.
	Range(prefix []byte, visit func(key, value []byte) bool) error
}

// Change sets the value under Key, or deletes it where Value is nil.
type Change struct {
	Key, Value []byte
}

// Memory is a Store that forgets at exit. The zero Memory is ready for use.
type Memory struct {
	mu sync.Mutex
	m  map[string][]byte
}

// Get implements Store.
func (s *Memory) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[string(key)], nil
}

// Write implements Store.
func (s *Memory) Write(changes []Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string][]byte{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(s.m, string(c.Key))
		} else {
			s.m[string(c.Key)] = bytes.Clone(c.Value)
		}
	}
	return nil
}

// Range implements Store.
func (s *Memory) Range(prefix []byte, visit func(key, value []byte) bool) error {
	s.mu.Lock()
	snapshot := maps.Clone(s.m)
	s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(snapshot)) {
		if bytes.HasPrefix([]byte(k), prefix) && !visit([]byte(k), snapshot[k]) {
			return nil
		}
	}
	return nil
}

// maxDirty is how many writes a shelf holds back before it is full.
const maxDirty = 4096

// shelf gathers writes to a Store, so that a burst of announcements costs one
// commit. Reads see them at once. Losing a second of soft state in a crash
// costs nothing: K nodes hold it.
type shelf struct {
	store Store

	mu       sync.Mutex
	dirty    map[string][]byte // nil deletes
	flushing map[string][]byte // on its way to the store
	wake     chan struct{}     // holds a token while there is something to flush

	flushMu sync.Mutex // one flush at a time
}

func newShelf(store Store) *shelf {
	return &shelf{store: store, dirty: map[string][]byte{}, wake: make(chan struct{}, 1)}
}

func (s *shelf) get(key string) ([]byte, error) {
	s.mu.Lock()
	v, ok := s.dirty[key]
	if !ok {
		v, ok = s.flushing[key]
	}
	s.mu.Unlock()
	if ok {
		return v, nil
	}
	return s.store.Get([]byte(key))
}

// set holds value for key; nil deletes.
func (s *shelf) set(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[key] = value
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// full reports whether so much is held back that it should be flushed before
// more comes.
func (s *shelf) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty) >= maxDirty
}

// flush writes what is held. What cannot be written is dropped, since a store
// that fails for a while must not make the memory grow.
func (s *shelf) flush() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.mu.Lock()
	s.flushing, s.dirty = s.dirty, map[string][]byte{}
	pending := s.flushing
	select {
	case <-s.wake:
	default:
	}
	s.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	changes := make([]Change, 0, len(pending))
	for _, k := range slices.Sorted(maps.Keys(pending)) {
		changes = append(changes, Change{[]byte(k), pending[k]})
	}
	err := s.store.Write(changes)
	s.mu.Lock()
	s.flushing = nil
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write %d entries of the DHT: %w", len(changes), err)
	}
	return nil
}

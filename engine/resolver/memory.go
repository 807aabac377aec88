package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
)

// maxOwners bounds the owners remembered for one name.
const maxOwners = 8

// memory is what lasts: the pinned owner of each name, the owners seen
// claiming it, and of each owner the newest record ever seen.
//
//	'n' ‖ label               -> entry
//	'r' ‖ root key            -> newest record under any name
//	'r' ‖ root key ‖ label    -> newest record under this name
type memory struct {
	bucket Bucket
	log    *slog.Logger
	mu     sync.Mutex // one change at a time
}

// entry is what is remembered of a human name.
type entry struct {
	Pin   string `json:"pin,omitempty"` // root key in hex
	Since int64  `json:"since,omitempty"`
	// Replaced says that another owner was trusted before.
	Replaced bool     `json:"replaced,omitempty"`
	Owners   []string `json:"owners,omitempty"` // root keys, in the order they were seen
}

func nameSlot(label string) []byte { return append([]byte("n"), label...) }

func recordSlot(root identity.PublicKey, label string) []byte {
	return append(append([]byte("r"), root[:]...), label...)
}

// recall returns the newest record of every owner known for a name, and the
// pinned owner.
func (m *memory) recall(name record.Name) (known []record.Record, pin identity.PublicKey, err error) {
	owners := []string{name.Key.String()}
	if !name.IsKey() {
		e, err := m.entry(name.Label)
		if err != nil {
			return nil, pin, err
		}
		if e.Pin != "" {
			if pin, err = identity.ParsePublicKey(e.Pin); err != nil {
				return nil, pin, fmt.Errorf("remembered pin: %w", err)
			}
		}
		owners = e.Owners
	}
	for _, o := range owners {
		root, err := identity.ParsePublicKey(o)
		if err != nil {
			return nil, pin, fmt.Errorf("remembered owner: %w", err)
		}
		r, ok, err := m.newest(recordSlot(root, name.Label))
		if err != nil {
			return nil, pin, err
		}
		if ok {
			known = append(known, r)
		}
	}
	return known, pin, nil
}

// replaced reports whether the owner trusted for a name took the place of
// another.
func (m *memory) replaced(name record.Name) bool {
	if name.IsKey() {
		return false
	}
	e, err := m.entry(name.Label)
	return err == nil && e.Replaced
}

// newest reads the record in a slot. One that no longer parses is worth
// nothing, and is as good as none.
func (m *memory) newest(slot []byte) (record.Record, bool, error) {
	raw, ok, err := m.bucket.Get(slot)
	if err != nil || !ok {
		return record.Record{}, false, err
	}
	r, err := record.Parse(raw)
	if err != nil {
		m.log.Warn("a remembered record is broken", "err", err)
		return record.Record{}, false, nil
	}
	return r, true, nil
}

func (m *memory) entry(label string) (e entry, err error) {
	raw, ok, err := m.bucket.Get(nameSlot(label))
	if err != nil || !ok {
		return e, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("what is remembered of %s: %w", label, err)
	}
	return e, nil
}

func (m *memory) putEntry(ctx context.Context, label string, e entry) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return m.bucket.Put(ctx, nameSlot(label), raw, time.Time{})
}

// remember keeps r where it is newer than what is kept.
func (m *memory) remember(ctx context.Context, r *record.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.keepNewer(ctx, recordSlot(r.Root, ""), r); err != nil || r.Name == "" {
		return err
	}
	if err := m.keepNewer(ctx, recordSlot(r.Root, r.Name), r); err != nil {
		return err
	}
	e, err := m.entry(r.Name)
	if err != nil {
		return err
	}
	if !e.add(r.Root.String()) {
		return nil
	}
	return m.putEntry(ctx, r.Name, e)
}

// keepNewer stores r until no record before it can be alive.
func (m *memory) keepNewer(ctx context.Context, slot []byte, r *record.Record) error {
	old, ok, err := m.newest(slot)
	if err != nil || ok && !r.Supersedes(&old) {
		return err
	}
	return m.bucket.Put(ctx, slot, r.Raw, r.IssuedAt().Add(record.MaxLife+record.Grace))
}

// add notes an owner and reports whether that changed anything. Where there
// is no room the oldest gives way, but never the pinned one.
func (e *entry) add(owner string) bool {
	if slices.Contains(e.Owners, owner) {
		return false
	}
	e.Owners = append(e.Owners, owner)
	if len(e.Owners) > maxOwners {
		i := slices.IndexFunc(e.Owners, func(o string) bool { return o != e.Pin })
		e.Owners = slices.Delete(e.Owners, i, i+1)
	}
	return true
}

// pin trusts owner for a name from now on.
func (m *memory) pin(ctx context.Context, label string, owner identity.PublicKey, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.entry(label)
	if err != nil || e.Pin == owner.String() {
		return err
	}
	return m.pinLocked(ctx, label, e, owner, now)
}

// pinFirst is pin where nobody is trusted for the name yet.
func (m *memory) pinFirst(ctx context.Context, label string, owner identity.PublicKey, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.entry(label)
	if err != nil || e.Pin != "" {
		return err
	}
	return m.pinLocked(ctx, label, e, owner, now)
}

func (m *memory) pinLocked(ctx context.Context, label string, e entry, owner identity.PublicKey, now time.Time) error {
	e.Replaced = e.Replaced || e.Pin != ""
	e.Pin, e.Since = owner.String(), now.UnixMilli()
	e.add(e.Pin)
	return m.putEntry(ctx, label, e)
}

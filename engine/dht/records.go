package dht

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// maxRivals is how many owners beside the incumbent one key keeps.
const maxRivals = 4

// maxRecordLife bounds how far ahead an owner's expiry is believed.
const maxRecordLife = 400 * 24 * time.Hour

// RecordInfo is what the DHT must know of a signed record to store it.
type RecordInfo struct {
	Owner     identity.PublicKey
	Seq       uint64 // a higher one of the same owner replaces
	Expires   time.Time
	Tombstone bool
	// Exclusive says that no other owner can ever hold this key (a key
	// address), so that there is no first place to keep for anybody.
	Exclusive bool
}

// Validator checks a record's signatures and work against the key it is to be
// stored under. It must refuse what has expired and what is not of this key.
type Validator func(key wire.Hash, value []byte, now time.Time) (RecordInfo, error)

// Errors of storing.
var (
	ErrQuota   = errors.New("quota of stored records used up")
	ErrExpired = errors.New("record has expired")
	ErrCrowded = errors.New("too many owners under this key")
)

// holding is one owner's record under one key. Its value lies in the Store.
type holding struct {
	Owner     identity.PublicKey
	Seq       uint64
	Sum       [32]byte // SHA-256 of the value
	FirstSeen time.Time
	Refreshed time.Time // when it was last announced to us
	Expires   time.Time // the owner's date
	KeepUntil time.Time // the latest date of any record of this owner seen here
	Tombstone bool
	Exclusive bool
	Source    source
}

// slot is what is stored under one key: the owner seen first, then rivals in
// the order they were seen.
type slot []*holding

// records is everything stored under any key, indexed in memory without the
// values.
type records struct {
	self  identity.NodeID
	ttl   time.Duration // how long a record lives that nobody announces again
	grace time.Duration // how long a name stays reserved after its record expired
	shelf *shelf
	quota *quota
	slots map[wire.Hash]slot
}

// verdict is what became of a record put.
type verdict struct {
	Incumbent bool
	FirstSeen time.Time
	Newer     []byte // what we hold of the same owner and prefer
	Arrived   bool   // the owner is new under this key
}

// get returns what is stored under key, the incumbent first.
func (r *records) get(key wire.Hash, now time.Time) ([]wire.StoredRecord, error) {
	r.prune(key, now)
	s := r.slots[key]
	out := make([]wire.StoredRecord, 0, len(s))
	for _, h := range s {
		v, err := r.shelf.get(recordKey(key, h.Owner))
		if err != nil {
			return nil, fmt.Errorf("read a record: %w", err)
		}
		if _, value, ok := unpackRecord(v); ok {
			out = append(out, wire.StoredRecord{Value: value, FirstSeen: millis(h.FirstSeen)})
		}
	}
	return out, nil
}

// refresh notes that the very bytes we hold were announced again, which needs
// no check of signatures or work.
func (r *records) refresh(key wire.Hash, value []byte, now time.Time) (verdict, bool) {
	r.prune(key, now)
	sum := sha256.Sum256(value)
	for i, h := range r.slots[key] {
		if h.Sum == sum {
			r.touch(key, h, value, now)
			return verdict{Incumbent: i == 0, FirstSeen: h.FirstSeen}, true
		}
	}
	return verdict{}, false
}

// touch renews a holding. The date on disk may lag by an eighth of the
// lifetime: an announcement that changes nothing else should cost no write.
func (r *records) touch(key wire.Hash, h *holding, value []byte, now time.Time) {
	worth := now.Sub(h.Refreshed) > r.ttl/8
	h.Refreshed = now
	if worth {
		r.save(key, h, value)
	}
}

// put stores a record that has been checked:
//
//   - the owner seen first under a key keeps the first place;
//   - of one owner the higher sequence stays, at equal ones the lower hash;
//   - up to maxRivals other owners are kept, those first seen first.
func (r *records) put(key wire.Hash, value []byte, in RecordInfo, src source, now time.Time) (verdict, error) {
	if !in.Expires.After(now) {
		return verdict{}, ErrExpired
	}
	in.Expires = earlier(in.Expires, now.Add(maxRecordLife))
	r.prune(key, now)
	s := r.slots[key]
	sum := sha256.Sum256(value)
	for i, h := range s {
		if h.Owner == in.Owner {
			return r.supersede(key, i, h, value, sum, in, now)
		}
	}
	if err := r.makeRoom(key, src, now); err != nil {
		return verdict{}, err
	}
	h := &holding{Owner: in.Owner, Seq: in.Seq, Sum: sum, FirstSeen: now, Refreshed: now,
		Expires: in.Expires, KeepUntil: in.Expires,
		Tombstone: in.Tombstone, Exclusive: in.Exclusive, Source: src}
	r.insert(key, h)
	r.save(key, h, value)
	return verdict{Incumbent: r.slots[key][0] == h, FirstSeen: now, Arrived: true}, nil
}

// supersede puts a record beside the one we hold of the same owner.
func (r *records) supersede(key wire.Hash, rank int, h *holding, value []byte, sum [32]byte, in RecordInfo, now time.Time) (verdict, error) {
	v := verdict{Incumbent: rank == 0, FirstSeen: h.FirstSeen}
	order := cmp.Or(cmp.Compare(in.Seq, h.Seq), bytes.Compare(h.Sum[:], sum[:]))
	if order < 0 {
		stored, err := r.shelf.get(recordKey(key, h.Owner))
		if err != nil {
			return v, fmt.Errorf("read record %s: %w", key, err)
		}
		_, v.Newer, _ = unpackRecord(stored)
		return v, nil
	}
	h.Seq, h.Sum, h.Expires, h.Tombstone = in.Seq, sum, in.Expires, in.Tombstone
	h.KeepUntil = later(h.KeepUntil, in.Expires)
	h.Refreshed = now
	r.save(key, h, value)
	return v, nil
}

// makeRoom checks src's share and the room under key and in all, and evicts
// what has to give way.
func (r *records) makeRoom(key wire.Hash, src source, now time.Time) error {
	if !r.quota.allows(src) {
		return ErrQuota
	}
	if s := r.slots[key]; len(s) > maxRivals {
		i := slices.IndexFunc(s[1:], func(h *holding) bool { return now.Sub(h.Refreshed) > r.ttl })
		if i < 0 {
			return ErrCrowded
		}
		r.drop(key, s[1+i])
	}
	if r.quota.full() && !r.evict(src, now) {
		return ErrQuota
	}
	return nil
}

// evict frees one place: of a record nobody has announced for its lifetime,
// else of the IP group that crowds the others out.
func (r *records) evict(src source, now time.Time) bool {
	crowder, crowded := r.quota.crowder(src)
	var (
		victim *holding
		under  wire.Hash
	)
	for key, s := range r.slots {
		for _, h := range s {
			if now.Sub(h.Refreshed) > r.ttl {
				r.drop(key, h)
				return true
			}
			if crowded && victim == nil && h.Source.Group == crowder {
				victim, under = h, key
			}
		}
	}
	if victim == nil {
		return false
	}
	r.drop(under, victim)
	return true
}

// over reports whether h has no more claim to its place. The first place of a
// name is its owner's until the record expired and grace has passed; a
// tombstone outlives every record it withdraws; all else goes when nobody has
// announced it for its lifetime.
func (r *records) over(h *holding, first bool, now time.Time) bool {
	lapsed := now.Sub(h.Refreshed) > r.ttl
	switch {
	case h.Tombstone:
		return lapsed && now.After(h.KeepUntil)
	case h.Exclusive:
		return lapsed || now.After(h.Expires)
	case first:
		return now.After(h.Expires.Add(r.grace))
	default:
		return lapsed || now.After(h.Expires)
	}
}

func (r *records) prune(key wire.Hash, now time.Time) {
	for i := 0; i < len(r.slots[key]); {
		if h := r.slots[key][i]; r.over(h, i == 0, now) {
			r.drop(key, h)
			continue
		}
		i++
	}
}

// sweep prunes every key.
func (r *records) sweep(now time.Time) {
	for key := range r.slots {
		r.prune(key, now)
	}
}

// due returns the keys whose incumbent nobody has announced for after(key), at
// most limit of them. What has lapsed or expired is not announced.
func (r *records) due(now time.Time, after func(wire.Hash) time.Duration, limit int) []wire.Hash {
	var out []wire.Hash
	for key, s := range r.slots {
		if len(out) >= limit {
			break
		}
		h := s[0]
		age := now.Sub(h.Refreshed)
		if age >= after(key) && age <= r.ttl && now.Before(later(h.Expires, h.KeepUntil)) {
			out = append(out, key)
		}
	}
	return out
}

// first returns the value of the incumbent of key.
func (r *records) first(key wire.Hash) (value []byte, ok bool) {
	s := r.slots[key]
	if len(s) == 0 {
		return nil, false
	}
	v, err := r.shelf.get(recordKey(key, s[0].Owner))
	if err != nil {
		return nil, false
	}
	_, value, ok = unpackRecord(v)
	return value, ok
}

// announced notes that we have announced key to its neighbourhood.
func (r *records) announced(key wire.Hash, now time.Time) {
	if s := r.slots[key]; len(s) > 0 {
		if value, ok := r.first(key); ok {
			r.touch(key, s[0], value, now)
		}
	}
}

// backdate moves an owner to the place its first-seen date gives it.
func (r *records) backdate(key wire.Hash, owner identity.PublicKey, seen time.Time) {
	for _, h := range r.slots[key] {
		if h.Owner != owner || !seen.Before(h.FirstSeen) {
			continue
		}
		h.FirstSeen = seen
		r.order(key)
		if v, err := r.shelf.get(recordKey(key, owner)); err == nil {
			if _, value, ok := unpackRecord(v); ok {
				r.save(key, h, value)
			}
		}
	}
}

func (r *records) insert(key wire.Hash, h *holding) {
	r.slots[key] = append(r.slots[key], h)
	r.order(key)
	r.quota.add(h.Source)
}

// order sorts a slot by first-seen date. Of two seen at the same instant the
// lower key is first, so that nodes that saw both together agree.
func (r *records) order(key wire.Hash) {
	slices.SortFunc(r.slots[key], func(a, b *holding) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), bytes.Compare(a.Owner[:], b.Owner[:]))
	})
}

func (r *records) drop(key wire.Hash, h *holding) {
	s := slices.DeleteFunc(r.slots[key], func(o *holding) bool { return o == h })
	if len(s) == 0 {
		delete(r.slots, key)
	} else {
		r.slots[key] = s
	}
	r.quota.remove(h.Source)
	r.shelf.set(recordKey(key, h.Owner), nil)
}

func (r *records) save(key wire.Hash, h *holding, value []byte) {
	r.shelf.set(recordKey(key, h.Owner), packRecord(h, value))
}

// load rebuilds the index from the store.
func (r *records) load() error {
	err := r.shelf.store.Range([]byte{recordPrefix}, func(k, v []byte) bool {
		key, owner, ok := splitKey(k)
		if !ok {
			return true
		}
		if h, _, ok := unpackRecord(v); ok && !r.quota.full() {
			h.Owner = owner
			r.insert(key, h)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("load stored records: %w", err)
	}
	return nil
}

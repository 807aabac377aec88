package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// sites is the node's book of what its users published and pinned. It holds
// signed bytes and roots; keys never come here.
type sites struct {
	own  *store.Bucket // root key -> entry
	pins *store.Bucket // root key ‖ user -> pinEntry

	changing sync.Mutex // held from reading an entry to writing it
	gone     gone
}

// entry is one published site.
type entry struct {
	Owner     identity.PublicKey `json:"owner"`
	User      string             `json:"user"`   // of the operating system
	Record    []byte             `json:"record"` // newest signed one, a tombstone too
	Versions  []version          `json:"versions"`
	Records   int                `json:"records"`   // peers that stored the record, last time
	Announced time.Time          `json:"announced"` // this record, last time
	Placed    bool               `json:"placed"`    // some peer confirmed a copy of this content
	Provided  bool               `json:"provided"`  // peers know that this content is here
}

// replace puts a newer record in force, which nobody has yet.
func (e *entry) replace(r *record.Record) {
	old, err := e.parsed()
	same := err == nil && old.Content == r.Content
	e.Placed, e.Provided = e.Placed && same, e.Provided && same
	e.Owner, e.Record, e.Records, e.Announced = r.Root, r.Raw, 0, time.Time{}
}

// owed reports whether the network lacks the site or its record, as far as is
// known.
func (e *entry) owed() bool {
	r, err := e.parsed()
	return err == nil && !r.Expired(time.Now()) && (e.Announced.IsZero() || !r.Tombstone() && !(e.Placed && e.Provided))
}

// version is one published state.
type version struct {
	Seq  uint64    `json:"seq"`
	Root wire.Hash `json:"root"`
	Size int64     `json:"size"`
	Time time.Time `json:"time"`
	Note string    `json:"note,omitempty"`
}

// pinEntry is a site of somebody else's that a user keeps.
type pinEntry struct {
	Name   string    `json:"name"` // as the user gave it
	User   string    `json:"user"`
	Root   wire.Hash `json:"root"`
	Record []byte    `json:"record"`
	Since  time.Time `json:"since"`
}

func newSites(s *store.Store) *sites {
	return &sites{own: s.Bucket("sites"), pins: s.Bucket("pins")}
}

// get returns a published site.
func (s *sites) get(owner identity.PublicKey) (entry, bool, error) {
	return load[entry](s.own, owner[:])
}

// change lets f change one entry, which may be a new one, and writes it down
// unless f fails.
func (s *sites) change(ctx context.Context, owner identity.PublicKey, f func(en *entry, known bool) error) (entry, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	en, known, err := s.get(owner)
	if err == nil {
		err = f(&en, known)
	}
	if err == nil {
		err = save(ctx, s.own, owner[:], en)
	}
	if err == nil {
		err = s.lookWhatIsGone()
	}
	return en, storeError(err)
}

func load[T any](b *store.Bucket, key []byte) (v T, ok bool, err error) {
	raw, ok, err := b.Get(key)
	if err != nil || !ok {
		return v, false, err
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, false, fmt.Errorf("read the book of sites: %w", err)
	}
	return v, true, nil
}

func save[T any](ctx context.Context, b *store.Bucket, key []byte, v T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(ctx, key, raw, time.Time{})
}

// each calls visit for every entry of a book, whose keys begin with a root key.
func each[T any](b *store.Bucket, visit func(key identity.PublicKey, v T)) error {
	type row struct {
		key identity.PublicKey
		v   T
	}
	var rows []row
	var broken error
	err := b.Range(nil, func(key, raw []byte, _ time.Time) bool {
		var v T
		if broken = json.Unmarshal(raw, &v); broken == nil && len(key) >= len(identity.PublicKey{}) {
			rows = append(rows, row{identity.PublicKey(key[:len(identity.PublicKey{})]), v})
		}
		return broken == nil
	})
	if err == nil {
		err = broken
	}
	for _, r := range rows {
		visit(r.key, r.v)
	}
	return storeError(err)
}

// parsed returns the entry's newest record.
func (e entry) parsed() (record.Record, error) { return record.Parse(e.Record) }

// add notes a new version, newest first. The newest content signed again is
// none: it goes by its new sequence, which is what the receipt names.
func (e *entry) add(v version) {
	if len(e.Versions) > 0 && e.Versions[0].Root == v.Root {
		e.Versions[0].Seq = v.Seq
		return
	}
	e.Versions = append([]version{v}, e.Versions...)
}

// describe returns an entry as Control shows it.
func (e *Engine) describe(en entry) (control.Site, error) {
	r, err := en.parsed()
	if err != nil {
		return control.Site{}, err
	}
	s := control.Site{
		Name: e.nameOf(&r), Address: e.address(r.Root), Seq: r.Seq, Own: true,
		Withdrawn: r.Tombstone(), Expires: r.ExpiresAt(), User: en.User,
	}
	if !r.Tombstone() {
		s.Root, s.Size = r.Content.String(), int64(r.Size)
		s.Copies = fullCopies(e.keeper.Confirmed(r.Content))
		s.Sleeps = s.Copies < enoughCopies
	}
	if len(en.Versions) > 0 {
		s.Published = en.Versions[0].Time
	}
	return s, nil
}

// address returns the key address of a site as a host.
func (e *Engine) address(root identity.PublicKey) string {
	return record.KeyName(root).Host(e.cfg.TLD)
}

// nameOf returns the human name of a record, or its address.
func (e *Engine) nameOf(r *record.Record) string {
	if r.Name == "" {
		return e.address(r.Root)
	}
	return r.Name + "." + e.cfg.TLD
}

// mine returns the caller's published site of this name, which may be a human
// name or an address.
func (e *Engine) mine(ctx context.Context, name string) (entry, record.Record, error) {
	want, err := record.ParseName(name, e.cfg.TLD)
	if err != nil {
		return entry{}, record.Record{}, control.Mark(control.ErrInvalid, err)
	}
	caller := control.CallerFrom(ctx)
	var found entry
	var rec record.Record
	err = each(e.sites.own, func(_ identity.PublicKey, en entry) {
		r, err := en.parsed()
		if err == nil && caller.Owns(en.User) && want.Matches(&r) {
			found, rec = en, r
		}
	})
	if err != nil {
		return entry{}, rec, err
	}
	if rec.IsZero() {
		return entry{}, rec, control.Mark(control.ErrNotFound, fmt.Errorf("no site of yours on this node is called %s", name))
	}
	return found, rec, nil
}

// Sites implements control.Control.
func (e *Engine) Sites(ctx context.Context) ([]control.Site, error) {
	caller := control.CallerFrom(ctx)
	out := []control.Site{}
	var broken error
	err := each(e.sites.own, func(_ identity.PublicKey, en entry) {
		if !caller.Owns(en.User) {
			return
		}
		s, err := e.describe(en)
		if err != nil {
			broken = err
			return
		}
		out = append(out, s)
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, err
	}
	pinned, err := e.pinnedSites(caller)
	return withPinned(out, pinned), err
}

// withPinned adds the pinned sites; one that is the caller's own, too, stays
// one site.
func withPinned(own, pinned []control.Site) []control.Site {
	for _, p := range pinned {
		i := slices.IndexFunc(own, func(s control.Site) bool { return s.Address == p.Address })
		if i < 0 {
			own = append(own, p)
			continue
		}
		own[i].Pinned = true
	}
	return own
}

// Versions implements control.Control.
func (e *Engine) Versions(ctx context.Context, name string) ([]control.Version, error) {
	en, r, err := e.mine(ctx, name)
	if err != nil {
		return nil, err
	}
	out := []control.Version{}
	for i, v := range en.Versions {
		out = append(out, control.Version{
			Seq: v.Seq, Root: v.Root.String(), Size: v.Size, Time: v.Time, Note: v.Note,
			Current: i == 0 && !r.Tombstone(),
		})
	}
	return out, nil
}

// DropVersion implements control.Control.
func (e *Engine) DropVersion(ctx context.Context, name string, seq uint64) error {
	en, _, err := e.mine(ctx, name)
	if err != nil {
		return err
	}
	var root wire.Hash
	_, err = e.sites.change(ctx, en.Owner, func(en *entry, _ bool) error {
		i := slices.IndexFunc(en.Versions, func(v version) bool { return v.Seq == seq })
		if i < 0 {
			return control.Mark(control.ErrNotFound, fmt.Errorf("%s has no version %d", name, seq))
		}
		if r, err := en.parsed(); err != nil || i == 0 && !r.Tombstone() {
			return control.Mark(control.ErrInvalid, fmt.Errorf("version %d of %s is the one in force; publish or roll back to another first", seq, name))
		}
		root = en.Versions[i].Root
		en.Versions = slices.Delete(en.Versions, i, i+1)
		return nil
	})
	if err != nil || e.stillOwn(root) {
		return err
	}
	return e.release(ctx, root, store.Own)
}

// stillOwn reports whether some version of some site is this root: the same
// content may have been published twice.
func (e *Engine) stillOwn(root wire.Hash) bool {
	used := false
	each(e.sites.own, func(_ identity.PublicKey, en entry) {
		used = used || slices.ContainsFunc(en.Versions, func(v version) bool { return v.Root == root })
	})
	return used
}

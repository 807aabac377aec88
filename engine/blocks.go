package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/engine/gateway"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/resolver"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// blockedBucket holds what a person keeps out of this node, by target.
const blockedBucket = "blocked"

// block is one entry: what was named, and what it stood for at that time.
type block struct {
	Target string             `json:"target"` // host name or hex, as shown
	Name   string             `json:"name,omitempty"`
	Since  time.Time          `json:"since"`
	Label  string             `json:"label,omitempty"`
	Owner  identity.PublicKey `json:"owner,omitzero"`
	Roots  []wire.Hash        `json:"roots,omitempty"`
}

// loadBlocks puts in force what was blocked before.
func (e *Engine) loadBlocks() error {
	all, err := e.blocks()
	if err != nil {
		return err
	}
	l := record.Local{
		Names: map[string]time.Time{}, Owners: map[identity.PublicKey]time.Time{}, Hashes: map[wire.Hash]time.Time{},
	}
	for _, b := range all {
		if b.Label != "" {
			l.Names[b.Label] = b.Since
		}
		if !b.Owner.IsZero() {
			l.Owners[b.Owner] = b.Since
		}
		for _, h := range b.Roots {
			l.Hashes[h] = b.Since
		}
	}
	e.rules.setLocal(l)
	return nil
}

func (e *Engine) blocks() (all []block, err error) {
	bucket := e.store.Bucket(blockedBucket)
	var keys [][]byte
	err = bucket.Range(nil, func(key, _ []byte, _ time.Time) bool {
		keys = append(keys, slices.Clone(key))
		return true
	})
	for _, key := range keys {
		b, ok, loadErr := load[block](bucket, key)
		if err = errors.Join(err, loadErr); ok {
			all = append(all, b)
		}
	}
	return all, storeError(err)
}

// Blocked implements control.Control.
func (e *Engine) Blocked(context.Context) ([]control.Blocked, error) {
	all, err := e.blocks()
	out := []control.Blocked{}
	for _, b := range all {
		out = append(out, control.Blocked{Target: b.Target, Name: b.Name, Since: b.Since})
	}
	slices.SortFunc(out, func(a, b control.Blocked) int { return b.Since.Compare(a.Since) })
	return out, err
}

// SetBlocked implements control.Control.
func (e *Engine) SetBlocked(ctx context.Context, target string, blocked bool) error {
	b, err := e.understand(target)
	if err != nil {
		return err
	}
	if !blocked {
		return e.unblock(ctx, b)
	}
	if e.ownsAny(b) {
		return control.Mark(control.ErrInvalid, fmt.Errorf("%s is published on this node: withdraw it instead", target))
	}
	bucket := e.store.Bucket(blockedBucket)
	if old, had, err := load[block](bucket, []byte(b.Target)); err == nil && had {
		b.Since = old.Since
		b.Roots = union(old.Roots, b.Roots)
	}
	if err := save(ctx, bucket, []byte(b.Target), b); err != nil {
		return storeError(err)
	}
	if err := e.loadBlocks(); err != nil {
		return err
	}
	return e.expel(ctx, b)
}

// understand finds out what a target stands for, by what is known here: nobody
// is asked, so that blocking works offline and tells nobody.
func (e *Engine) understand(target string) (block, error) {
	if h, ok := parseHash(target); ok {
		b := block{Target: h.String(), Since: time.Now(), Roots: []wire.Hash{h}}
		if info, ok := e.store.Root(h); ok && !info.Owner.IsZero() {
			b.Name = e.knownName(info.Owner)
		}
		return b, nil
	}
	name, err := record.ParseName(target, e.cfg.TLD)
	if err != nil {
		return block{}, control.Mark(control.ErrInvalid, err)
	}
	name.Sub = "" // what stands in front belongs to the same owner
	b := block{Target: name.Host(e.cfg.TLD), Since: time.Now(), Owner: name.Key}
	if !name.IsKey() {
		b.Label, b.Name = name.Label, b.Target
	}
	if res, ok := e.names.Known(b.Target); ok {
		b.Owner, b.Name = res.Record.Root, e.nameOf(&res.Record)
		b.Roots = append(b.Roots, res.Record.Content)
	}
	for _, r := range e.store.Roots() {
		if !b.Owner.IsZero() && r.Owner == b.Owner && !slices.Contains(b.Roots, r.Hash) {
			b.Roots = append(b.Roots, r.Hash)
		}
	}
	return b, nil
}

// knownName is how an owner's site is called, "" where that is not known.
func (e *Engine) knownName(owner identity.PublicKey) string {
	res, ok := e.names.Known(e.address(owner))
	if !ok {
		return ""
	}
	return e.nameOf(&res.Record)
}

// covers reports whether a block is about a site.
func (b *block) covers(label string, owner identity.PublicKey, root wire.Hash) bool {
	return b.Label != "" && b.Label == label || !b.Owner.IsZero() && b.Owner == owner || slices.Contains(b.Roots, root)
}

// ownsAny reports whether somebody publishes here what is to be blocked.
func (e *Engine) ownsAny(b block) (owns bool) {
	each(e.sites.own, func(_ identity.PublicKey, en entry) {
		r, err := en.parsed()
		if err != nil || r.Tombstone() {
			return
		}
		owns = owns || b.covers(r.Name, r.Root, r.Content) ||
			slices.ContainsFunc(en.Versions, func(v version) bool { return slices.Contains(b.Roots, v.Root) })
	})
	return owns
}

// unblock takes back every block that keeps the target out, whatever it was
// called when it was blocked.
func (e *Engine) unblock(ctx context.Context, target block) error {
	all, err := e.blocks()
	if err != nil {
		return err
	}
	found := false
	for _, b := range all {
		same := b.Target == target.Target || b.covers(target.Label, target.Owner, wire.Hash{})
		if !same && !slices.ContainsFunc(target.Roots, func(h wire.Hash) bool { return slices.Contains(b.Roots, h) }) {
			continue
		}
		found = true
		if err := e.store.Bucket(blockedBucket).Delete(ctx, []byte(b.Target)); err != nil {
			return storeError(err)
		}
	}
	if !found {
		return control.Mark(control.ErrNotFound, fmt.Errorf("%s is not blocked here", target.Target))
	}
	return e.loadBlocks()
}

// expel takes what is blocked out of this node: previews and open pages, pins,
// leases, caches and blocks.
func (e *Engine) expel(ctx context.Context, b block) error {
	if g := e.doors.gateway; g != nil {
		g.EndPreviews(func(s gateway.Site) bool { return slices.Contains(b.Roots, s.Root) })
	}
	e.opened.forget()
	if err := e.unpinAll(ctx, b); err != nil {
		return err
	}
	for _, root := range b.Roots {
		if err := e.release(ctx, root, store.Leased|store.Cache|store.Pinned); err != nil {
			return err
		}
	}
	e.purge(e.rules.now())
	e.events.poke()
	return e.visits.forgetOpened(ctx, func(name string, v visited) bool { return name == b.Target || v.Owner == b.Owner })
}

// unpinAll ends everybody's pins of what is blocked.
func (e *Engine) unpinAll(ctx context.Context, b block) error {
	var pins []pinEntry
	var owners []identity.PublicKey
	err := each(e.sites.pins, func(owner identity.PublicKey, p pinEntry) {
		label := ""
		if r, err := record.Parse(p.Record); err == nil {
			label = r.Name
		}
		if b.covers(label, owner, p.Root) {
			pins, owners = append(pins, p), append(owners, owner)
		}
	})
	for i, p := range pins {
		err = errors.Join(err, e.dropPin(ctx, owners[i], p))
	}
	return err
}

// blockedHere answers for a name that a person keeps out, before anybody is
// asked about it.
func (e *Engine) blockedHere(host string) (resolver.Resolution, bool) {
	name, err := record.ParseName(host, e.cfg.TLD)
	if err != nil {
		return resolver.Resolution{}, false
	}
	if _, blocked := e.rules.now().Local.Site(name.Label, name.Key, wire.Hash{}); !blocked {
		return resolver.Resolution{}, false
	}
	res := resolver.Resolution{Name: name}
	res.Verdict, res.Reason = record.Blocked, "blocked on this computer"
	return res, true
}

func union(a, b []wire.Hash) []wire.Hash {
	out := slices.Clone(a)
	for _, h := range b {
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/resolver"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// followShare is how many times in Config.CheckEvery pinned sites are asked
// for a new version: an hour apart, by default.
const followShare = 6

// pinKey is where the pin of a user's lies: each has their own.
func pinKey(owner identity.PublicKey, user string) []byte { return append(owner[:], user...) }

// SetPinned implements control.Control.
func (e *Engine) SetPinned(ctx context.Context, name string, pinned bool) error {
	if !pinned {
		return e.unpin(ctx, name)
	}
	root, rec, err := e.target(ctx, name)
	if err != nil {
		return err
	}
	if rec.IsZero() {
		return control.Mark(control.ErrInvalid, errors.New("give the name or address of a site to pin, not a root: a pin follows the site's updates"))
	}
	out, err := e.complete(ctx, root, control.Progress{Task: "pin", Name: name})
	if err != nil {
		return err
	}
	return e.pin(ctx, name, &rec, out)
}

// pin keeps a complete site for the caller and shares it, in the place of the
// version pinned before.
func (e *Engine) pin(ctx context.Context, name string, r *record.Record, f site.Fetched) error {
	user := control.CallerFrom(ctx).User
	_, err := e.keeper.Hold(ctx, voucherOf(r), store.Root{
		Hash: r.Content, Class: store.Pinned, Owner: r.Root, User: user, Size: int64(f.Bytes), Blocks: f.Blocks,
	})
	if err != nil {
		return storeError(err)
	}
	key := pinKey(r.Root, user)
	old, had, err := load[pinEntry](e.sites.pins, key)
	if err != nil {
		return storeError(err)
	}
	p := pinEntry{Name: name, User: user, Root: r.Content, Record: r.Raw, Since: time.Now()}
	if had {
		p.Since = old.Since
	}
	if err := e.sites.savePin(ctx, key, p); err != nil {
		return err
	}
	e.spawn(func() {
		if _, err := e.dht.Provide(e.ctx, r.Content, true, dht.MaxTTL); err != nil {
			e.log.Info("announce a pinned site", "name", name, "err", err)
		}
	})
	e.tellPinned(p)
	if had && old.Root != r.Content {
		return e.releasePinned(ctx, old.Root)
	}
	return nil
}

func (e *Engine) unpin(ctx context.Context, name string) error {
	want, err := record.ParseName(name, e.cfg.TLD)
	if err != nil {
		return control.Mark(control.ErrInvalid, err)
	}
	caller := control.CallerFrom(ctx)
	var owner identity.PublicKey
	var found pinEntry
	err = each(e.sites.pins, func(key identity.PublicKey, p pinEntry) {
		r, err := record.Parse(p.Record)
		if err != nil || !caller.Owns(p.User) || !want.Matches(&r) {
			return
		}
		if owner.IsZero() || p.User == caller.User { // an administrator's own before somebody else's
			owner, found = key, p
		}
	})
	if err != nil {
		return err
	}
	if owner.IsZero() {
		return control.Mark(control.ErrNotFound, fmt.Errorf("%s is not pinned", name))
	}
	return e.dropPin(ctx, owner, found)
}

func (e *Engine) dropPin(ctx context.Context, owner identity.PublicKey, p pinEntry) error {
	if err := e.sites.pins.Delete(ctx, pinKey(owner, p.User)); err != nil {
		return storeError(err)
	}
	if err := e.sites.lookWhatIsGone(); err != nil {
		return err
	}
	e.events.poke()
	return e.releasePinned(ctx, p.Root)
}

// pinsNoMore ends a user's pin of a site that has become their own here.
func (e *Engine) pinsNoMore(ctx context.Context, owner identity.PublicKey, user string) {
	p, had, err := load[pinEntry](e.sites.pins, pinKey(owner, user))
	if err == nil && had {
		err = e.dropPin(ctx, owner, p)
	}
	if err != nil {
		e.log.Warn("end the pin of a site that is published here now", "err", err)
	}
}

// releasePinned lets go of a root unless another pin names it.
func (e *Engine) releasePinned(ctx context.Context, root wire.Hash) error {
	used := false
	err := each(e.sites.pins, func(_ identity.PublicKey, p pinEntry) { used = used || p.Root == root })
	if err != nil || used {
		return err
	}
	return e.release(ctx, root, store.Pinned)
}

// release takes a class from a root, and tells the network where nothing keeps
// it here any longer.
func (e *Engine) release(ctx context.Context, root wire.Hash, c store.Class) error {
	if err := e.store.DropClass(ctx, root, c); err != nil && !errors.Is(err, store.ErrUnknownRoot) {
		return storeError(err)
	}
	if info, ok := e.store.Root(root); ok && info.Class&^store.Cache != 0 {
		return nil
	}
	e.spawn(func() {
		if _, err := e.dht.Provide(e.ctx, root, false, 0); err != nil {
			e.log.Debug("withdraw a holder", "root", root, "err", err)
		}
	})
	return nil
}

// followPins brings the newest version of every pinned site here, and looks
// whether own sites have newer ones than this node knows.
func (e *Engine) followPins() {
	for e.pause(e.cfg.CheckEvery / followShare) {
		if e.isOnline() {
			e.followOnce()
			e.followOwn()
		}
	}
}

// followOnce asks for news of every pinned site.
func (e *Engine) followOnce() {
	var owners []identity.PublicKey
	var pins []pinEntry
	err := each(e.sites.pins, func(owner identity.PublicKey, p pinEntry) {
		owners, pins = append(owners, owner), append(pins, p)
	})
	if err != nil {
		e.log.Warn("read the book of pins", "err", err)
	}
	for i, p := range pins {
		ctx := control.WithCaller(e.ctx, control.Caller{User: p.User})
		if err := e.follow(ctx, owners[i], p); err != nil {
			e.log.Info("follow a pinned site", "name", p.Name, "err", err)
		}
		e.lookUp(ctx, p.Name) // whose owner may have changed, which is told there
	}
}

// follow brings a pinned site up to date. A withdrawn one stays here, for the
// user who wanted to keep it, and is no longer shared.
func (e *Engine) follow(ctx context.Context, owner identity.PublicKey, p pinEntry) error {
	old, err := record.Parse(p.Record)
	if err != nil {
		return err
	}
	res, err := e.lookUp(ctx, e.address(owner))
	gone := errors.Is(err, resolver.ErrWithdrawn)
	if err != nil && !gone {
		return err
	}
	r := res.Record
	switch {
	case !r.Supersedes(&old):
		return nil
	case gone, r.Content == old.Content:
		p.Record = r.Raw
		return e.sites.savePin(ctx, pinKey(owner, p.User), p)
	}
	out, err := e.complete(ctx, r.Content, control.Progress{Task: "pin", Name: p.Name})
	if err != nil {
		return err
	}
	if err := e.pin(ctx, p.Name, &r, out); err != nil {
		return err
	}
	e.tell(p.User, control.Notice{
		Kind: control.NoticeSiteUpdated, Name: e.nameOf(&r), Text: e.nameOf(&r) + " has a new version, which is kept here now.",
	})
	return nil
}

// pinnedSites lists what the caller pinned.
func (e *Engine) pinnedSites(caller control.Caller) ([]control.Site, error) {
	var out []control.Site
	err := each(e.sites.pins, func(_ identity.PublicKey, p pinEntry) {
		if caller.Owns(p.User) {
			out = append(out, e.describePin(p))
		}
	})
	return out, err
}

func (e *Engine) describePin(p pinEntry) control.Site {
	s := control.Site{Name: p.Name, Root: p.Root.String(), Pinned: true, User: p.User, Copies: fullCopies(e.keeper.Confirmed(p.Root))}
	if r, err := record.Parse(p.Record); err == nil {
		s.Name, s.Address, s.Seq, s.Size = e.nameOf(&r), e.address(r.Root), r.Seq, int64(r.Size)
		s.Expires, s.Withdrawn = r.ExpiresAt(), r.Tombstone()
	}
	return s
}

func (e *Engine) tellPinned(p pinEntry) {
	s := e.describePin(p)
	e.events.publish(p.User, control.Event{Kind: control.EventSite, Time: time.Now(), Site: &s})
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/replica"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// enoughCopies is how many other peers must hold a site before it outlives the
// sleep of this computer.
const enoughCopies = 2

// errUnproved is for a user of a service who does not show the key of a site.
var errUnproved = control.Mark(control.ErrDenied, errors.New("nothing shows that the site's key is yours; publish with the version of AltNet that the service has"))

// storeError gives the store's errors their place in Control.
func storeError(err error) error {
	switch {
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrDiskFull):
		return control.Mark(control.ErrFull, err)
	case errors.Is(err, store.ErrClosed):
		return control.Mark(control.ErrClosed, err)
	}
	return err
}

// Publish implements control.Control.
func (e *Engine) Publish(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	r, err := e.checkOwn(p.Record)
	if err != nil {
		return control.Receipt{}, err
	}
	if r.Tombstone() {
		return control.Receipt{}, control.Mark(control.ErrInvalid, errors.New("a tombstone is not published but withdrawn"))
	}
	blocks, err := e.blocksToPublish(ctx, r, p.Proof)
	if err != nil {
		return control.Receipt{}, err
	}
	en, err := e.adopt(ctx, r, p, blocks)
	if err != nil {
		return control.Receipt{}, err
	}
	e.uploads.published(en.User, blocks)
	e.names.Seen(r)
	if e.isOnline() {
		en.Records = e.goLive(ctx, r, len(blocks)).records()
	}
	signal(e.owing)
	e.tellSite(en)
	return e.receipt(en)
}

// checkOwn checks a record that a user of this node signed.
func (e *Engine) checkOwn(raw []byte) (*record.Record, error) {
	r, err := record.Parse(raw)
	if err != nil {
		return nil, control.Mark(control.ErrInvalid, err)
	}
	now := time.Now()
	for _, key := range r.Keys() {
		if _, err := record.Check(e.network, key, raw, now, record.StoreSkew); err != nil {
			return nil, control.Mark(control.ErrInvalid, err)
		}
	}
	if reason, refused := e.rules.now().Refuses(&r, now); refused {
		return nil, control.Mark(control.ErrBlocked, fmt.Errorf("this node refuses the site: %s", reason))
	}
	if err := e.gate.Admit(&r, "", now); err != nil {
		return nil, control.Mark(control.ErrInvalid, err)
	}
	return &r, nil
}

// adopt takes a complete site into the book and the store as the caller's own.
func (e *Engine) adopt(ctx context.Context, r *record.Record, p control.PublishRequest, blocks []wire.Hash) (entry, error) {
	var former string
	en, err := e.sites.change(ctx, r.Root, func(en *entry, known bool) (err error) {
		if former, err = e.mayReplace(ctx, en, known, r, p.Proof); err != nil {
			return err
		}
		info, err := e.keeper.Hold(ctx, voucherOf(r), store.Root{
			Hash: r.Content, Class: store.Own, Owner: r.Root, User: en.User, Size: int64(r.Size), Blocks: blocks,
		})
		if err != nil {
			return storeError(err)
		}
		if !info.Full {
			return e.giveBack(ctx, r.Content)
		}
		en.replace(r)
		en.add(version{Seq: r.Seq, Root: r.Content, Size: int64(r.Size), Time: time.Now(), Note: p.Note})
		return nil
	})
	if err != nil {
		return entry{}, err
	}
	e.tellFormer(former, r)
	e.pinsNoMore(ctx, r.Root, en.User)
	return en, nil
}

// giveBack lets go of a site that turned out to be incomplete, unless it is
// somebody's version already, and says so.
func (e *Engine) giveBack(ctx context.Context, root wire.Hash) error {
	if !e.stillOwn(root) {
		if err := e.store.DropClass(ctx, root, store.Own); err != nil {
			return storeError(err)
		}
	}
	return missing(root)
}

// mayReplace says whether a caller may publish a record in place of what the
// book says, and makes a new entry the caller's. Who has the key of a site gets
// it from any other user; that one is former.
func (e *Engine) mayReplace(ctx context.Context, en *entry, known bool, r *record.Record, proof []byte) (former string, err error) {
	caller := control.CallerFrom(ctx)
	holds := r.ProvedBy(proof, e.key.ID().String(), caller.User)
	switch {
	case known && !caller.Owns(en.User) && !holds:
		return "", control.Mark(control.ErrDenied, errors.New("another user of this computer publishes this site"))
	case caller.OneOfMany() && !holds:
		return "", errUnproved
	case !known:
		en.User = caller.User
		return "", nil
	}
	old, err := en.parsed()
	if err != nil {
		return "", err
	}
	if old.Hash != r.Hash && !r.Supersedes(&old) {
		return "", control.Mark(control.ErrStale, fmt.Errorf("sequence %d of %s is not above %d, which this node has already", r.Seq, e.nameOf(r), old.Seq))
	}
	if caller.Owns(en.User) {
		return "", nil
	}
	return en.passTo(caller.User), nil
}

// passTo makes a site another user's and returns whose it was. Remarks stay
// with who wrote them.
func (e *entry) passTo(user string) (former string) {
	former, e.User = e.User, user
	for i := range e.Versions {
		e.Versions[i].Note = ""
	}
	return former
}

// tellFormer tells the user whose site it was that another one has its key.
func (e *Engine) tellFormer(user string, r *record.Record) {
	if user == "" {
		return
	}
	e.events.poke()
	e.tell(user, control.Notice{
		Kind: control.NoticeTwoDevices, Name: e.nameOf(r),
		Text: "Another user of this computer has the key of " + e.nameOf(r) + ", and publishes it here from now on.",
	})
}

// confirmed is told by the keeper that another peer confirmed a copy, or that
// one was lost.
func (e *Engine) confirmed(root wire.Hash) {
	e.events.confirmed(root)
	e.watched.report(root)
	full := fullCopies(e.keeper.Confirmed(root)) > 0
	for _, en := range e.ownersOf(root) {
		if full && !en.Placed && e.notePlaced(en.Owner, root) {
			e.tellPublished(en)
		}
		e.tellReceipt(en)
	}
}

// notePlaced writes down that the present version of a site has a copy, and
// reports whether that is news: several copies may be confirmed at once.
func (e *Engine) notePlaced(owner identity.PublicKey, root wire.Hash) (first bool) {
	_, err := e.sites.change(e.ctx, owner, func(en *entry, _ bool) error {
		if r, err := en.parsed(); err == nil && r.Content == root {
			first = !en.Placed
			en.Placed = true
		}
		return nil
	})
	if err != nil {
		e.log.Warn("note a copy", "root", root, "err", err)
	}
	return first && err == nil
}

// receipt tells what the network has confirmed of a site.
func (e *Engine) receipt(en entry) (control.Receipt, error) {
	r, err := en.parsed()
	if err != nil {
		return control.Receipt{}, err
	}
	out := control.Receipt{
		Name: e.nameOf(&r), Address: e.address(r.Root), Root: r.Content.String(), Seq: r.Seq,
		Size: int64(r.Size), Withdrawn: r.Tombstone(), Records: en.Records,
	}
	if r.Tombstone() {
		out.Root = ""
		return out, nil
	}
	confirmed := e.keeper.Confirmed(r.Content)
	for _, c := range confirmed {
		out.Confirmed = append(out.Confirmed, control.Confirmation{Peer: c.Peer.String(), Blocks: c.Blocks, Full: c.Full, Until: c.Until})
	}
	out.Copies = fullCopies(confirmed)
	out.Sleeps = out.Copies < enoughCopies
	return out, nil
}

func fullCopies(cs []replica.Confirmation) int {
	n := 0
	for _, c := range cs {
		if c.Full {
			n++
		}
	}
	return n
}

// Receipt implements control.Control.
func (e *Engine) Receipt(ctx context.Context, name string) (control.Receipt, error) {
	en, _, err := e.mine(ctx, name)
	if err != nil {
		return control.Receipt{}, err
	}
	return e.receipt(en)
}

// Withdraw implements control.Control.
func (e *Engine) Withdraw(ctx context.Context, p control.PublishRequest) (control.Receipt, error) {
	r, err := e.checkOwn(p.Record)
	if err != nil {
		return control.Receipt{}, err
	}
	if !r.Tombstone() {
		return control.Receipt{}, control.Mark(control.ErrInvalid, errors.New("the record is no tombstone"))
	}
	var former string
	en, err := e.sites.change(ctx, r.Root, func(en *entry, known bool) (err error) {
		if former, err = e.mayReplace(ctx, en, known, r, p.Proof); err == nil {
			en.replace(r)
		}
		return err
	})
	if err != nil {
		return control.Receipt{}, err
	}
	e.tellFormer(former, r)
	e.names.Seen(r)
	if e.isOnline() {
		a := e.announceOwn(r)
		ctx, cancel := context.WithTimeout(ctx, e.cfg.PublishFor)
		defer cancel()
		a.awaitFirst(ctx)
		en.Records = a.records()
		e.spawn(func() { e.disown(en) })
	}
	signal(e.owing)
	e.tellSite(en)
	return e.receipt(en)
}

// tellSite tells the author's windows that a site of theirs changed.
func (e *Engine) tellSite(en entry) {
	if s, err := e.describe(en); err == nil {
		e.events.publish(en.User, control.Event{Kind: control.EventSite, Time: time.Now(), Site: &s})
	}
	e.events.poke()
}

// disown tells the network that this node serves a withdrawn site no longer.
// The author's copies stay here, for a later change of mind.
func (e *Engine) disown(en entry) {
	for _, v := range en.Versions {
		if _, err := e.dht.Provide(e.ctx, v.Root, false, 0); err != nil && e.isOnline() {
			e.log.Debug("withdraw a holder", "root", v.Root, "err", err)
		}
	}
}

// ownersOf returns the sites whose present version is this root: the same
// content may stand under several names.
func (e *Engine) ownersOf(root wire.Hash) (found []entry) {
	each(e.sites.own, func(_ identity.PublicKey, en entry) {
		if r, err := en.parsed(); err == nil && r.Content == root {
			found = append(found, en)
		}
	})
	return found
}

// siteError gives the errors of trees and fetches their place in Control.
func siteError(err error) error {
	switch {
	case errors.Is(err, site.ErrRefused):
		return control.Mark(control.ErrBlocked, err)
	case errors.Is(err, site.ErrMissing), errors.Is(err, site.ErrNoHolder):
		return control.Mark(control.ErrMissing, err)
	case errors.Is(err, site.ErrClosed):
		return control.Mark(control.ErrClosed, err)
	case errors.Is(err, site.ErrCorrupt), errors.Is(err, site.ErrLimit), errors.Is(err, site.ErrUnsupported):
		return control.Mark(control.ErrInvalid, err)
	}
	return storeError(err)
}

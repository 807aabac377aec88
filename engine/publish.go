package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
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

// announceEvery is how often the node announces its users' records again;
// they live 48 h in the DHT.
const announceEvery = 12 * time.Hour

// HaveBlocks implements control.Control. What is held is kept for a day, so
// that the answer still holds when the site is published.
func (e *Engine) HaveBlocks(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return e.store.Keep(hashes), nil
}

// PutBlocks implements control.Control.
func (e *Engine) PutBlocks(ctx context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	batch := e.store.NewBatch()
	defer batch.Discard()
	for h, data := range blocks {
		if len(data) > wire.MaxBlock {
			return control.Mark(control.ErrInvalid, fmt.Errorf("block %s is larger than %d bytes", h, wire.MaxBlock))
		}
		if sha256.Sum256(data) != h {
			return control.Mark(control.ErrInvalid, fmt.Errorf("block %s: its bytes have another hash", h))
		}
		if err := batch.PutContext(ctx, h, data); err != nil {
			return storeError(err)
		}
	}
	return storeError(batch.Commit(ctx))
}

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
	blocks, err := site.Preorder(ctx, r.Content, e.store)
	if err != nil {
		return control.Receipt{}, siteError(err)
	}
	en, err := e.adopt(ctx, r, p.Note, blocks)
	if err != nil {
		return control.Receipt{}, err
	}
	e.announceOwn(ctx, &en, r)
	e.awaitCopy(ctx, r, len(blocks))
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
func (e *Engine) adopt(ctx context.Context, r *record.Record, note string, blocks []wire.Hash) (entry, error) {
	en, err := e.bookFor(ctx, r)
	if err != nil {
		return entry{}, err
	}
	info, err := e.keeper.Hold(ctx, voucherOf(r), store.Root{
		Hash: r.Content, Class: store.Own, Owner: r.Root, User: en.User, Size: int64(r.Size), Blocks: blocks,
	})
	if err != nil {
		return entry{}, storeError(err)
	}
	if !info.Full {
		return entry{}, control.Mark(control.ErrMissing, fmt.Errorf("blocks of %s are not here", r.Content))
	}
	en.Record = r.Raw
	en.add(version{Seq: r.Seq, Root: r.Content, Size: int64(r.Size), Time: time.Now(), Note: note})
	if err := e.sites.put(ctx, en); err != nil {
		return entry{}, fmt.Errorf("note the site: %w", err)
	}
	return en, nil
}

// bookFor returns the entry that a new record changes.
func (e *Engine) bookFor(ctx context.Context, r *record.Record) (entry, error) {
	caller := control.CallerFrom(ctx)
	en, known, err := e.sites.get(r.Root)
	if err != nil {
		return entry{}, err
	}
	if !known {
		return entry{Owner: r.Root, User: caller.User}, nil
	}
	if !caller.Owns(en.User) {
		return entry{}, control.Mark(control.ErrDenied, errors.New("another user of this computer publishes this site"))
	}
	old, err := en.parsed()
	if err != nil {
		return entry{}, err
	}
	if old.Hash != r.Hash && !r.Supersedes(&old) {
		return entry{}, control.Mark(control.ErrStale, fmt.Errorf("sequence %d of %s is not above %d, which this node has already", r.Seq, e.nameOf(r), old.Seq))
	}
	return en, nil
}

// announceOwn stores the record of one of this node's sites in the DHT, says
// that the site is here, and notes how far that went.
func (e *Engine) announceOwn(ctx context.Context, en *entry, r *record.Record) {
	if !e.isOnline() {
		return
	}
	e.names.Seen(r)
	stored, err := e.announce(ctx, r)
	if err != nil {
		e.log.Info("announce a record", "name", e.nameOf(r), "err", err)
	}
	if stored > 0 {
		en.Records, en.Announced = stored, time.Now()
		if err := e.sites.put(ctx, *en); err != nil {
			e.log.Warn("note an announcement", "err", err)
		}
	}
	if r.Tombstone() {
		return
	}
	if _, err := e.dht.Provide(ctx, r.Content, true, dht.MaxTTL); err != nil {
		e.log.Info("announce a holder", "root", r.Content, "err", err)
	}
}

// announce puts a signed record under each of its keys and returns how many
// peers stored it under the one that has the fewest.
func (e *Engine) announce(ctx context.Context, r *record.Record) (int, error) {
	fewest := -1
	var errs []error
	for _, key := range r.Keys() {
		stats, err := e.dht.Put(ctx, key, r.Raw)
		if err != nil {
			errs = append(errs, err)
		}
		if n := len(stats.Stored); fewest < 0 || n < fewest {
			fewest = n
		}
	}
	return max(fewest, 0), errors.Join(errs...)
}

// awaitCopy offers the site to volunteers in the background and waits for the
// first complete copy elsewhere, for at most Config.PublishFor.
func (e *Engine) awaitCopy(ctx context.Context, r *record.Record, blocks int) {
	if !e.isOnline() {
		return
	}
	copied, stop := e.events.receipts(r.Content)
	defer stop()
	placed := make(chan struct{})
	e.spawn(func() {
		defer close(placed)
		n, err := e.keeper.Place(e.ctx, replica.Site{Voucher: voucherOf(r), Size: int64(r.Size), Blocks: blocks})
		e.log.Info("copies placed", "name", e.nameOf(r), "copies", n, "err", err)
	})
	timer := time.NewTimer(e.cfg.PublishFor)
	defer timer.Stop()
	for fullCopies(e.keeper.Confirmed(r.Content)) == 0 {
		select {
		case <-copied:
		case <-placed:
			return
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// confirmed is told by the keeper of every copy that another peer confirmed.
func (e *Engine) confirmed(root wire.Hash, _ replica.Confirmation) {
	e.events.confirmed(root)
	en, ok := e.ownerOf(root)
	if !ok {
		return
	}
	if receipt, err := e.receipt(en); err == nil {
		e.events.publish(en.User, control.Event{Kind: control.EventReceipt, Time: time.Now(), Receipt: &receipt})
	}
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
func (e *Engine) Withdraw(ctx context.Context, tombstone []byte) (control.Receipt, error) {
	r, err := e.checkOwn(tombstone)
	if err != nil {
		return control.Receipt{}, err
	}
	if !r.Tombstone() {
		return control.Receipt{}, control.Mark(control.ErrInvalid, errors.New("the record is no tombstone"))
	}
	en, err := e.bookFor(ctx, r)
	if err != nil {
		return control.Receipt{}, err
	}
	en.Record = r.Raw
	if err := e.sites.put(ctx, en); err != nil {
		return control.Receipt{}, err
	}
	e.names.Seen(r)
	e.announceOwn(ctx, &en, r)
	e.disown(ctx, en)
	return e.receipt(en)
}

// disown tells the network that this node serves a withdrawn site no longer.
// The author's copies stay here, for a later change of mind.
func (e *Engine) disown(ctx context.Context, en entry) {
	for _, v := range en.Versions {
		if _, err := e.dht.Provide(ctx, v.Root, false, 0); err != nil && e.isOnline() {
			e.log.Debug("withdraw a holder", "root", v.Root, "err", err)
		}
	}
}

// keepAnnounced announces the records of this node's users again and again,
// tombstones too: a withdrawn name stays withdrawn.
func (e *Engine) keepAnnounced() {
	for e.pause(announceEvery / 12) {
		var due []entry
		err := each(e.sites.own, func(_ identity.PublicKey, en entry) {
			if time.Since(en.Announced) >= announceEvery {
				due = append(due, en)
			}
		})
		if err != nil {
			e.log.Warn("read the book of sites", "err", err)
		}
		for _, en := range due {
			if r, err := en.parsed(); err == nil && !r.Expired(time.Now()) {
				e.announceOwn(e.ctx, &en, &r)
			}
		}
	}
}

// ownerOf returns the site whose present version is this root.
func (e *Engine) ownerOf(root wire.Hash) (found entry, ok bool) {
	each(e.sites.own, func(_ identity.PublicKey, en entry) {
		if r, err := en.parsed(); err == nil && r.Content == root {
			found, ok = en, true
		}
	})
	return found, ok
}

// spawn runs f in a goroutine that Close waits for, unless it has begun to.
func (e *Engine) spawn(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() == nil {
		e.wg.Go(f)
	}
}

// siteError gives the errors of trees and fetches their place in Control.
func siteError(err error) error {
	switch {
	case errors.Is(err, site.ErrMissing), errors.Is(err, site.ErrNoHolder):
		return control.Mark(control.ErrMissing, err)
	case errors.Is(err, site.ErrCorrupt), errors.Is(err, site.ErrLimit), errors.Is(err, site.ErrUnsupported):
		return control.Mark(control.ErrInvalid, err)
	}
	return storeError(err)
}

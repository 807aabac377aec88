package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
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

func (e *Engine) newResolver() *resolver.Resolver {
	return resolver.New(resolver.Config{
		Network: e.network, TLD: e.cfg.TLD, Get: e.dht.Get, Bucket: e.store.Bucket("names"), Gate: e.gate,
		Policy: e.rules.now, Online: e.isOnline, Log: e.log,
	})
}

// Resolve implements control.Control.
func (e *Engine) Resolve(ctx context.Context, name string) (control.Resolution, error) {
	res, err := e.names.Resolve(ctx, name)
	return e.describeResolution(res), nameError(err)
}

// nameError gives the resolver's errors their place in Control.
func nameError(err error) error {
	for _, m := range []struct{ from, to error }{
		{resolver.ErrUnknown, control.ErrUnknown},
		{resolver.ErrConflict, control.ErrConflict},
		{resolver.ErrOwnerChanged, control.ErrOwnerChanged},
		{resolver.ErrWithdrawn, control.ErrWithdrawn},
		{resolver.ErrExpired, control.ErrExpired},
		{resolver.ErrBlocked, control.ErrBlocked},
		{resolver.ErrNotGranted, control.ErrBlocked},
		{resolver.ErrOffline, control.ErrOffline},
		{resolver.ErrClosed, control.ErrClosed},
		{record.ErrBadName, control.ErrInvalid},
		{record.ErrOtherTLD, control.ErrInvalid},
	} {
		if errors.Is(err, m.from) {
			return control.Mark(m.to, err)
		}
	}
	return err
}

func (e *Engine) describeResolution(res resolver.Resolution) control.Resolution {
	if res.Record.IsZero() && len(res.Candidates) == 0 {
		return control.Resolution{}
	}
	r := &res.Record
	unicode, warning := res.Name.Display(e.cfg.TLD)
	host := res.Name.Host(e.cfg.TLD)
	if unicode == host {
		unicode = ""
	}
	out := control.Resolution{
		Name: host, Unicode: unicode, Warning: warning.String(), Stale: res.Stale, Pinned: res.Pinned, Answers: res.Groups,
	}
	if !r.IsZero() {
		out.Address, out.Owner, out.Seq, out.Size = e.address(r.Root), r.Root.String(), r.Seq, int64(r.Size)
		out.Issued, out.Expires, out.Record = r.IssuedAt(), r.ExpiresAt(), r.Raw
	}
	if !r.IsZero() && !r.Tombstone() {
		out.Root = r.Content.String()
	}
	for _, c := range res.Rivals() {
		out.Rivals = append(out.Rivals, control.Rival{
			Address: e.address(c.Owner), Owner: c.Owner.String(), Root: c.Record.Content.String(),
			FirstSeen: fromMillis(c.FirstSeen), Answers: c.Groups,
		})
	}
	return out
}

func fromMillis(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(ms, 1<<52)))
}

// Accept implements control.Control.
func (e *Engine) Accept(ctx context.Context, name string) error {
	return nameError(e.names.Accept(ctx, name))
}

// target finds the root that a name or 64 hex digits mean, and the record
// behind a name.
func (e *Engine) target(ctx context.Context, target string) (wire.Hash, record.Record, error) {
	if h, ok := parseHash(target); ok {
		return h, record.Record{}, nil
	}
	res, err := e.names.Resolve(ctx, target)
	if err != nil {
		return wire.Hash{}, record.Record{}, nameError(err)
	}
	return res.Record.Content, res.Record, nil
}

// complete brings a whole site here and has the store keep it as class says.
func (e *Engine) complete(ctx context.Context, root wire.Hash, p control.Progress) (site.Fetched, error) {
	if reason, refused := e.rules.now().RefusesHash(e.network, root, time.Now()); refused {
		return site.Fetched{}, control.Mark(control.ErrBlocked, fmt.Errorf("site %s is refused here: %s", root, reason))
	}
	user := control.CallerFrom(ctx).User
	tell := func(f site.FetchProgress) {
		p.Done, p.Total = int64(f.Bytes), int64(f.TotalBytes)
		e.events.publish(user, control.Event{Kind: control.EventProgress, Time: time.Now(), Progress: &p})
	}
	p.Root = root.String()
	out, err := e.swarm.Fetch(ctx, root, site.FetchOptions{Progress: tell})
	if err != nil {
		p.Error = err.Error()
		e.events.publish(user, control.Event{Kind: control.EventProgress, Time: time.Now(), Progress: &p})
		return out, e.fetchError(err)
	}
	return out, nil
}

// fetchError says of a failed fetch that the network is off, where it is.
func (e *Engine) fetchError(err error) error {
	if !e.isOnline() && errors.Is(err, site.ErrMissing) {
		return control.Mark(control.ErrOffline, err)
	}
	return siteError(err)
}

// Archive implements control.Control.
func (e *Engine) Archive(ctx context.Context, target string) (io.ReadCloser, error) {
	root, rec, err := e.target(ctx, target)
	if err != nil {
		return nil, err
	}
	view := e.store.For(root)
	out, err := e.complete(ctx, root, control.Progress{Task: "fetch", Name: target})
	if err == nil {
		_, err = e.store.AddRoot(ctx, store.Root{
			Hash: root, Class: store.Cache, Owner: rec.Root, Size: int64(out.Bytes), Blocks: out.Blocks,
		})
	}
	if err != nil {
		view.Close()
		return nil, storeError(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	a := &archive{PipeReader: r, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		defer view.Close()
		w.CloseWithError(site.Tar(ctx, root, view, w))
	}()
	return a, nil
}

// archive is a site on its way out as tar.
type archive struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   chan struct{}
}

// Close ends the writer and waits for it.
func (a *archive) Close() error {
	a.cancel()
	err := a.PipeReader.Close()
	<-a.done
	return err
}

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

// pin keeps a complete site and shares it.
func (e *Engine) pin(ctx context.Context, name string, r *record.Record, f site.Fetched) error {
	user := control.CallerFrom(ctx).User
	_, err := e.keeper.Hold(ctx, voucherOf(r), store.Root{
		Hash: r.Content, Class: store.Pinned, Owner: r.Root, User: user, Size: int64(f.Bytes), Blocks: f.Blocks,
	})
	if err != nil {
		return storeError(err)
	}
	old, had, err := load[pinEntry](e.sites.pins, r.Root)
	if err != nil {
		return err
	}
	p := pinEntry{Name: name, User: user, Root: r.Content, Record: r.Raw, Since: time.Now()}
	if err := save(ctx, e.sites.pins, r.Root, p); err != nil {
		return err
	}
	if had && old.Root != r.Content {
		if err := e.store.DropClass(ctx, old.Root, store.Pinned); err != nil && !errors.Is(err, store.ErrUnknownRoot) {
			return err
		}
	}
	if _, err := e.dht.Provide(ctx, r.Content, true, dht.MaxTTL); err != nil {
		e.log.Info("announce a pinned site", "name", name, "err", err)
	}
	e.tellPinned(p)
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
		if r, err := record.Parse(p.Record); err == nil && caller.Owns(p.User) && want.Matches(&r) {
			owner, found = key, p
		}
	})
	if err != nil {
		return err
	}
	if owner.IsZero() {
		return control.Mark(control.ErrNotFound, fmt.Errorf("%s is not pinned", name))
	}
	if err := e.sites.pins.Delete(ctx, owner[:]); err != nil {
		return err
	}
	if err := e.store.DropClass(ctx, found.Root, store.Pinned); err != nil && !errors.Is(err, store.ErrUnknownRoot) {
		return err
	}
	if _, err := e.dht.Provide(ctx, found.Root, false, 0); err != nil {
		e.log.Debug("withdraw a holder", "root", found.Root, "err", err)
	}
	e.events.poke()
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
		s.Name, s.Address, s.Seq, s.Size, s.Expires = e.nameOf(&r), e.address(r.Root), r.Seq, int64(r.Size), r.ExpiresAt()
	}
	return s
}

func (e *Engine) tellPinned(p pinEntry) {
	s := e.describePin(p)
	e.events.publish(p.User, control.Event{Kind: control.EventSite, Time: time.Now(), Site: &s})
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/resolver"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

func (e *Engine) newResolver() *resolver.Resolver {
	return resolver.New(resolver.Config{
		Network: e.network, TLD: e.cfg.TLD, Get: e.dht.Get, Bucket: e.store.Bucket("names"), Gate: e.gate,
		Policy: e.rules.now, Online: e.isOnline, Group: e.groupOf, Log: e.book.private(),
	})
}

// groupOf returns the IP group whose voice a peer's answer counts for: that of
// its connection, since anybody can sign any address into a record. Peers
// whose session is gone have one voice together.
func (e *Engine) groupOf(p wire.Peer) string {
	if p.ID == e.key.ID() {
		return "" // what lies here was checked when it came
	}
	if remote, ok := e.host.Remote(p.ID); ok {
		return wire.GroupOf(remote)
	}
	return "gone"
}

// Resolve implements control.Control.
func (e *Engine) Resolve(ctx context.Context, name string) (control.Resolution, error) {
	res, err := e.lookUp(ctx, name)
	return e.describeResolution(res), nameError(err)
}

// lookUp resolves a name by the rules of this moment: what the resolver
// remembers may be half a minute old.
func (e *Engine) lookUp(ctx context.Context, name string) (resolver.Resolution, error) {
	if res, blocked := e.blockedHere(name); blocked {
		return res, fmt.Errorf("%s: %w: %s", name, resolver.ErrBlocked, res.Reason)
	}
	res, err := e.names.Resolve(ctx, name)
	if err == nil {
		if reason, refused := e.rules.now().Refuses(&res.Record, time.Now()); refused {
			res.Verdict, res.Reason = record.Blocked, reason
			err = fmt.Errorf("%s: %w", name, resolver.ErrBlocked)
		}
	}
	if errors.Is(err, resolver.ErrOwnerChanged) {
		e.tellOwnerChanged(ctx, res)
	}
	if res.Reason != "" && errors.Is(err, resolver.ErrBlocked) {
		err = fmt.Errorf("%w: %s", err, res.Reason)
	}
	return res, err
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
		{resolver.ErrClock, control.ErrClock},
		{resolver.ErrClosed, control.ErrClosed},
		{store.ErrClosed, control.ErrClosed},
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
	res, err := e.lookUp(ctx, target)
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
	r, w := io.Pipe()
	a := &archive{PipeReader: r, done: make(chan struct{})}
	ctx, a.cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(e.ctx, func() { w.CloseWithError(control.ErrClosed) })
	started := e.spawn(func() {
		defer close(a.done)
		defer stop()
		defer view.Close()
		w.CloseWithError(siteError(site.Tar(ctx, root, view, site.MostUnfolded(out.Bytes), w)))
	})
	if !started {
		a.cancel()
		view.Close()
		return nil, control.ErrClosed
	}
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

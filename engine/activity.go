package engine

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

const (
	// activityLook is how often counts are written down and copies looked at.
	activityLook = time.Minute
	// sampleEvery is how often at most a number of copies is written down.
	sampleEvery = time.Hour
	// keepDays is how many days are kept.
	keepDays = control.ActivityDays
	// copiesBucket holds samples by owner and time.
	copiesBucket = "copies"
)

// keepActivity writes down visits, and copies when their number changed.
func (e *Engine) keepActivity() {
	last := map[identity.PublicKey]control.Sample{}
	for e.pause(activityLook) {
		if err := e.visits.flush(e.ctx); err != nil && e.ctx.Err() == nil {
			e.log.Warn("write down visits", "err", err)
		}
		e.sampleCopies(last, time.Now())
	}
}

// sampleCopies looks at every own and pinned site. last is what was written
// down so far, read where it is not known yet.
func (e *Engine) sampleCopies(last map[identity.PublicKey]control.Sample, now time.Time) {
	roots := map[identity.PublicKey]wire.Hash{}
	each(e.sites.own, func(owner identity.PublicKey, en entry) {
		if r, err := en.parsed(); err == nil && !r.Tombstone() {
			roots[owner] = r.Content
		}
	})
	each(e.sites.pins, func(owner identity.PublicKey, p pinEntry) { roots[owner] = p.Root })
	for owner, root := range roots {
		copies := fullCopies(e.keeper.Confirmed(root))
		old, known := last[owner]
		if !known {
			if samples, err := e.samples(owner); err == nil && len(samples) > 0 {
				old, known = samples[len(samples)-1], true
				last[owner] = old
			}
		}
		if known && (old.Copies == copies || now.Sub(old.Time) < sampleEvery) {
			continue
		}
		if err := e.saveSample(owner, control.Sample{Time: now, Copies: copies}); err != nil {
			e.log.Warn("write down copies", "err", err)
			return
		}
		last[owner] = control.Sample{Time: now, Copies: copies}
	}
}

func (e *Engine) saveSample(owner identity.PublicKey, s control.Sample) error {
	key := binary.BigEndian.AppendUint64(owner[:], uint64(s.Time.UnixMilli()))
	value := binary.BigEndian.AppendUint32(nil, uint32(s.Copies))
	return storeError(e.store.Bucket(copiesBucket).Put(e.ctx, key, value, s.Time.AddDate(0, 0, keepDays)))
}

// samples returns what was written down of an owner's copies, oldest first.
func (e *Engine) samples(owner identity.PublicKey) (out []control.Sample, err error) {
	err = e.store.Bucket(copiesBucket).Range(owner[:], func(key, value []byte, _ time.Time) bool {
		if len(key) == len(owner)+8 && len(value) == 4 {
			ms := int64(binary.BigEndian.Uint64(key[len(owner):]))
			out = append(out, control.Sample{Time: time.UnixMilli(ms), Copies: int(binary.BigEndian.Uint32(value))})
		}
		return true
	})
	return out, storeError(err)
}

// Activity implements control.Control. Pinned sites have one, too; where many
// use the node without visits, since anybody can pin a site to learn whether
// somebody here reads it.
func (e *Engine) Activity(ctx context.Context, name string) (out control.Activity, err error) {
	owner, root, own, err := e.followed(ctx, name)
	if err != nil {
		return out, err
	}
	if own || !control.CallerFrom(ctx).OneOfMany() {
		if out.Visits, err = e.visitsTo(ctx, owner); err != nil {
			return out, err
		}
	}
	if out.Copies, err = e.samples(owner); err != nil {
		return out, err
	}
	if !root.IsZero() { // the line goes on until now
		out.Copies = append(out.Copies, control.Sample{Time: time.Now(), Copies: fullCopies(e.keeper.Confirmed(root))})
	}
	return out, nil
}

// visitsTo returns the visits to an owner's site, oldest first.
func (e *Engine) visitsTo(ctx context.Context, owner identity.PublicKey) (out []control.DayCount, err error) {
	if err := e.visits.flush(ctx); err != nil {
		return nil, err
	}
	err = e.store.Bucket(visitsBucket).Range(owner[:], func(key, raw []byte, _ time.Time) bool {
		var c count
		if json.Unmarshal(raw, &c) == nil {
			out = append(out, control.DayCount{Day: string(key[len(owner):]), Pages: c.Pages, Bytes: c.Bytes})
		}
		return true
	})
	return out, storeError(err)
}

// followed finds a site that the caller published (own) or pinned. The root is
// zero for a withdrawn one.
func (e *Engine) followed(ctx context.Context, name string) (owner identity.PublicKey, root wire.Hash, own bool, err error) {
	en, r, err := e.mine(ctx, name)
	if err == nil {
		return en.Owner, r.Content, true, nil
	}
	want, parseErr := record.ParseName(name, e.cfg.TLD)
	if parseErr != nil {
		return owner, root, false, err
	}
	caller := control.CallerFrom(ctx)
	each(e.sites.pins, func(key identity.PublicKey, p pinEntry) {
		if r, broken := record.Parse(p.Record); broken == nil && caller.Owns(p.User) && want.Matches(&r) {
			owner, root, err = key, p.Root, nil
		}
	})
	return owner, root, false, err
}

// Visited implements control.Control.
func (e *Engine) Visited(ctx context.Context) ([]control.Visited, error) {
	if err := e.visits.flush(ctx); err != nil {
		return nil, err
	}
	pinned := map[identity.PublicKey]bool{}
	caller := control.CallerFrom(ctx)
	err := each(e.sites.pins, func(owner identity.PublicKey, p pinEntry) { pinned[owner] = pinned[owner] || caller.Owns(p.User) })
	if err != nil {
		return nil, err
	}
	out := []control.Visited{}
	err = e.store.Bucket(visitedBucket).Range(nil, func(key, raw []byte, _ time.Time) bool {
		var v visited
		if json.Unmarshal(raw, &v) == nil {
			out = append(out, control.Visited{
				Name: string(key), Title: v.Title, Address: e.address(v.Owner), Root: v.Root,
				Last: v.Last, Times: v.Times, Pinned: pinned[v.Owner],
			})
		}
		return true
	})
	slices.SortFunc(out, func(a, b control.Visited) int { return b.Last.Compare(a.Last) })
	return out, storeError(err)
}

// ClearVisited implements control.Control.
func (e *Engine) ClearVisited(ctx context.Context) error {
	return e.visits.forgetOpened(ctx, func(string, visited) bool { return true })
}

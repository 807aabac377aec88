package resolver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/dht"
	"altnet/engine/record"
)

// maxAnswer is how many records of one answer are looked at: an incumbent and
// its rivals.
const maxAnswer = 5

// flight is one look-up:
//
//	asking --enough, converged or out of patience--> ready --Get ends--> landed
//
// Callers wait for ready. What comes in afterwards still corrects the cache,
// the pin and the memory.
type flight struct {
	r     *Resolver
	name  record.Name
	begun time.Time

	ready   chan struct{}
	changed chan struct{} // holds a token when an answer came

	mu       sync.Mutex
	res      Resolution // valid once ready is closed
	err      error
	votes    []record.Vote
	checked  map[[32]byte]*record.Record // by the hash of the bytes; nil where bad
	future   *record.FutureError         // a record so far ahead that it was dropped
	answered int                         // peers, those who know nothing included
}

func newFlight(r *Resolver, name record.Name) *flight {
	return &flight{
		r: r, name: name, begun: time.Now(),
		ready: make(chan struct{}), changed: make(chan struct{}, 1),
		checked: map[[32]byte]*record.Record{},
	}
}

func (f *flight) result() (Resolution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.res, f.err
}

// run asks, answers the callers as early as it may, and lands.
func (f *flight) run() {
	defer f.r.land(f)
	if !f.r.cfg.Online() {
		f.publish(f.decide(true))
		return
	}
	ctx, cancel := context.WithTimeout(f.r.ctx, f.r.cfg.Finish)
	defer cancel()
	ended := make(chan struct{})
	f.r.wg.Go(func() {
		defer close(ended)
		if _, err := f.r.cfg.Get(ctx, f.name.DHTKey(), f.visit); err != nil {
			f.r.cfg.Log.Debug("look up a name", "name", f.name.Bare(), "err", err)
		}
	})
	early := f.wait(ended)
	if early {
		f.publish(f.decide(false))
		<-ended
	}
	res, err := f.decide(true)
	f.learn(ctx, &res, err)
	f.publish(res, err)
}

// wait returns when the callers can be answered, and whether that is before
// the look-up ended.
func (f *flight) wait(ended <-chan struct{}) (early bool) {
	patience := time.NewTimer(f.r.cfg.Patience)
	defer patience.Stop()
	enough := f.r.cfg.Quorum
	for {
		select {
		case <-ended:
			return false
		case <-patience.C:
			enough = 0 // what was known here before will do
		case <-f.changed:
		}
		res, err := f.decide(false)
		if res.Decisive(enough) || enough == 0 && errors.Is(err, ErrConflict) {
			return true
		}
	}
}

// publish hands an outcome to the callers and the cache.
func (f *flight) publish(res Resolution, err error) {
	f.r.keep(f, res, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.res, f.err = res, err
	select {
	case <-f.ready:
	default:
		close(f.ready)
	}
}

// visit takes one peer's answer. The DHT never calls it twice at once.
func (f *flight) visit(a dht.Answer) (done bool) {
	now := time.Now()
	group := f.r.cfg.Group(a.From)
	v := record.Vote{Group: group}
	for _, s := range a.Records[:min(len(a.Records), maxAnswer)] {
		if r := f.check(s.Value, group, now); r != nil {
			v.Records = append(v.Records, record.Sighting{Record: *r, FirstSeen: s.FirstSeen})
		}
	}
	f.mu.Lock()
	f.answered++
	if len(v.Records) > 0 {
		f.votes = append(f.votes, v)
	}
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
	return false
}

// check verifies a record once, however many peers send it. Expired ones
// pass: they say for whom the name is reserved.
func (f *flight) check(raw []byte, group string, now time.Time) *record.Record {
	sum := sha256.Sum256(raw)
	if r, ok := f.checked[sum]; ok {
		return r
	}
	r, err := record.Check(f.r.cfg.Network, f.name.DHTKey(), raw, now, record.ReadSkew)
	if future := (*record.FutureError)(nil); errors.As(err, &future) {
		f.mu.Lock()
		f.future = future
		f.mu.Unlock()
	}
	if err == nil || errors.Is(err, record.ErrExpired) {
		err = f.r.cfg.Gate.Admit(&r, group, now)
		if errors.Is(err, record.ErrBusy) {
			return nil // another group may still vouch for it
		}
	}
	if err != nil || !f.name.Matches(&r) {
		f.r.cfg.Log.Debug("a peer answered with a bad record", "name", f.name.Bare(), "group", group, "err", err)
		f.checked[sum] = nil
		return nil
	}
	f.checked[sum] = &r
	return &r
}

// decide weighs what has come in so far. last says that no more will come.
func (f *flight) decide(last bool) (Resolution, error) {
	f.mu.Lock()
	votes, answered, future := slices.Clone(f.votes), f.answered, f.future
	f.mu.Unlock()
	known, pin, err := f.r.memory.recall(f.name)
	if err != nil {
		return Resolution{}, err
	}
	now := time.Now()
	res := Resolution{Name: f.name, At: now, Decision: record.Decide(record.Question{
		Network: f.r.cfg.Network, Name: f.name, Votes: votes, Known: known, Pin: pin, Policy: f.r.cfg.Policy(), Now: now,
	})}
	res.Pinned = !pin.IsZero() && pin == res.Owner
	res.Replaced = res.Pinned && f.r.memory.replaced(f.name)
	if res.Verdict == record.OwnerChanged {
		res.Old = pin
	}
	err = outcome(&res)
	if last && errors.Is(err, ErrUnknown) {
		switch {
		case future != nil:
			err = fmt.Errorf("%w: %w", ErrClock, future)
		case answered == 0:
			err = ErrOffline
		}
	}
	return res, err
}

// outcome gives each verdict its error.
func outcome(res *Resolution) error {
	switch res.Verdict {
	case record.Open:
		return nil
	case record.Withdrawn:
		return ErrWithdrawn
	case record.Expired:
		return ErrExpired
	case record.Blocked:
		return ErrBlocked
	case record.Conflict:
		return ErrConflict
	case record.OwnerChanged:
		return ErrOwnerChanged
	case record.NotGranted:
		return ErrNotGranted
	default:
		return ErrUnknown
	}
}

// learn remembers the newest record of every owner that was seen, and pins
// the owner at first use: at the end, when everybody has been heard.
func (f *flight) learn(ctx context.Context, res *Resolution, outcome error) {
	if f.r.ctx.Err() != nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for i := range res.Candidates {
		if err := f.r.memory.remember(ctx, &res.Candidates[i].Record); err != nil {
			f.r.cfg.Log.Warn("remember a record", "name", f.name.Bare(), "err", err)
		}
	}
	if outcome != nil || f.name.IsKey() || res.Pinned || res.Groups == 0 {
		return
	}
	if err := f.r.memory.pinFirst(ctx, f.name.Label, res.Owner, res.At); err != nil {
		f.r.cfg.Log.Warn("pin an owner", "name", f.name.Bare(), "err", err)
		return
	}
	res.Pinned = true
}

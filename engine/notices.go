package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/resolver"
	"altnet/engine/wire"
)

const (
	// sitesLook is how often the node looks whether its users should hear
	// something of their sites.
	sitesLook = 5 * time.Minute
	// lowGrace is how long a copy may be missing before that is news: a peer
	// that restarts is none.
	lowGrace = 15 * time.Minute
	// expiryWarn is how long before its end a record is warned of that nobody
	// has renewed; shorter-lived ones when a quarter of their life is left.
	expiryWarn = 7 * 24 * time.Hour
	// fullQuiet is how long the disk must not have been full before that is
	// news again.
	fullQuiet = 6 * time.Hour
	// toldFor is how long it is remembered that something was told.
	toldFor = 180 * 24 * time.Hour
)

// toldBucket holds what was told, so that nothing is told twice.
const toldBucket = "told"

// told is what the users of one site know of it.
type told struct {
	Root     wire.Hash `json:"root"`          // the version whose copies are counted
	Enough   bool      `json:"enough"`        // it had enough copies since anything was said
	Low      time.Time `json:"low,omitzero"`  // since when it has fewer
	Expiring time.Time `json:"ends,omitzero"` // the end that was warned of
}

// copies notes how many copies a version has, and reports whether it is news
// that it no longer has enough.
func (t *told) copies(root wire.Hash, n int, now time.Time) (news bool) {
	if t.Root != root {
		*t = told{Root: root, Expiring: t.Expiring}
	}
	switch {
	case n >= enoughCopies:
		t.Enough, t.Low = true, time.Time{}
	case !t.Enough:
	case t.Low.IsZero() || now.Before(t.Low):
		t.Low = now
	case now.Sub(t.Low) >= lowGrace:
		t.Enough, t.Low = false, time.Time{}
		return true
	}
	return false
}

// expiring notes when a record ends, and reports whether it is news that this
// is soon.
func (t *told) expiring(issued, ends, now time.Time) (news bool) {
	if ends.Equal(t.Expiring) || ends.Sub(now) > min(expiryWarn, ends.Sub(issued)/4) {
		return false
	}
	t.Expiring = ends
	return true
}

// watched remembers whose copies were counted since the start: until then,
// none known does not mean none there.
type watched struct {
	mu   sync.Mutex
	seen map[wire.Hash]bool
}

func (w *watched) report(root wire.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[root] = true
}

func (w *watched) reported(root wire.Hash) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[root]
}

// watchSites tells users what becomes of their sites and of the disk.
func (e *Engine) watchSites() {
	look := time.NewTicker(sitesLook)
	defer look.Stop()
	var full time.Time
	crowded := false
	for {
		select {
		case <-look.C:
			e.lookAtSites()
			crowded = e.tellCrowded(crowded)
		case <-e.full:
			if now := time.Now(); now.Sub(full) >= fullQuiet || now.Before(full) {
				e.notify(control.Notice{Kind: control.NoticeDiskFull, Text: "The disk is full. AltNet stores nothing more until there is room."})
			}
			full = time.Now()
		case <-e.ctx.Done():
			return
		}
	}
}

// tellCrowded says that what must stay nearly fills the disk budget, once
// until there is room again.
func (e *Engine) tellCrowded(told bool) bool {
	u := e.store.Usage()
	switch kept := u.Own + u.Pinned; {
	case kept < u.Budget/10*9:
		return false
	case told || kept < u.Budget/100*95:
		return told
	}
	e.notify(control.Notice{Kind: control.NoticeDiskFull,
		Text: "Your own and your pinned sites fill the space that AltNet may take. Allow it more, or unpin something."})
	return true
}

func (e *Engine) lookAtSites() {
	err := each(e.sites.own, func(owner identity.PublicKey, en entry) {
		if r, err := en.parsed(); err == nil && !r.Tombstone() {
			e.lookAt(en.User, &r, true)
		}
	})
	if err == nil {
		err = each(e.sites.pins, func(_ identity.PublicKey, p pinEntry) {
			if r, err := record.Parse(p.Record); err == nil && !r.Tombstone() {
				e.lookAt(p.User, &r, false)
			}
		})
	}
	if err != nil && e.ctx.Err() == nil {
		e.log.Warn("look at the sites", "err", err)
	}
}

// lookAt tells a user what is news of one site.
func (e *Engine) lookAt(user string, r *record.Record, own bool) {
	bucket, key := e.store.Bucket(toldBucket), pinKey(r.Root, user)
	old, _, err := load[told](bucket, key)
	if err != nil {
		e.log.Warn("read what was told", "err", err)
		return
	}
	t, now, name := old, time.Now(), e.nameOf(r)
	if own && e.counted(r.Content, now) && t.copies(r.Content, fullCopies(e.keeper.Confirmed(r.Content)), now) {
		e.tell(user, control.Notice{Kind: control.NoticeCopiesLow, Name: name,
			Text: fmt.Sprintf("Fewer than %d other computers hold all of %s now: it may go offline when this computer does.", enoughCopies, name)})
	}
	if t.expiring(r.IssuedAt(), r.ExpiresAt(), now) {
		e.tell(user, control.Notice{Kind: control.NoticeExpiring, Name: name,
			Text: fmt.Sprintf("%s ends on %s unless its author's computer renews it.", name, r.ExpiresAt().Format("2 January 2006"))})
	}
	if t == old {
		return
	}
	if err := save(e.ctx, bucket, key, t); err != nil && e.ctx.Err() == nil {
		e.log.Warn("note what was told", "err", err)
	}
}

// counted reports whether the copies of a site were counted in this run, in
// the network.
func (e *Engine) counted(root wire.Hash, now time.Time) bool {
	return e.isOnline() && (e.watched.reported(root) || now.Sub(e.started) > 2*e.cfg.CheckEvery)
}

// tellPublished says that the present version of a site has its first copy.
func (e *Engine) tellPublished(en entry) {
	if s, err := e.describe(en); err == nil {
		e.tell(en.User, control.Notice{Kind: control.NoticePublished, Name: s.Name, Text: s.Name + " is published: another computer holds all of it."})
	}
}

// tellOwnerChanged says once that a name has another owner than before. Who
// looks a name up in a browser is not known; on a computer that several people
// use, what one of them opens is not the others' business.
func (e *Engine) tellOwnerChanged(ctx context.Context, res resolver.Resolution) {
	name := res.Name.Host(e.cfg.TLD)
	caller, known := control.CallerFrom(ctx), control.HasCaller(ctx)
	key := []byte("owner " + name + " " + res.Owner.String() + " " + caller.User)
	bucket := e.store.Bucket(toldBucket)
	if _, done, err := bucket.Get(key); done || err != nil {
		return
	}
	if err := bucket.Put(e.ctx, key, []byte{1}, time.Now().Add(toldFor)); err != nil {
		return
	}
	n := control.Notice{Kind: control.NoticeOwnerChanged, Name: name, Text: name + " has another owner than before. Open it only if you expected that."}
	if known || e.cfg.Host == control.HostService {
		e.tell(caller.User, n)
		return
	}
	e.notify(n)
}

// tell gives one user a notice.
func (e *Engine) tell(user string, n control.Notice) {
	e.events.publish(user, control.Event{Kind: control.EventNotice, Time: time.Now(), Notice: &n})
}

// notify gives everybody a notice.
func (e *Engine) notify(n control.Notice) {
	e.events.notice(control.Event{Kind: control.EventNotice, Time: time.Now(), Notice: &n})
}

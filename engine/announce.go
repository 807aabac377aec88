package engine

import (
	"context"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/record"
)

const (
	// announceEvery is how often the node announces its users' records again;
	// they live 48 h in the DHT.
	announceEvery = 12 * time.Hour
	// announceLook is how often the book is read for what is due.
	announceLook = time.Hour
	// owedFirst and owedMost bound the time between tries to bring into the
	// network what nobody in it has yet.
	owedFirst = 5 * time.Second
	owedMost  = 5 * time.Minute
)

// announcement is a record on its way into the DHT.
type announcement struct {
	first chan struct{} // closed when a peer has it under each of its keys
	once  sync.Once     // closes first
	done  chan struct{} // closed when everybody has answered

	mu     sync.Mutex
	stored []int // peers, by key
	err    error
}

// records returns how many peers stored the record so far, under the key that
// has the fewest.
func (a *announcement) records() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	fewest := a.stored[0]
	for _, n := range a.stored {
		fewest = min(fewest, n)
	}
	return fewest
}

func (a *announcement) add(key int) {
	a.mu.Lock()
	a.stored[key]++
	a.mu.Unlock()
	if a.records() > 0 {
		a.once.Do(func() { close(a.first) })
	}
}

// announce puts a signed record under each of its keys, all at once, until ctx
// or the engine ends. It returns at once.
func (e *Engine) announce(ctx context.Context, r *record.Record) *announcement {
	keys := r.Keys()
	a := &announcement{first: make(chan struct{}), done: make(chan struct{}), stored: make([]int, len(keys))}
	var puts sync.WaitGroup
	started := e.spawn(func() {
		defer close(a.done)
		for i, key := range keys {
			puts.Go(func() {
				if _, err := e.dht.PutEach(ctx, key, r.Raw, func(dht.StoredAt) { a.add(i) }); err != nil {
					a.mu.Lock()
					defer a.mu.Unlock()
					a.err = err
				}
			})
		}
		puts.Wait()
	})
	if !started {
		a.err = control.ErrClosed
		close(a.done)
	}
	return a
}

// wait returns when everybody has answered.
func (a *announcement) wait() (stored int, err error) {
	<-a.done
	a.mu.Lock()
	err = a.err
	a.mu.Unlock()
	return a.records(), err
}

// announceOwn brings the record of one of this node's sites into the DHT, says
// that the site is here, and notes in the book how far that went.
func (e *Engine) announceOwn(r *record.Record) *announcement {
	a := e.announce(e.ctx, r)
	e.spawn(func() {
		stored, err := a.wait()
		if err != nil {
			e.log.Info("announce a record", "name", e.nameOf(r), "stored", stored, "err", err)
		}
		if stored > 0 {
			e.noteAnnounced(r, stored)
		}
	})
	if !r.Tombstone() {
		e.spawn(func() { e.provideOwn(r) })
	}
	return a
}

// provideOwn says that one of this node's sites is here, and notes it in the
// book once somebody knows.
func (e *Engine) provideOwn(r *record.Record) {
	if _, err := e.dht.Provide(e.ctx, r.Content, true, dht.MaxTTL); err != nil {
		e.log.Info("announce a holder", "root", r.Content, "err", err)
		return
	}
	_, err := e.sites.change(e.ctx, r.Root, func(en *entry, _ bool) error {
		now, err := en.parsed()
		en.Provided = err == nil && now.Content == r.Content
		return nil
	})
	if err != nil {
		e.log.Warn("note an announcement", "name", e.nameOf(r), "err", err)
	}
}

// noteAnnounced writes down who stored a record, unless a newer one has taken
// its place, and tells whoever counts along.
func (e *Engine) noteAnnounced(r *record.Record, stored int) {
	en, err := e.sites.change(e.ctx, r.Root, func(en *entry, _ bool) error {
		if string(en.Record) == string(r.Raw) {
			en.Records, en.Announced = stored, time.Now()
		}
		return nil
	})
	if err != nil {
		e.log.Warn("note an announcement", "name", e.nameOf(r), "err", err)
		return
	}
	e.tellReceipt(en)
}

// offer offers a site to volunteers, in the background. The channel is closed
// when that has ended.
func (e *Engine) offer(r *record.Record, blocks int) <-chan struct{} {
	placed := make(chan struct{})
	started := e.spawn(func() {
		defer close(placed)
		n, err := e.newOffering(r, blocks).place()
		e.log.Info("copies placed", "name", e.nameOf(r), "copies", n, "err", err)
	})
	if !started {
		close(placed)
	}
	return placed
}

// goLive announces a site and offers it, and returns as soon as it is live:
// peers stored its record and one of them has a complete copy. It gives up
// when nobody is left who might, or after Config.PublishFor.
func (e *Engine) goLive(ctx context.Context, r *record.Record, blocks int) *announcement {
	copied, stop := e.events.receipts(r.Content)
	defer stop()
	placed := e.offer(r, blocks)
	a := e.announceOwn(r)
	ctx, cancel := context.WithTimeout(ctx, e.cfg.PublishFor)
	defer cancel()
	a.awaitFirst(ctx)
	for fullCopies(e.keeper.Confirmed(r.Content)) == 0 {
		select {
		case <-copied:
		case <-placed:
			return a
		case <-ctx.Done():
			return a
		}
	}
	return a
}

// awaitFirst waits until a peer has the record under each key, or nobody will.
func (a *announcement) awaitFirst(ctx context.Context) {
	select {
	case <-a.first:
	case <-a.done:
	case <-ctx.Done():
	}
}

// keepAnnounced announces the records of this node's users again and again,
// tombstones too: a withdrawn name stays withdrawn. What was published while
// nobody could be reached is brought in as soon as somebody can.
func (e *Engine) keepAnnounced() {
	retry := owedFirst
	for {
		timer := time.NewTimer(announceLook)
		select {
		case <-e.owing:
		case <-timer.C:
		case <-e.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		if !e.isOnline() {
			continue
		}
		if !e.announceDue() {
			retry = owedFirst
			continue
		}
		if !e.pause(retry) {
			return
		}
		retry = min(2*retry, owedMost)
		signal(e.owing)
	}
}

// unannounced reports whether a record is to be announced: from time to time,
// and once in every run of the node, whatever the book says. Those who stored it
// may have crashed with it, or gone while this node was off.
func (e *Engine) unannounced(en entry) bool {
	return en.Announced.Before(e.started) || time.Since(en.Announced) >= announceEvery
}

// announceDue announces what is due and offers what nobody has taken yet. It
// reports whether something is still owed.
func (e *Engine) announceDue() (owed bool) {
	var due []entry
	now := time.Now()
	err := each(e.sites.own, func(_ identity.PublicKey, en entry) {
		if en.owed() || e.unannounced(en) {
			due = append(due, en)
		}
	})
	if err != nil {
		e.log.Warn("read the book of sites", "err", err)
	}
	for _, en := range due {
		r, err := en.parsed()
		if err != nil || r.Expired(now) {
			continue
		}
		if _, refused := e.rules.now().Refuses(&r, now); refused && !r.Tombstone() {
			continue
		}
		if e.unannounced(en) {
			e.announceOwn(&r).wait()
		} else if !en.Provided && !r.Tombstone() {
			e.provideOwn(&r)
		}
		// The count of copies does not outlive a run: it is taken again at once.
		if (!en.Placed || en.Announced.Before(e.started)) && !r.Tombstone() {
			e.keeper.Check(r.Content)
		}
		if en, known, err := e.sites.get(en.Owner); err == nil && known && (en.owed() || e.unannounced(en)) {
			owed = true
		}
	}
	return owed
}

// tellReceipt tells the author how far a site has come.
func (e *Engine) tellReceipt(en entry) {
	if receipt, err := e.receipt(en); err == nil {
		e.events.publish(en.User, control.Event{Kind: control.EventReceipt, Time: time.Now(), Receipt: &receipt})
	}
}

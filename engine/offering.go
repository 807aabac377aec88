package engine

import (
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/replica"
)

// offerEvery bounds how often a person is told how far the first copy is.
const offerEvery = 500 * time.Millisecond

// offering tells whose site it is how far its first copy has come, from the
// first offer to the end.
type offering struct {
	e    *Engine
	site replica.Site

	mu   sync.Mutex
	now  control.Progress
	last time.Time // told then
}

func (e *Engine) newOffering(r *record.Record, blocks int) *offering {
	o := &offering{e: e, site: replica.Site{Voucher: voucherOf(r), Size: int64(r.Size), Blocks: blocks}}
	o.now = control.Progress{Task: control.TaskOffer, Name: e.nameOf(r), Root: r.Content.String(), Total: max(int64(r.Size), 1)}
	o.site.Reached = o.reached
	return o
}

// place offers the site, and says how far that is until it has ended.
func (o *offering) place() (copies int, err error) {
	copies, err = o.e.keeper.Place(o.e.ctx, o.site)
	o.mu.Lock()
	defer o.mu.Unlock()
	if copies == 0 && err != nil {
		o.now.Error = err.Error()
	} else {
		o.now.Done = o.now.Total
	}
	o.tellLocked()
	return copies, err
}

// reached is told how many blocks some volunteer has. What it has of a site is
// not yet a copy that counts: that comes with the end.
func (o *offering) reached(blocks int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	done := int64(float64(o.site.Size) * float64(blocks) / float64(max(o.site.Blocks, 1)))
	o.now.Done = max(o.now.Done, min(done, o.now.Total-1))
	if time.Since(o.last) >= offerEvery {
		o.tellLocked()
	}
}

func (o *offering) tellLocked() {
	o.last = time.Now()
	p := o.now
	en, known, err := o.e.sites.get(o.site.Owner)
	if err != nil || !known {
		return // withdrawn, or no longer ours
	}
	o.e.events.publish(en.User, control.Event{Kind: control.EventProgress, Time: o.last, Progress: &p})
}

package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
)

// offers returns what a reader was told of offers since the last time.
func offers(r *reader) (told []control.Progress) {
	for {
		select {
		case ev := <-r.events:
			if ev.Progress != nil && ev.Progress.Task == control.TaskOffer {
				told = append(told, *ev.Progress)
			}
		default:
			return told
		}
	}
}

// Who publishes is told how far the first copy is, not too often, and when the
// offer has ended; nobody else is.
func TestOffersAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.nodes(3)[0]
		mine, other := e.events.join(control.CallerFrom(t.Context())), e.events.join(control.Caller{User: "somebody", Operator: true})
		r := publishFolder(t, e, 1, page(t, "", "mine"))
		v.pass(time.Minute)
		ended := offers(mine)
		if len(ended) == 0 {
			t.Fatal("the end of the offer was not told")
		}
		last := ended[len(ended)-1]
		if last.Root != r.Content.String() || last.Name != e.nameOf(&r) || last.Done != last.Total || last.Total != int64(r.Size) || last.Error != "" {
			t.Errorf("at the end: %+v", last)
		}

		o := e.newOffering(&r, 1000)
		for blocks := range 1000 {
			o.reached(blocks + 1)
			time.Sleep(10 * time.Millisecond)
		}
		told := offers(mine)
		if len(told) != 20 {
			t.Errorf("told %d times in ten seconds", len(told))
		}
		for i, p := range told {
			if p.Done >= p.Total || i > 0 && p.Done < told[i-1].Done {
				t.Errorf("before the end: %+v", p)
			}
		}
		if told := offers(other); len(told) > 0 {
			t.Errorf("somebody else was told %+v", told)
		}
	})
}

// An offer that nobody takes ends with the reason.
func TestOffersThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		e := v.node(nil, v.node(func(c *Config) { c.NoVolunteer = true }))
		mine := e.events.join(control.CallerFrom(t.Context()))
		publishFolder(t, e, 1, page(t, "", "mine"))
		v.pass(time.Minute)
		told := offers(mine)
		if len(told) == 0 || told[len(told)-1].Error == "" {
			t.Errorf("told %+v", told)
		}
	})
}

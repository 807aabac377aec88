package engine

import (
	"testing"
	"time"

	"altnet/engine/identity"
)

// One damaged value costs itself alone.
func TestDamagedCountsAreBegunAnew(t *testing.T) {
	e := serving(t, nil)
	ctx, now := t.Context(), time.Now()
	key := countKey{identity.PublicKey{1}, now.Format(dayForm)}
	for bucket, k := range map[string][]byte{visitsBucket: key.bytes(), visitedBucket: []byte("a.alt")} {
		if err := e.store.Bucket(bucket).Put(ctx, k, []byte(`{"pages":`), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	e.visits.mu.Lock()
	e.visits.counts[key] = count{Pages: 3}
	e.visits.opened["a.alt"] = visited{Title: "A", First: now, Last: now}
	e.visits.mu.Unlock()
	if err := e.visits.flush(ctx); err != nil {
		t.Fatal(err)
	}
	c, _, err := load[count](e.store.Bucket(visitsBucket), key.bytes())
	if err != nil || c.Pages != 3 {
		t.Errorf("counted %+v, %v", c, err)
	}
	v, _, err := load[visited](e.store.Bucket(visitedBucket), []byte("a.alt"))
	if err != nil || v.Title != "A" || v.Times != 1 {
		t.Errorf("visited %+v, %v", v, err)
	}
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"altnet/engine/gateway"
	"altnet/engine/identity"
	"altnet/engine/store"
)

const (
	// visitsBucket holds counts by owner and day, visitedBucket the sites that
	// were opened here, by name.
	visitsBucket  = "visits"
	visitedBucket = "visited"
	// maxVisited bounds that list; the sites opened longest ago go first.
	maxVisited = 500
	// sameVisit is how long after the last page another still belongs to the
	// same visit.
	sameVisit = 30 * time.Minute
	// dayForm is a day as it is counted: the computer's own.
	dayForm = "2006-01-02"
)

// visits counts what the gateway shows, and remembers what was opened. Counts
// are of sites that this node publishes or keeps, by day, and say nothing of
// who read. What was opened is the history of the Browse page: a loopback
// gateway cannot tell the users of a computer apart, so it belongs to the node
// and to whoever may operate it. Neither is ever logged.
type visits struct {
	e *Engine

	writing sync.Mutex // held while counts move from memory to disk

	mu     sync.Mutex
	counts map[countKey]count
	opened map[string]visited
}

type countKey struct {
	owner identity.PublicKey
	day   string
}

func (k countKey) bytes() []byte { return append(k.owner[:], k.day...) }

type count struct {
	Pages int64 `json:"pages"`
	Bytes int64 `json:"bytes"`
}

// visited is a site that was opened here.
type visited struct {
	Title string             `json:"title,omitempty"`
	Owner identity.PublicKey `json:"owner"`
	Root  string             `json:"root"`
	First time.Time          `json:"-"` // page not written down yet
	Last  time.Time          `json:"last"`
	Times int                `json:"times"`
}

func newVisits(e *Engine) *visits {
	return &visits{e: e, counts: map[countKey]count{}, opened: map[string]visited{}}
}

// add takes what the gateway tells of an answer. It waits for nothing.
func (vs *visits) add(v gateway.Visit) {
	owner, err := identity.ParsePublicKey(v.Site.Owner)
	if err != nil {
		return
	}
	page := v.Page && (v.Status == http.StatusOK || v.Status == http.StatusNotModified)
	info, held := vs.e.store.Root(v.Site.Root)
	counted := held && info.Class&^store.Cache != 0
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if counted {
		key := countKey{owner, v.Time.Local().Format(dayForm)}
		c := vs.counts[key]
		c.Bytes += v.Bytes
		if page {
			c.Pages++
		}
		vs.counts[key] = c
	}
	if page && v.Here {
		vs.openedLocked(v, owner)
	}
}

func (vs *visits) openedLocked(v gateway.Visit, owner identity.PublicKey) {
	old, again := vs.opened[v.Site.Name]
	n := visited{Title: v.Title, Owner: owner, Root: v.Site.Root.String(), First: v.Time, Last: v.Time}
	if again {
		n.First, n.Times = old.First, old.Times
		if n.Title == "" {
			n.Title = old.Title
		}
		if v.Time.Sub(old.Last) > sameVisit {
			n.Times++
		}
	} else if len(vs.opened) >= maxVisited {
		return // since the last minute: no person
	}
	vs.opened[v.Site.Name] = n
}

// take empties the memory.
func (vs *visits) take() (map[countKey]count, map[string]visited) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	counts, opened := vs.counts, vs.opened
	vs.counts, vs.opened = map[countKey]count{}, map[string]visited{}
	return counts, opened
}

// flush writes down what is in memory. What cannot be written is lost: a count
// is not worth a full disk's despair.
func (vs *visits) flush(ctx context.Context) error {
	vs.writing.Lock()
	defer vs.writing.Unlock()
	counts, opened := vs.take()
	if len(counts) == 0 && len(opened) == 0 {
		return nil
	}
	return storeError(vs.e.store.Update(ctx, func(tx *store.Tx) error {
		for key, more := range counts {
			if err := addCount(tx.Bucket(visitsBucket), key, more); err != nil {
				return err
			}
		}
		for name, v := range opened {
			if err := addVisited(tx.Bucket(visitedBucket), name, v); err != nil {
				return err
			}
		}
		return trimVisited(tx.Bucket(visitedBucket))
	}))
}

func addCount(b store.TxBucket, key countKey, more count) error {
	day, err := time.ParseInLocation(dayForm, key.day, time.Local)
	if err != nil {
		return err
	}
	c := read[count](b, key.bytes())
	c.Pages, c.Bytes = c.Pages+more.Pages, c.Bytes+more.Bytes
	return write(b, key.bytes(), c, day.AddDate(0, 0, keepDays))
}

func addVisited(b store.TxBucket, name string, v visited) error {
	old := read[visited](b, []byte(name))
	if v.Title == "" {
		v.Title = old.Title
	}
	v.Times += old.Times
	if v.First.Sub(old.Last) > sameVisit {
		v.Times++
	}
	return write(b, []byte(name), v, time.Time{})
}

// trimVisited keeps the list short.
func trimVisited(b store.TxBucket) error {
	last := map[string]time.Time{}
	b.Range(nil, func(key, raw []byte, _ time.Time) bool {
		var v visited
		if json.Unmarshal(raw, &v) == nil {
			last[string(key)] = v.Last
		}
		return true
	})
	for len(last) > maxVisited {
		oldest := ""
		for name, t := range last {
			if oldest == "" || t.Before(last[oldest]) {
				oldest = name
			}
		}
		if err := b.Delete([]byte(oldest)); err != nil {
			return err
		}
		delete(last, oldest)
	}
	return nil
}

// read reads a value where there is one that can be read: a damaged one is not
// worth that nothing is counted any more.
func read[T any](b store.TxBucket, key []byte) T {
	var v, none T
	raw, ok := b.Get(key)
	if !ok || json.Unmarshal(raw, &v) != nil {
		return none
	}
	return v
}

func write(b store.TxBucket, key []byte, v any, until time.Time) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, raw, until)
}

// forgetOpened forgets every site that was opened, or those that match.
func (vs *visits) forgetOpened(ctx context.Context, match func(name string, v visited) bool) error {
	vs.writing.Lock()
	defer vs.writing.Unlock()
	vs.mu.Lock()
	for name, v := range vs.opened {
		if match(name, v) {
			delete(vs.opened, name)
		}
	}
	vs.mu.Unlock()
	return storeError(vs.e.store.Update(ctx, func(tx *store.Tx) error {
		b := tx.Bucket(visitedBucket)
		var gone []string
		b.Range(nil, func(key, raw []byte, _ time.Time) bool {
			var v visited
			if err := json.Unmarshal(raw, &v); err != nil || match(string(key), v) {
				gone = append(gone, string(key))
			}
			return true
		})
		var errs []error
		for _, name := range gone {
			errs = append(errs, b.Delete([]byte(name)))
		}
		return errors.Join(errs...)
	}))
}

// closeTime bounds the last writing.
const closeTime = 5 * time.Second

// close writes down what is left. The gateway is closed already.
func (vs *visits) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return vs.flush(ctx)
}

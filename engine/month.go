package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/store"
)

const (
	// monthsKept is how many months are remembered: a clock that was wrong for
	// a while must not wipe out what the true month used.
	monthsKept = 12
	// saveBytes and saveEvery say when the count is written down: a crash loses
	// less than that.
	saveBytes = 1 << 20
	saveEvery = 15 * time.Minute
)

var monthKey = []byte("month")

// month counts the traffic of each calendar month. The zero month has counted
// nothing.
type month struct {
	mu    sync.Mutex
	book  monthBook
	seen  uint64 // of the host's traffic, what is counted already
	dirty int64  // bytes that are not written down
	saved time.Time
}

// monthBook is what is written down.
type monthBook struct {
	Used map[string]int64 `json:"used"` // bytes, by month
	Told string           `json:"told"` // month and limit that people were told of
}

// monthOf names the calendar month of a time.
func monthOf(t time.Time) string { return t.Format("2006-01") }

// monthEnd returns when the next month begins.
func monthEnd(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location())
}

func (m *month) load(b *store.Bucket) error {
	book, _, err := load[monthBook](b, monthKey)
	if err != nil {
		return fmt.Errorf("read the month's traffic: %w", err)
	}
	m.book = book
	return nil
}

// count notes the host's traffic since its start.
func (m *month) count(now time.Time, traffic uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := int64(traffic - min(m.seen, traffic))
	m.seen = traffic
	if n == 0 {
		return
	}
	if m.book.Used == nil {
		m.book.Used = map[string]int64{}
	}
	m.dirty += n
	m.book.Used[monthOf(now)] += n
	for len(m.book.Used) > monthsKept {
		oldest := slices.Sorted(maps.Keys(m.book.Used))
		delete(m.book.Used, oldest[slices.IndexFunc(oldest, func(k string) bool { return k != monthOf(now) })])
	}
}

// used returns the bytes of the month of a time.
func (m *month) used(now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.book.Used[monthOf(now)]
}

// over reports whether a limit, where there is one, is reached.
func (m *month) over(now time.Time, limit int64) bool { return limit > 0 && m.used(now) >= limit }

// save writes the count down where that is due.
func (m *month) save(ctx context.Context, b *store.Bucket, now time.Time, due bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	late := m.dirty > 0 && (now.Sub(m.saved) >= saveEvery || now.Before(m.saved))
	if !due && m.dirty < saveBytes && !late {
		return nil
	}
	if err := save(ctx, b, monthKey, m.book); err != nil {
		return err
	}
	m.dirty, m.saved = 0, now
	return nil
}

// tell reports whether people are still to be told that a limit is reached.
func (m *month) tell(now time.Time, limit int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	event := fmt.Sprintf("%s %d", monthOf(now), limit)
	told := m.book.Told == event
	m.book.Told = event
	return !told
}

// countMonth brings the month's count up to date and has the host ring when
// the limit will be reached.
func (e *Engine) countMonth() {
	now := time.Now()
	up, down := e.host.Traffic()
	e.month.count(now, up+down)
	if err := e.month.save(e.ctx, e.store.Bucket(settingsBucket), now, false); err != nil && e.ctx.Err() == nil {
		e.log.Warn("note the month's traffic", "err", err)
	}
	left := int64(-1)
	if limit := e.chosen().MonthLimit; !e.month.over(now, limit) && limit > 0 {
		left = limit - e.month.used(now)
	}
	e.host.SetAlarm(left)
}

// tellMonth says once that the month's traffic is used up.
func (e *Engine) tellMonth() {
	now, limit := time.Now(), e.chosen().MonthLimit
	if !e.month.over(now, limit) || !e.month.tell(now, limit) {
		return
	}
	if err := e.month.save(e.ctx, e.store.Bucket(settingsBucket), now, true); err != nil {
		e.log.Warn("note the month's traffic", "err", err)
	}
	e.notify(control.Notice{
		Kind: control.NoticeMonthLimit,
		Text: "This month's traffic is used up. AltNet pauses until " + monthEnd(now).Format("2 January") + "; a higher limit ends that.",
	})
}

// monthUsed is the month's traffic up to this moment.
func (e *Engine) monthUsed(traffic uint64) int64 {
	now := time.Now()
	e.month.count(now, traffic)
	return e.month.used(now)
}

// closeMonth writes the count down before the store closes.
func (e *Engine) closeMonth() error {
	now := time.Now()
	up, down := e.host.Traffic()
	e.month.count(now, up+down)
	return e.month.save(context.WithoutCancel(e.ctx), e.store.Bucket(settingsBucket), now, e.month.unsaved())
}

func (m *month) unsaved() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dirty > 0
}

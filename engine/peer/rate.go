package peer

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// ratePiece is how many bytes one connection may move before the next has
	// its turn, while there is a limit.
	ratePiece = 16 << 10
	// writeTimeout is how long a peer may take to accept a piece.
	writeTimeout = 10 * time.Second
)

// limit holds connections to a byte rate together. The zero limit is none and
// costs one load.
type limit struct{ bucket atomic.Pointer[bucket] }

// bucket is one rate; gone is closed when it is no longer in force.
type bucket struct {
	*rate.Limiter
	gone chan struct{}
}

func (l *limit) on() bool { return l.bucket.Load() != nil }

// set puts a rate in force, 0 for none.
func (l *limit) set(perSecond int64) {
	var b *bucket
	if perSecond > 0 {
		burst := int(min(max(ratePiece, perSecond/8), 1<<30))
		b = &bucket{rate.NewLimiter(rate.Limit(perSecond), burst), make(chan struct{})}
	}
	if old := l.bucket.Load(); old != nil && b != nil && old.Limit() == b.Limit() {
		return
	}
	if old := l.bucket.Swap(b); old != nil {
		close(old.gone)
	}
}

// take waits until n more bytes, at most ratePiece, fit the rate, or until
// closed. It reports whether there was anything to wait for.
func (l *limit) take(n int, closed <-chan struct{}) (waited bool) {
	for {
		b := l.bucket.Load()
		if b == nil {
			return waited
		}
		delay := b.ReserveN(time.Now(), n).Delay()
		if delay <= 0 {
			return waited
		}
		waited = true
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
			return true
		case <-closed:
			timer.Stop()
			return true
		case <-b.gone:
			timer.Stop()
		}
	}
}

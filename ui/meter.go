package ui

import (
	"sync"
	"time"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// meter carries how far something is from the goroutines that do it to the one
// that draws, which it asks to draw at most once at a time.
type meter struct {
	app   *App
	draw  func()
	began time.Time

	mu     sync.Mutex
	latest measured
	asked  bool // draw is on its way
}

func newMeter(a *App, draw func()) *meter { return &meter{app: a, draw: draw, began: time.Now()} }

// measured is how far it is.
type measured struct {
	done, total  int64 // bytes
	files, all   int
	tries, about uint   // of the work for a name
	signed       string // the content root
	copied       int64  // bytes that the first other computer has
	copying      int64  // of so many; 0: not known
}

func (m *meter) read(p publisher.Progress) {
	m.set(func(v *measured) {
		v.done, v.total, v.files, v.all = p.Bytes, p.TotalBytes, p.Files, p.TotalFiles
	})
}

func (m *meter) claim(tries, about uint) {
	m.set(func(v *measured) { v.tries, v.about = tries, about })
}

func (m *meter) sign(root string) { m.set(func(v *measured) { v.signed = root }) }

// offered takes how far the first copy is.
func (m *meter) offered(p control.Progress) {
	if p.Error == "" && p.Root == m.now().signed {
		m.set(func(v *measured) { v.copied, v.copying = p.Done, p.Total })
	}
}

func (m *meter) set(change func(*measured)) {
	m.mu.Lock()
	change(&m.latest)
	ask := !m.asked
	m.asked = true
	m.mu.Unlock()
	if ask {
		m.app.do(m.drawn)
	}
}

// drawn runs on the goroutine that draws.
func (m *meter) drawn() {
	m.mu.Lock()
	m.asked = false
	m.mu.Unlock()
	m.draw()
}

// spent is how long it has been going on.
func (m *meter) spent() time.Duration { return time.Since(m.began) }

func (m *meter) now() measured {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

// pace is the mean speed so far and how long the rest takes at it; zero where
// it is too early to say.
func (v measured) pace(spent time.Duration) (perSecond int64, left time.Duration) {
	if spent < time.Second || v.done <= 0 {
		return 0, 0
	}
	perSecond = int64(float64(v.done) / spent.Seconds())
	if perSecond > 0 {
		left = time.Duration(float64(v.total-v.done) / float64(perSecond) * float64(time.Second))
	}
	return perSecond, left
}

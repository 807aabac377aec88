package peer

import (
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts the bytes of a connection, holds them to the host's rates and
// remembers when it last heard.
type meter struct {
	net.Conn
	all       *traffic
	up, down  atomic.Uint64
	lastHeard atomic.Int64 // unix nanoseconds
	closing   sync.Once
	closed    chan struct{}
}

func newMeter(c net.Conn, all *traffic) *meter {
	m := &meter{Conn: c, all: all, closed: make(chan struct{})}
	m.lastHeard.Store(time.Now().UnixNano())
	return m
}

// Read implements net.Conn. What came too fast is handed on late, so that the
// peer's own congestion control slows it down.
func (m *meter) Read(b []byte) (int, error) {
	limited := m.all.downRate.on()
	if limited && len(b) > ratePiece {
		b = b[:ratePiece]
	}
	n, err := m.Conn.Read(b)
	if n > 0 {
		m.down.Add(uint64(n))
		m.all.countDown(n)
		m.lastHeard.Store(time.Now().UnixNano())
	}
	if limited && n > 0 {
		m.all.downRate.take(n, m.closed)
	}
	return n, err
}

// Write implements net.Conn.
func (m *meter) Write(b []byte) (n int, err error) {
	if !m.all.upRate.on() {
		return m.write(b)
	}
	for n < len(b) && err == nil {
		piece := b[n:min(n+ratePiece, len(b))]
		if m.all.upRate.take(len(piece), m.closed) {
			// The time spent waiting here says nothing about the peer.
			err = m.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		}
		if err == nil {
			var k int
			k, err = m.write(piece)
			n += k
		}
	}
	return n, err
}

func (m *meter) write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.up.Add(uint64(n))
	m.all.countUp(n)
	return n, err
}

// Close implements net.Conn. It wakes who waits for a rate.
func (m *meter) Close() error {
	m.closing.Do(func() { close(m.closed) })
	return m.Conn.Close()
}

func (m *meter) heard() time.Time { return time.Unix(0, m.lastHeard.Load()) }

// traffic is what all connections of a host share.
type traffic struct {
	up, down         atomic.Uint64
	upRate, downRate limit
	alarm            atomic.Uint64 // of up and down together; 0: none
	ring             func()
}

func (t *traffic) countUp(n int) {
	t.check(t.up.Add(uint64(n)) + t.down.Load())
}

func (t *traffic) countDown(n int) {
	t.check(t.down.Add(uint64(n)) + t.up.Load())
}

// check rings once when a sum has reached the alarm.
func (t *traffic) check(sum uint64) {
	if at := t.alarm.Load(); at != 0 && sum >= at && t.alarm.CompareAndSwap(at, 0) && t.ring != nil {
		t.ring()
	}
}

// Traffic returns the bytes sent to and received from peers since Start.
func (h *Host) Traffic() (up, down uint64) { return h.traffic.up.Load(), h.traffic.down.Load() }

// SetRates limits the bytes per second that all sessions together send and
// receive; 0 is no limit. It takes effect at once.
func (h *Host) SetRates(up, down int64) {
	h.traffic.upRate.set(up)
	h.traffic.downRate.set(down)
}

// SetAlarm has Config.Alarm called once when that many more bytes have been
// sent and received together, in the place of an alarm set before. A negative
// number sets none.
func (h *Host) SetAlarm(more int64) {
	if more < 0 {
		h.traffic.alarm.Store(0)
		return
	}
	up, down := h.Traffic()
	sum := up + down
	h.traffic.alarm.Store(max(1, sum+min(uint64(more), math.MaxUint64-sum)))
	up, down = h.Traffic()
	h.traffic.check(up + down)
}

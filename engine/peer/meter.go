package peer

import (
	"net"
	"sync/atomic"
	"time"
)

// meter counts the bytes of a connection and remembers when it last heard.
type meter struct {
	net.Conn
	up, down  atomic.Uint64
	allUp     *atomic.Uint64
	allDown   *atomic.Uint64
	lastHeard atomic.Int64 // unix nanoseconds
}

func newMeter(c net.Conn, up, down *atomic.Uint64) *meter {
	m := &meter{Conn: c, allUp: up, allDown: down}
	m.lastHeard.Store(time.Now().UnixNano())
	return m
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if n > 0 {
		m.down.Add(uint64(n))
		m.allDown.Add(uint64(n))
		m.lastHeard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	m.up.Add(uint64(n))
	m.allUp.Add(uint64(n))
	return n, err
}

func (m *meter) heard() time.Time { return time.Unix(0, m.lastHeard.Load()) }

package peer

import (
	"errors"
	"sync/atomic"

	"github.com/libp2p/go-yamux/v5"
)

const (
	// baseWindow is the receive window every stream starts with: yamux fixes it.
	baseWindow = 256 << 10
	// maxWindow is what the window of a fast, distant stream grows to: 16 MiB
	// carry 160 MB/s over a round trip of 100 ms.
	maxWindow = 16 << 20
	// sessionWindows is the sum of a session's windows at which none of them
	// grows any more.
	sessionWindows = 2 * maxWindow
	// fairStreams is how many streams a session keeps when the budget of the
	// host is used up by others.
	fairStreams = 4
	// growPriority is the priority yamux asks with when it would like to grow a
	// window; it opens streams with a higher one.
	growPriority = 128
)

var (
	errWindowsFull    = errors.New("no memory for a larger window")
	errTooManyWindows = errors.New("the session's streams hold more memory than their share")
)

// windows is the budget of bytes that peers may make this host buffer.
type windows struct {
	limit int64
	used  atomic.Int64
}

// sessionBudget is one session's part of the budget.
type sessionBudget struct {
	all  *windows
	used atomic.Int64
}

// manager is what yamux asks for every stream.
func (b *sessionBudget) manager() (yamux.MemoryManager, error) { return &streamBudget{session: b}, nil }

// streamBudget implements yamux.MemoryManager. yamux may call Done twice.
type streamBudget struct {
	session *sessionBudget
	held    atomic.Int64
}

// ReserveMemory grants a stream's window. A refused growth costs only speed; a
// refused stream ends the session, so a session keeps a few whatever others do.
func (m *streamBudget) ReserveMemory(size int, prio uint8) error {
	b, n := m.session, int64(size)
	mine, all := b.used.Add(n), b.all.used.Add(n)
	err := error(nil)
	switch {
	case prio <= growPriority && (all > b.all.limit/2 || mine > sessionWindows):
		err = errWindowsFull
	case all > b.all.limit && mine > fairStreams*baseWindow:
		err = errTooManyWindows
	}
	if err != nil {
		b.used.Add(-n)
		b.all.used.Add(-n)
		return err
	}
	m.held.Add(n)
	return nil
}

// ReleaseMemory gives back part of what is held.
func (m *streamBudget) ReleaseMemory(size int) {
	n := min(int64(size), m.held.Load())
	m.held.Add(-n)
	m.session.used.Add(-n)
	m.session.all.used.Add(-n)
}

// Done gives back all that is held.
func (m *streamBudget) Done() {
	n := m.held.Swap(0)
	m.session.used.Add(-n)
	m.session.all.used.Add(-n)
}

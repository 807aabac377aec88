package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// window is how many bytes may be under way in one direction; a writer
	// waits for the reader beyond it.
	window = 1 << 20
	// segmentSize is how much of what arrives at one time is kept in one piece.
	segmentSize = 64 << 10
	// keepBuffer is the most an idle direction holds on to.
	keepBuffer = 4 << 10
)

// pipe is a connection: two directions between two hosts.
type pipe struct {
	net   *Net
	hosts [2]netip.Addr
	ends  [2]*conn
	ways  [2]half // ways[i] carries what end i writes
	open  atomic.Int32
}

// conn is one end of a pipe.
type conn struct {
	pipe          *pipe
	in, out       *half
	local, remote netip.AddrPort
	once          sync.Once
}

func newPipe(n *Net, near, far netip.AddrPort) (*conn, *conn) {
	p := &pipe{net: n, hosts: [2]netip.Addr{near.Addr(), far.Addr()}}
	p.open.Store(2)
	for i := range p.ways {
		h := &p.ways[i]
		h.cond.L = &h.mu
		h.net, h.from, h.to = n, p.hosts[i], p.hosts[1-i]
	}
	p.ends[0] = &conn{pipe: p, in: &p.ways[1], out: &p.ways[0], local: near, remote: far}
	p.ends[1] = &conn{pipe: p, in: &p.ways[0], out: &p.ways[1], local: far, remote: near}
	return p.ends[0], p.ends[1]
}

// kill ends the pipe for whoever runs on a host: the far end sees a reset, as
// soon as it can be reached.
func (p *pipe) kill(host netip.Addr) {
	for i := range p.ways {
		p.ways[i].update(func(h *half) { h.broken = true })
	}
	for i, c := range p.ends {
		if p.hosts[i] == host {
			_ = c.Close()
		}
	}
}

// wake makes whoever waits look again.
func (p *pipe) wake() {
	for i := range p.ways {
		p.ways[i].update(func(*half) {})
	}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	return n, c.wrap("read", err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	return n, c.wrap("write", err)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return opError(op, c.remote, err)
}

// Close ends both directions: the far end reads what was sent, then io.EOF,
// and its writes fail.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.out.update(func(h *half) { h.finished, h.finishedAt = true, h.arrivalLocked() })
		c.in.update(func(h *half) { h.unread, h.segs, h.size = true, nil, 0 })
		if c.pipe.open.Add(-1) == 0 {
			c.pipe.net.forget(c.pipe)
		}
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.update(func(h *half) { h.readBy = t })
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.out.update(func(h *half) { h.writeBy = t })
	return nil
}

// segment is bytes that arrive at one time; the zero time is at once.
type segment struct {
	data []byte
	at   time.Time
}

// half is one direction of a pipe.
type half struct {
	net      *Net
	from, to netip.Addr

	mu              sync.Mutex
	cond            sync.Cond
	segs            []segment
	head            int // bytes of segs[0] already read
	size            int // bytes under way
	last            time.Time
	finished        bool // the writer closed
	finishedAt      time.Time
	unread          bool // the reader closed
	broken          bool // one end was killed
	readBy, writeBy time.Time
}

func (h *half) update(f func(*half)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h)
	h.cond.Broadcast()
}

// read waits for bytes, the end, a deadline or a reset.
func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.unread:
			return 0, net.ErrClosed
		case h.broken && h.net.reach(h.from, h.to):
			return 0, syscall.ECONNRESET
		case past(h.readBy):
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		}
		next, ready := h.nextLocked()
		if ready && len(h.segs) == 0 {
			return 0, io.EOF
		}
		if ready {
			return h.takeLocked(b), nil
		}
		h.waitLocked(earlier(next, h.readBy))
	}
}

// nextLocked says when the next bytes or the end arrive (zero: not known) and
// whether they are here.
func (h *half) nextLocked() (time.Time, bool) {
	if len(h.segs) == 0 && !h.finished || !h.net.reach(h.from, h.to) {
		return time.Time{}, false
	}
	at := h.finishedAt
	if len(h.segs) > 0 {
		at = h.segs[0].at
	}
	return at, at.IsZero() || !time.Now().Before(at)
}

func (h *half) takeLocked(b []byte) int {
	s := &h.segs[0]
	n := copy(b, s.data[h.head:])
	h.head += n
	h.size -= n
	if h.head == len(s.data) {
		h.dropLocked()
	}
	h.cond.Broadcast()
	return n
}

// dropLocked removes the first segment, keeping a small buffer for reuse.
func (h *half) dropLocked() {
	h.head = 0
	spare := h.segs[0].data
	copy(h.segs, h.segs[1:])
	h.segs[len(h.segs)-1] = segment{}
	h.segs = h.segs[:len(h.segs)-1]
	if len(h.segs) == 0 && cap(spare) <= keepBuffer && cap(h.segs) > 0 {
		h.segs[:1][0].data = spare[:0]
	}
}

func (h *half) write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := 0; ; {
		switch {
		case h.finished:
			return n, net.ErrClosed
		case h.broken && h.net.reach(h.from, h.to):
			return n, syscall.ECONNRESET
		case h.unread && h.net.reach(h.from, h.to):
			return n, syscall.EPIPE
		case past(h.writeBy):
			return n, os.ErrDeadlineExceeded
		case n == len(b):
			return n, nil
		}
		if room := window - h.size; room > 0 {
			m := min(room, len(b)-n)
			h.putLocked(b[n : n+m])
			n += m
			h.cond.Broadcast()
			continue
		}
		h.waitLocked(h.writeBy)
	}
}

func (h *half) putLocked(b []byte) {
	h.size += len(b)
	at := h.arrivalLocked()
	if k := len(h.segs); k > 0 && h.segs[k-1].at.Equal(at) && len(h.segs[k-1].data)+len(b) <= segmentSize {
		h.segs[k-1].data = append(h.segs[k-1].data, b...)
		return
	}
	var spare []byte
	if k := len(h.segs); k < cap(h.segs) {
		spare = h.segs[:k+1][k].data[:0]
	}
	h.segs = append(h.segs, segment{data: append(spare, b...), at: at})
}

// arrivalLocked says when what is written now arrives; never before what was
// written earlier.
func (h *half) arrivalLocked() time.Time {
	d := h.net.delay(h.from, h.to)
	if d <= 0 && h.last.IsZero() {
		return time.Time{}
	}
	at := time.Now().Add(max(d, 0))
	if at.Before(h.last) {
		at = h.last
	}
	h.last = at
	return at
}

// waitLocked waits for a change, or for a time if that is set.
func (h *half) waitLocked(until time.Time) {
	if !until.IsZero() {
		t := time.AfterFunc(time.Until(until), func() { h.update(func(*half) {}) })
		defer t.Stop()
	}
	h.cond.Wait()
}

func past(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// earlier returns the earlier of two times of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Package memnet is a network in memory: listeners and connections that behave
// as TCP does, for tests that run real code on virtual time.
//
// Everything in it blocks on condition variables and channels, never on the
// operating system, so inside a testing/synctest bubble waiting for the network
// lets time pass. A Net and what comes out of it belong to the bubble they were
// made in.
package memnet

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// backlog is how many connections wait for Accept before dials are refused.
	backlog = 128
	// connectTimeout ends a dial nobody answers, as an operating system does.
	connectTimeout = 2 * time.Minute
	// firstPort is the first of the ports that Dial and Listen choose.
	firstPort = 32768
)

// Net is one network. Hosts are addresses: they exist as soon as somebody
// listens or dials there.
type Net struct {
	latency atomic.Pointer[func(from, to netip.Addr) time.Duration]
	sides   atomic.Pointer[map[netip.Addr]int]

	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
	pipes     map[*pipe]struct{}
	nextPort  uint16
	changed   chan struct{} // closed and replaced when sides change
}

// New returns a network without latency on which everybody reaches everybody.
func New() *Net {
	return &Net{
		listeners: make(map[netip.AddrPort]*listener),
		pipes:     make(map[*pipe]struct{}),
		nextPort:  firstPort,
		changed:   make(chan struct{}),
	}
}

// SetLatency sets how long a byte travels one way, for what is written from
// now on. The function must be safe for concurrent use; nil means no time.
func (n *Net) SetLatency(oneWay func(from, to netip.Addr) time.Duration) {
	if oneWay == nil {
		n.latency.Store(nil)
		return
	}
	n.latency.Store(&oneWay)
}

// Partition splits the network: hosts of one group reach each other, hosts in
// no group reach each other, and all else is silence: what is sent across waits
// until the network heals, as TCP would resend it. No groups heal it.
func (n *Net) Partition(groups ...[]netip.Addr) {
	sides := make(map[netip.Addr]int)
	for i, g := range groups {
		for _, a := range g {
			sides[a] = i + 1
		}
	}
	n.sides.Store(&sides)
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.changed)
	n.changed = make(chan struct{})
	for p := range n.pipes {
		p.wake()
	}
}

// Kill ends everything on a host at once, as the end of its process would: its
// listeners close and the far ends of its connections see a reset. The host
// can listen and dial again afterwards.
func (n *Net) Kill(host netip.Addr) {
	n.mu.Lock()
	var ls []*listener
	for at, l := range n.listeners {
		if at.Addr() == host {
			ls = append(ls, l)
		}
	}
	var ps []*pipe
	for p := range n.pipes {
		if p.hosts[0] == host || p.hosts[1] == host {
			ps = append(ps, p)
		}
	}
	n.mu.Unlock()
	for _, l := range ls {
		_ = l.Close()
	}
	for _, p := range ps {
		p.kill(host)
	}
}

// Conns counts the connections that are open at one end at least.
func (n *Net) Conns() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pipes)
}

// Listen listens at addr; port 0 picks a free one. An address in use gives
// syscall.EADDRINUSE.
func (n *Net) Listen(addr netip.AddrPort) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if addr.Port() == 0 {
		addr = n.freePortLocked(addr.Addr())
	}
	if _, taken := n.listeners[addr]; taken {
		return nil, opError("listen", addr, syscall.EADDRINUSE)
	}
	l := &listener{net: n, addr: addr, conns: make(chan *conn, backlog), done: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// Dial connects from a host to an address. Where nobody listens the error is
// syscall.ECONNREFUSED; across a partition it waits for ctx, or two minutes.
func (n *Net) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, syscall.ETIMEDOUT)
	defer cancel()
	if err := n.travel(ctx, from, to.Addr()); err != nil {
		return nil, opError("dial", to, err)
	}
	c, err := n.connect(from, to)
	if err != nil {
		return nil, opError("dial", to, err)
	}
	if err := n.travel(ctx, to.Addr(), from); err != nil {
		_ = c.Close()
		return nil, opError("dial", to, err)
	}
	return c, nil
}

// connect makes the pipe and hands its far end to the listener.
func (n *Net) connect(from netip.Addr, to netip.AddrPort) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[to]
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	near, far := newPipe(n, n.freePortLocked(from), to)
	select {
	case l.conns <- far:
	default:
		return nil, syscall.ECONNREFUSED
	}
	n.pipes[near.pipe] = struct{}{}
	return near, nil
}

// travel waits as long as a packet needs from one host to another.
func (n *Net) travel(ctx context.Context, from, to netip.Addr) error {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		if n.reach(from, to) {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	d := n.delay(from, to)
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reach reports whether packets pass between two hosts now.
func (n *Net) reach(a, b netip.Addr) bool {
	sides := n.sides.Load()
	return sides == nil || (*sides)[a] == (*sides)[b]
}

// delay is the time one way, 0 for none.
func (n *Net) delay(from, to netip.Addr) time.Duration {
	if f := n.latency.Load(); f != nil {
		return (*f)(from, to)
	}
	return 0
}

// freePortLocked picks a port; those in use by a listener are passed over.
func (n *Net) freePortLocked(host netip.Addr) netip.AddrPort {
	for {
		at := netip.AddrPortFrom(host, n.nextPort)
		n.nextPort = max(n.nextPort+1, firstPort)
		if _, taken := n.listeners[at]; !taken {
			return at
		}
	}
}

func (n *Net) forget(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pipes, p)
}

// listener is a net.Listener of a Net.
type listener struct {
	net   *Net
	addr  netip.AddrPort
	conns chan *conn
	once  sync.Once
	done  chan struct{}
}

// Accept returns the next connection, or net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, opError("accept", l.addr, net.ErrClosed)
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, opError("accept", l.addr, net.ErrClosed)
	}
}

// Close stops listening and resets the connections nobody accepted.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, l.addr)
		close(l.done)
		l.net.mu.Unlock()
		for {
			select {
			case c := <-l.conns:
				c.pipe.kill(c.local.Addr())
			default:
				return
			}
		}
	})
	return nil
}

// Addr is where the listener listens.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

func opError(op string, at netip.AddrPort, err error) error {
	return &net.OpError{Op: op, Net: "mem", Addr: net.TCPAddrFromAddrPort(at), Err: err}
}

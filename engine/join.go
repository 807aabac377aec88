package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/secure"
	"altnet/engine/wire"
)

const (
	// rejoinFirst is the wait after a first failed try to join; it doubles.
	rejoinFirst = time.Second
	rejoinMost  = time.Minute
	// seedTimeout bounds connecting to one bootstrap address.
	seedTimeout = 15 * time.Second
)

// keepJoined enters the network at the start and whenever the user goes online
// again. What is owed to the network is brought in then.
func (e *Engine) keepJoined() {
	for {
		select {
		case <-e.joining:
		case <-e.ctx.Done():
			return
		}
		e.join()
		signal(e.owing)
	}
}

// join tries to enter the network until it works once or the user goes
// offline. From then on the DHT asks for seeds by itself whenever it knows
// nobody.
func (e *Engine) join() {
	for wait := rejoinFirst; e.isOnline(); wait = min(2*wait, rejoinMost) {
		ctx, cancel := context.WithTimeout(e.ctx, rejoinMost)
		err := e.dht.Bootstrap(ctx, e.seeds(ctx))
		cancel()
		if err == nil {
			e.events.poke()
			return
		}
		e.log.Debug("join the network", "err", err)
		if !e.pause(wait) {
			return
		}
	}
}

// pause waits, or reports false when the engine closes.
func (e *Engine) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}

// seeds connects to every bootstrap address and returns who answered.
func (e *Engine) seeds(ctx context.Context) []wire.Peer {
	var (
		mu    sync.Mutex
		found []wire.Peer
		wg    sync.WaitGroup
	)
	for _, addr := range e.cfg.Bootstrap {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, seedTimeout)
			defer cancel()
			p, err := e.connect(ctx, addr)
			if err != nil {
				e.log.Info("bootstrap address does not answer", "addr", addr, "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, p)
		})
	}
	wg.Wait()
	return found
}

// ErrPinned reports a bootstrap address where another node answers than the
// first time.
var ErrPinned = errors.New("another node answers at this address than before")

// connect reaches host:port, whose key is pinned at first use, or
// nodeid@host:port, whose key is given.
func (e *Engine) connect(ctx context.Context, addr string) (wire.Peer, error) {
	want, hostport, err := splitBootstrap(addr)
	if err != nil {
		return wire.Peer{}, err
	}
	pinned := want.IsZero()
	if pinned {
		want = e.pinOf(hostport)
	}
	ips, err := e.lookup(ctx, hostport)
	if err != nil {
		return wire.Peer{}, err
	}
	var errs []error
	for _, ip := range ips {
		p, err := e.host.Connect(ctx, ip, want)
		if err == nil {
			e.setPin(hostport, p.ID)
			return p, nil
		}
		errs = append(errs, err)
	}
	err = fmt.Errorf("connect to %s: %w", hostport, errors.Join(errs...))
	if pinned && !want.IsZero() && errors.Is(err, secure.ErrWrongPeer) {
		err = fmt.Errorf("%w; if that is right, name it: -bootstrap NODEID@%s: %w", ErrPinned, hostport, err)
	}
	return wire.Peer{}, err
}

// splitBootstrap reads "host:port" or "nodeid@host:port".
func splitBootstrap(addr string) (identity.NodeID, string, error) {
	id, hostport, named := strings.Cut(addr, "@")
	if !named {
		hostport = addr
	}
	host, port, err := net.SplitHostPort(hostport)
	if err == nil && (host == "" || port == "") {
		err = errors.New("host or port is missing")
	}
	var want identity.NodeID
	if err == nil && named {
		want, err = identity.ParseNodeID(id)
	}
	if err != nil {
		return identity.NodeID{}, "", fmt.Errorf("bootstrap address %q: want host:port or nodeid@host:port: %w", addr, err)
	}
	return want, hostport, nil
}

// lookup turns host:port into addresses.
func (e *Engine) lookup(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(hostport); err == nil {
		return []netip.AddrPort{a}, nil
	}
	host, service, _ := net.SplitHostPort(hostport)
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, fmt.Errorf("bootstrap address %s: %w", hostport, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", host, err)
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return out, nil
}

// pinOf returns the node that answered at hostport the first time.
func (e *Engine) pinOf(hostport string) identity.NodeID {
	v, ok, err := e.store.Bucket("bootstrap").Get([]byte(hostport))
	if err != nil || !ok || len(v) != len(identity.NodeID{}) {
		return identity.NodeID{}
	}
	return identity.NodeID(v)
}

func (e *Engine) setPin(hostport string, id identity.NodeID) {
	if e.pinOf(hostport) == id {
		return
	}
	if err := e.store.Bucket("bootstrap").Put(e.ctx, []byte(hostport), id[:], time.Time{}); err != nil {
		e.log.Warn("remember a bootstrap node", "err", err)
	}
}

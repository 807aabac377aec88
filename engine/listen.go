package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"altnet/engine/wire"
)

// listen binds the addresses for peers and returns the port to announce.
func (e *Engine) listen(ctx context.Context) ([]net.Listener, uint16, error) {
	var listeners []net.Listener
	var port uint16
	for _, addr := range e.cfg.Listen {
		l, err := e.listenOne(ctx, addr)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, 0, fmt.Errorf("listen for peers on %s: %w (does another AltNet use the port, or has this computer no such address? choose one with -listen)", addr, err)
		}
		listeners = append(listeners, l)
		e.listening = append(e.listening, l.Addr().String())
		if p, err := netip.ParseAddrPort(l.Addr().String()); err == nil && port == 0 {
			port = p.Port()
		}
	}
	return listeners, port, nil
}

func (e *Engine) listenOne(ctx context.Context, addr string) (net.Listener, error) {
	if e.cfg.ListenFunc != nil {
		return e.cfg.ListenFunc(addr)
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

// announced reads the addresses that the operator wants announced.
func announced(addrs []string) ([]wire.Addr, error) {
	var out []wire.Addr
	for _, s := range addrs {
		a, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, fmt.Errorf("announce %q: give an IP address and a port, such as 203.0.113.7:9000: %w", s, err)
		}
		out = append(out, wire.AddrOf(a))
	}
	return out, nil
}

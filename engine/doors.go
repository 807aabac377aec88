package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"altnet/engine/ca"
	"altnet/engine/control"
	"altnet/engine/dns"
	"altnet/engine/gateway"
)

// doors are the local ways in for browsers.
type doors struct {
	http, https net.Listener
	gateway     *gateway.Gateway
	dns         *dns.Server
	ca          *ca.CA
	serving     sync.WaitGroup
}

// openDoors binds every door, so that an address in use is an error at once.
func (e *Engine) openDoors(ctx context.Context) error {
	d := &e.doors
	var err error
	if d.http, err = bind(ctx, "gateway", e.cfg.Gateway); err != nil {
		return err
	}
	if d.https, err = bind(ctx, "gateway-tls", e.cfg.GatewayTLS); err != nil {
		return err
	}
	if d.https != nil {
		if d.ca, err = ca.Open(ca.Config{Dir: e.cfg.CADir, Suffix: e.cfg.TLD}); err != nil {
			return fmt.Errorf("open the certificate authority in %s: %w", e.cfg.CADir, err)
		}
	}
	if d.http != nil || d.https != nil {
		if d.gateway, err = gateway.New(e.gatewayConfig()); err != nil {
			return err
		}
	}
	return e.openDNS()
}

// bind listens on a door's address; "" keeps it closed.
func bind(ctx context.Context, flag, addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open the door -%s %s: %w (something else listens there? choose another address)", flag, addr, err)
	}
	return l, nil
}

func (e *Engine) openDNS() (err error) {
	if e.cfg.DNS == "" {
		return nil
	}
	ip, err := netip.ParseAddr(e.cfg.DNSIP)
	if err != nil {
		return fmt.Errorf("-dns-ip %q: want an IP address: %w", e.cfg.DNSIP, err)
	}
	e.doors.dns, err = dns.Listen(dns.Config{
		Addrs: []string{e.cfg.DNS}, TLD: e.cfg.TLD, IPs: []netip.Addr{ip}, Upstream: e.cfg.DNSUpstream, Log: e.book.private(),
	})
	if err != nil {
		return fmt.Errorf("open the door -dns %s: %w", e.cfg.DNS, err)
	}
	return nil
}

// serve answers on the bound doors; one that breaks reports to failed.
func (d *doors) serve(failed chan<- error) {
	run := func(l net.Listener, serve func(net.Listener) error) {
		if l == nil {
			return
		}
		d.serving.Go(func() {
			if err := serve(l); err != nil {
				failed <- err
			}
		})
	}
	if d.gateway != nil {
		run(d.http, d.gateway.Serve)
		run(d.https, d.gateway.ServeTLS)
	}
}

func (d *doors) close() error {
	var errs []error
	if d.gateway != nil {
		errs = append(errs, d.gateway.Close())
	}
	for _, l := range []net.Listener{d.http, d.https} {
		if l != nil {
			l.Close() // closed already by its server, unless Run never came
		}
	}
	if d.dns != nil {
		errs = append(errs, d.dns.Close())
	}
	d.serving.Wait()
	return errors.Join(errs...)
}

// describe returns the doors as a status shows them.
func (d *doors) describe() control.Doors {
	var out control.Doors
	if d.http != nil {
		out.Gateway = d.http.Addr().String()
		out.PAC = "http://" + out.Gateway + "/proxy.pac"
	}
	if d.https != nil {
		out.GatewayTLS = d.https.Addr().String()
		out.CA = d.ca.Path()
	}
	if d.dns != nil {
		out.DNS = d.dns.Addrs()[0].String()
	}
	return out
}

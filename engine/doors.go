package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"

	"altnet/engine/ca"
	"altnet/engine/control"
	"altnet/engine/dns"
	"altnet/engine/gateway"
	"altnet/engine/identity"
)

// DoorKeyFile holds, in the data folder, the secret by which the gateway
// proves itself to who may read it.
const DoorKeyFile = "door.key"

// doors are the local ways in for browsers.
type doors struct {
	http, https []net.Listener
	gateway     *gateway.Gateway
	dns         *dns.Server
	ca          *ca.CA
	secret      []byte // of the gateway
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
	if len(d.http)+len(d.https) > 0 {
		if err := e.openGateway(); err != nil {
			return err
		}
	}
	return e.openDNS()
}

// openGateway makes the gateway. It has a root even without an https door:
// https comes through the proxy, too.
func (e *Engine) openGateway() (err error) {
	d := &e.doors
	if d.ca, err = ca.Open(ca.Config{Dir: e.cfg.CADir, Suffix: e.cfg.TLD, Log: e.log}); err != nil {
		return fmt.Errorf("open the certificate authority in %s: %w", e.cfg.CADir, err)
	}
	if d.secret, err = doorKey(e.cfg.Data); err != nil {
		return fmt.Errorf("open the gateway: %w", err)
	}
	d.gateway, err = gateway.New(e.gatewayConfig())
	return err
}

// doorKey reads the secret of a data folder's gateway, or makes it.
func doorKey(data string) ([]byte, error) {
	path := filepath.Join(data, DoorKeyFile)
	text, err := identity.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		return secret, identity.WriteSecret(path, []byte(hex.EncodeToString(secret)+"\n"))
	}
	if err != nil {
		return nil, fmt.Errorf("read the gateway's secret: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("read the gateway's secret: %s does not hold 64 hex digits; move it away, and the next start makes another", path)
	}
	return secret, nil
}

// ProveGateway implements control.Control.
func (e *Engine) ProveGateway(ctx context.Context) ([]string, error) {
	proven := []string{}
	for _, l := range e.doors.http {
		bound, err := netip.ParseAddrPort(l.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("prove the gateway: %w", err)
		}
		if err := gateway.Prove(ctx, dialled(bound), e.doors.secret); errors.Is(err, gateway.ErrImpostor) {
			return nil, control.Mark(control.ErrImpostor, err)
		} else if err != nil {
			return nil, err
		}
		proven = append(proven, dialled(bound).String())
	}
	return proven, nil
}

// dialled is where a browser on this computer reaches what listens at an
// address: one that listens everywhere is reached on loopback.
func dialled(bound netip.AddrPort) netip.AddrPort {
	if !bound.Addr().IsUnspecified() {
		return bound
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), bound.Port())
}

// bind listens on a door's addresses; "" keeps it closed.
func bind(ctx context.Context, flag, addrs string) (out []net.Listener, err error) {
	for addr := range strings.SplitSeq(addrs, ",") {
		if addr = strings.TrimSpace(addr); addr == "" {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, l := range out {
				l.Close()
			}
			return nil, fmt.Errorf("open the door -%s %s: %w (something else listens there? choose another address)", flag, addr, err)
		}
		out = append(out, l)
	}
	return out, nil
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
		Addrs: []string{e.cfg.DNS}, TLD: e.cfg.TLD, IPs: []netip.Addr{ip}, Upstream: e.cfg.DNSUpstream,
		NoForward: e.cfg.DNSOnly, Log: e.book.private(),
	})
	if err != nil {
		return fmt.Errorf("open the door -dns %s: %w", e.cfg.DNS, err)
	}
	return nil
}

// serve answers on the bound doors; one that breaks reports to failed.
func (d *doors) serve(failed chan<- error) {
	run := func(l net.Listener, serve func(net.Listener) error) {
		d.serving.Go(func() {
			if err := serve(l); err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
		})
	}
	for _, l := range d.http {
		run(l, d.gateway.Serve)
	}
	for _, l := range d.https {
		run(l, d.gateway.ServeTLS)
	}
}

func (d *doors) close() error {
	var errs []error
	if d.gateway != nil {
		errs = append(errs, d.gateway.Close())
	}
	for _, l := range append(d.http, d.https...) {
		l.Close() // closed already by its server, unless Run never came
	}
	if d.dns != nil {
		errs = append(errs, d.dns.Close())
	}
	d.serving.Wait()
	return errors.Join(errs...)
}

// localPort is where this machine's *.localhost is served, 0 where it is not.
func (d *doors) localPort() uint16 {
	for _, l := range d.http {
		at, err := netip.ParseAddrPort(l.Addr().String())
		if ip := at.Addr().Unmap(); err == nil && (ip.IsUnspecified() || ip == netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			return at.Port()
		}
	}
	return 0
}

// tlsPort is where https is served, 0 where it is not.
func (d *doors) tlsPort() uint16 {
	if len(d.https) == 0 {
		return 0
	}
	at, err := netip.ParseAddrPort(d.https[0].Addr().String())
	if err != nil {
		return 0
	}
	return at.Port()
}

// describe returns the doors as a status shows them.
func (d *doors) describe() control.Doors {
	var out control.Doors
	if len(d.http) > 0 {
		out.Gateway = d.http[0].Addr().String()
		out.PAC = "http://" + out.Gateway + d.gateway.PACPath()
	}
	if len(d.https) > 0 {
		out.GatewayTLS = d.https[0].Addr().String()
	}
	if d.ca != nil {
		print := d.ca.Fingerprint()
		out.CA, out.CAFingerprint = d.ca.Path(), hex.EncodeToString(print[:])
	}
	if d.dns != nil {
		out.DNS = d.dns.Addrs()[0].String()
	}
	return out
}

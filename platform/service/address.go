package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
)

// firstOwn is where the service looks first for a loopback address of its own:
// 127.65.76.84, in which 65 76 84 spell ALT. Such an address leaves 127.0.0.1
// to what developers run there, and port 53 to whoever holds it elsewhere.
var firstOwn = netip.AddrFrom4([4]byte{127, 65, 76, 84})

// ownTries is how many addresses in a row are tried.
const ownTries = 8

// ErrNoOwn: no loopback address was found whose low ports are free.
var ErrNoOwn = errors.New("no loopback address with free ports 53, 80 and 443")

// OwnAddress finds a loopback address on which this process may listen on the
// ports of DNS, http and https.
func OwnAddress(ctx context.Context) (netip.Addr, error) {
	return ownAddress(ctx, firstOwn, []int{53}, []int{53, 80, 443})
}

func ownAddress(ctx context.Context, addr netip.Addr, udp, tcp []int) (netip.Addr, error) {
	var last error
	for range ownTries {
		if last = probe(ctx, addr, udp, tcp); last == nil {
			return addr, nil
		}
		addr = addr.Next()
	}
	return netip.Addr{}, fmt.Errorf("%w: %w", ErrNoOwn, last)
}

// probe listens on every port for a moment.
func probe(ctx context.Context, addr netip.Addr, udp, tcp []int) (err error) {
	var open []io.Closer
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	var lc net.ListenConfig
	for _, port := range tcp {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(addr.String(), strconv.Itoa(port)))
		if err != nil {
			return err
		}
		open = append(open, l)
	}
	for _, port := range udp {
		l, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(addr.String(), strconv.Itoa(port)))
		if err != nil {
			return err
		}
		open = append(open, l)
	}
	return nil
}

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"altnet/engine/identity"
)

// AddrKind says how a peer is reached at an address.
type AddrKind uint8

// The kinds of address a peer record may hold.
const (
	AddrIPv4  AddrKind = 1 // 4 bytes, 2 bytes port
	AddrIPv6  AddrKind = 2 // 16 bytes, 2 bytes port
	AddrRelay AddrKind = 3 // NodeID of the relay, then one of the two above
)

// Addr is one way to reach a peer. Relay is set for AddrRelay only: the relay
// it is reached through, which itself listens at IP.
type Addr struct {
	Kind  AddrKind
	IP    netip.AddrPort
	Relay identity.NodeID
}

// ErrBadAddr reports an address that no peer can be reached at, or bytes that
// are not the one encoding of an address.
var ErrBadAddr = errors.New("malformed address")

// ErrAddrKind reports an address of a kind this version does not know.
var ErrAddrKind = errors.New("unknown kind of address")

const portSize = 2

// AddrOf returns the direct address of ip.
func AddrOf(ip netip.AddrPort) Addr {
	ip = netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port())
	if ip.Addr().Is4() {
		return Addr{Kind: AddrIPv4, IP: ip}
	}
	return Addr{Kind: AddrIPv6, IP: ip}
}

// String returns host:port, after the relay's NodeID where there is one.
func (a Addr) String() string {
	if a.Kind == AddrRelay {
		return a.Relay.Short() + "@" + a.IP.String()
	}
	return a.IP.String()
}

// EncodeAddr returns the bytes of an address: kind, IP, port (big endian);
// for a relay the kind, its NodeID and the bytes of its own address.
func EncodeAddr(a Addr) ([]byte, error) {
	if !reachable(a.IP) || !a.wellFormed() {
		return nil, fmt.Errorf("encode %v: %w", a, ErrBadAddr)
	}
	var b []byte
	if a.Kind == AddrRelay {
		b = append([]byte{byte(AddrRelay)}, a.Relay[:]...)
	}
	b = append(b, byte(AddrOf(a.IP).Kind))
	b = append(b, a.IP.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.IP.Port()), nil
}

// wellFormed reports whether kind, family and relay fit each other.
func (a Addr) wellFormed() bool {
	direct := AddrOf(a.IP)
	if direct.IP != a.IP || a.IP.Addr().Zone() != "" {
		return false
	}
	if a.Kind == AddrRelay {
		return !a.Relay.IsZero()
	}
	return a.Kind == direct.Kind && a.Relay.IsZero()
}

// DecodeAddr reads an address. It returns ErrAddrKind for kinds of later
// versions, which a reader skips.
func DecodeAddr(b []byte) (Addr, error) {
	if len(b) == 0 {
		return Addr{}, fmt.Errorf("empty: %w", ErrBadAddr)
	}
	if AddrKind(b[0]) != AddrRelay {
		return decodeDirect(b)
	}
	if len(b) < 1+len(identity.NodeID{}) {
		return Addr{}, fmt.Errorf("relay address of %d bytes: %w", len(b), ErrBadAddr)
	}
	a, err := decodeDirect(b[1+len(identity.NodeID{}):])
	if err != nil {
		return Addr{}, err
	}
	a.Kind, a.Relay = AddrRelay, identity.NodeID(b[1:])
	if a.Relay.IsZero() {
		return Addr{}, fmt.Errorf("relay without NodeID: %w", ErrBadAddr)
	}
	return a, nil
}

func decodeDirect(b []byte) (Addr, error) {
	if len(b) == 0 {
		return Addr{}, fmt.Errorf("empty: %w", ErrBadAddr)
	}
	kind, b := AddrKind(b[0]), b[1:]
	size := 0
	switch kind {
	case AddrIPv4:
		size = 4 + portSize
	case AddrIPv6:
		size = 16 + portSize
	default:
		return Addr{}, fmt.Errorf("kind %d: %w", kind, ErrAddrKind)
	}
	if len(b) != size {
		return Addr{}, fmt.Errorf("kind %d with %d bytes: %w", kind, len(b), ErrBadAddr)
	}
	ip, _ := netip.AddrFromSlice(b[:len(b)-portSize])
	a := Addr{Kind: kind, IP: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[len(b)-portSize:]))}
	if ip.Is4In6() || !reachable(a.IP) {
		return Addr{}, fmt.Errorf("%v: %w", a.IP, ErrBadAddr)
	}
	return a, nil
}

// reachable reports whether one host can listen at ip at all.
func reachable(ip netip.AddrPort) bool {
	a := ip.Addr()
	return a.IsValid() && ip.Port() != 0 && !a.IsUnspecified() && !a.IsMulticast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// Group returns the IP group of a: /24 for IPv4 and /48 for IPv6. Quotas and
// diversity count groups, since one party easily holds all of a group.
func Group(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // fails for the zero Addr only, whose group is the zero Prefix
	return p
}

// GroupOf returns the IP group of a peer's address as a key. On loopback and
// in private ranges every address and port is a group of its own, so that a
// network on one machine or one LAN has as many groups as peers.
func GroupOf(ip netip.AddrPort) string {
	if !IsPublic(ip.Addr()) {
		return netip.AddrPortFrom(ip.Addr().Unmap(), ip.Port()).String()
	}
	return Group(ip.Addr()).String()
}

// special lists the ranges of the IANA special-purpose registries that are
// not reachable from everywhere, beyond those netip has methods for, and
// those that embed an IPv4 address, which could be anybody's.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"), // Teredo
	netip.MustParsePrefix("2002::/16"), // 6to4
	netip.MustParsePrefix("fec0::/10"),
}

// IsPublic reports whether a is an address of the public internet: not
// loopback, private, link-local or of another range of limited reach.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

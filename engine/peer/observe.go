package peer

import (
	"net/netip"
	"slices"

	"altnet/engine/wire"
)

const (
	// voteWindow is how many peers' views of one kind of address count: the
	// newest, so that a change of network wins soon, and enough of them that a
	// few liars do not.
	voteWindow = 8
	// publicQuorum is how many IP groups must see the same public address. A
	// lone voice is believed until there is a second: the first nodes of a
	// network have only each other to ask, and a false address harms nobody,
	// since whoever dials it finds another key there.
	publicQuorum = 2
	// maxPrivate is how many private addresses are announced: a computer may
	// be on a cable and on a radio at once.
	maxPrivate = 2
)

// scope is a kind of address that is voted on apart from the others.
type scope int

const (
	public4 scope = iota
	public6
	private
	scopes
)

func scopeOf(ip netip.Addr) scope {
	switch {
	case !wire.IsPublic(ip):
		return private
	case ip.Is4():
		return public4
	default:
		return public6
	}
}

// vote is what one IP group last said.
type vote struct {
	group string
	seen  netip.Addr
}

// votes is what peers say about the address they see us at. It is bounded:
// each scope keeps one vote per IP group, the newest voteWindow of them.
type votes [scopes][]vote

// add counts what a peer at reporter sees, newest last. A public peer cannot
// see a private address and a private one cannot see a public one, so such
// votes, and addresses nobody has, count for nothing.
func (v *votes) add(reporter netip.AddrPort, seen netip.Addr) {
	seen = seen.Unmap().WithZone("")
	if !dialable(seen) || wire.IsPublic(seen) != wire.IsPublic(reporter.Addr()) ||
		seen.IsLoopback() != reporter.Addr().Unmap().IsLoopback() {
		return
	}
	g, s := wire.GroupOf(reporter), &v[scopeOf(seen)]
	*s = slices.DeleteFunc(*s, func(o vote) bool { return o.group == g })
	if len(*s) >= voteWindow {
		*s = slices.Delete(*s, 0, len(*s)-voteWindow+1)
	}
	*s = append(*s, vote{g, seen})
}

// addrs returns the addresses that hold: per public family the one that most
// groups see, if two do or nobody else spoke; of the private ones the newest.
func (v *votes) addrs() []netip.Addr {
	var out []netip.Addr
	for _, s := range []scope{public4, public6} {
		if a, n := winner(v[s]); n > 0 && n >= min(publicQuorum, len(v[s])) {
			out = append(out, a)
		}
	}
	var near []netip.Addr
	for _, p := range slices.Backward(v[private]) {
		if len(near) < maxPrivate && !slices.Contains(near, p.seen) {
			near = append(near, p.seen)
		}
	}
	return append(out, near...)
}

// winner returns the address with the most votes, the newest of equals.
func winner(vs []vote) (best netip.Addr, n int) {
	count := make(map[netip.Addr]int, len(vs))
	for _, v := range vs {
		if count[v.seen]++; count[v.seen] >= n {
			best, n = v.seen, count[v.seen]
		}
	}
	return best, n
}

// dialable reports whether ip can be the address of a peer at all.
func dialable(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() &&
		!ip.IsLinkLocalUnicast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

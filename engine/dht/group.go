package dht

import (
	"slices"

	"altnet/engine/wire"
)

// IP groups (/24, /48) are what an attacker pays for: identities are free.
const (
	groupPerBucket   = 2
	groupPerTable    = 3
	groupPerLookup   = 3
	groupPerReply    = 2
	maxGroupsPerPeer = 4 // an IPv4 and an IPv6 address, each twice for a change of network
)

// group is an IP group, as wire.GroupOf names it. "" is an unknown one.
type group = string

// groupsOf returns the IP groups of a peer's addresses. A private or loopback
// address is a group of its own, which leaves a network in one room whole.
func groupsOf(p wire.Peer) []group {
	out := make([]group, 0, len(p.Addrs))
	for _, a := range p.Addrs {
		if g := wire.GroupOf(a.IP); !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// groupCount counts peers by group.
type groupCount map[group]int

func (c groupCount) add(gs []group) {
	for _, g := range gs {
		c[g]++
	}
}

func (c groupCount) remove(gs []group) {
	for _, g := range gs {
		if c[g]--; c[g] <= 0 {
			delete(c, g)
		}
	}
}

// full reports whether one of gs has reached limit.
func (c groupCount) full(gs []group, limit int) bool {
	return slices.ContainsFunc(gs, func(g group) bool { return c[g] >= limit })
}

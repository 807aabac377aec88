package peer

import (
	"sync"

	"golang.org/x/time/rate"
)

// group is an IP group with sessions: what its peers use together, since a
// new identity costs nothing and a new address block does.
type group struct {
	name string
	rate *rate.Limiter // requests

	// guarded by groups.mu
	sessions int // inbound
	handlers int // requests being answered
	refs     int // sessions of both directions, and handlers
}

// groups is the groups that have a session or a handler now, so its size is
// bounded by theirs. It also counts the requests being answered in all.
type groups struct {
	cfg *Config

	mu       sync.Mutex
	m        map[string]*group
	handlers int
}

func newGroups(cfg *Config) *groups {
	return &groups{cfg: cfg, m: make(map[string]*group)}
}

// full reports whether the group has no place for an inbound session.
func (gs *groups) full(name string) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.m[name]
	return g != nil && g.sessions >= gs.cfg.MaxSessionsPerGroup
}

// join counts a session in. It says no to an inbound one too many.
func (gs *groups) join(name string, inbound bool) (*group, bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.m[name]
	if inbound && g != nil && g.sessions >= gs.cfg.MaxSessionsPerGroup {
		return nil, false
	}
	if g == nil {
		perSecond := gs.cfg.RequestRate
		g = &group{name: name, rate: rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)}
		gs.m[name] = g
	}
	if inbound {
		g.sessions++
	}
	g.refs++
	return g, true
}

// leave undoes join.
func (gs *groups) leave(g *group, inbound bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if inbound {
		g.sessions--
	}
	gs.dropLocked(g)
}

// begin counts a request in, or says that the group or the host has too many.
// A group may have as many as are free: of n groups that take what they get,
// each ends up with one part in n+1, and as much is left for whoever comes.
func (gs *groups) begin(g *group) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g.handlers >= min(gs.cfg.MaxHandlersPerGroup, gs.cfg.MaxHandlers-gs.handlers) {
		return false
	}
	g.handlers++
	g.refs++
	gs.handlers++
	return true
}

// end undoes begin.
func (gs *groups) end(g *group) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g.handlers--
	gs.handlers--
	gs.dropLocked(g)
}

func (gs *groups) dropLocked(g *group) {
	if g.refs--; g.refs == 0 {
		delete(gs.m, g.name)
	}
}

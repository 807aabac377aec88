package setup

import (
	"slices"

	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// Actor is who makes a change.
type Actor string

// The actors.
const (
	User    Actor = "user"    // the user's own process: the agent, the window, the command line
	Helper  Actor = "helper"  // started for one change with an administrator's consent
	Service Actor = "service" // the part of the installed service that has the rights for it
)

// Part is a door or a kind of trust store, and who may do what about it.
type Part struct {
	Name    string  `json:"name"`    // splitdns.Name or trust.Kind
	Set     []Actor `json:"set"`     // who may make it
	Reapply []Actor `json:"reapply"` // who makes it again at start, on wake and on network change
	Undo    []Actor `json:"undo"`    // who may take it back
	Lasts   bool    `json:"lasts"`   // it stays when what it leads to stops; else it goes with its server
}

// Table lists every door and every kind of store. What is for one user is
// changed by that user's own process alone, so no process of root ever writes
// below a home; what is for the machine is changed by the service, and where
// that is gone the helper takes it back.
func Table() []Part {
	service, machine, user := []Actor{Service}, []Actor{Helper, Service}, []Actor{User}
	door := func(n splitdns.Name, set, undo []Actor) Part {
		return Part{Name: string(n), Set: set, Reapply: set, Undo: undo}
	}
	store := func(k trust.Kind, who []Actor) Part {
		return Part{Name: string(k), Set: who, Reapply: who, Undo: who, Lasts: true}
	}
	return []Part{
		door(splitdns.Hook, service, machine),
		door(splitdns.Link, service, machine),
		door(splitdns.Dnsmasq, service, machine),
		door(splitdns.NRPT, service, machine),
		door(splitdns.ResolverFile, service, machine),
		door(splitdns.GNOMEProxy, user, user),
		door(splitdns.KDEProxy, user, user),
		door(splitdns.WindowsProxy, user, user),
		door(splitdns.MacProxy, user, user),
		door(splitdns.Localhost, user, user),
		store(trust.Anchors, machine),
		store(trust.FirefoxPolicy, machine),
		store(trust.WindowsMachine, machine),
		store(trust.SystemKeychain, machine),
		store(trust.NSS, user),
		store(trust.WindowsUser, user),
		store(trust.LoginKeychain, user),
	}
}

// MaySet reports whether who may make a part. Nobody may make an unknown one.
func MaySet(part string, who Actor) bool {
	i := slices.IndexFunc(Table(), func(p Part) bool { return p.Name == part })
	return i >= 0 && slices.Contains(Table()[i].Set, who)
}

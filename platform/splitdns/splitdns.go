// Package splitdns makes names below one suffix (.alt) work in the programs of
// a computer and leaves all other names alone.
//
// There are several doors: rules of the system's resolver, which send that suffix
// to our name server, and a proxy script, which sends it to our gateway. Which
// of them a computer can have is decided by Decide from a description (Machine,
// gathered by Look); a Door is set, verified by a real look-up, and undone. Every
// change is written to the journal first.
//
// No door takes anything over: proxy settings and resolvers of the person stay,
// and Decide says what is in the way. With AltNet dead ordinary names resolve as
// ever, for nothing but our suffix is ever sent to us.
package splitdns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// Name is a door.
type Name string

// The doors.
const (
	// Hook answers questions of systemd-resolved (259 and later) over a socket.
	// It is gone with the process.
	Hook Name = "resolve-hook"
	// Link gives systemd-resolved (before 255) a network interface of our own
	// whose name server is responsible for the suffix alone.
	Link Name = "private-link"
	// Dnsmasq is a file for the dnsmasq that NetworkManager runs.
	Dnsmasq Name = "networkmanager-dnsmasq"
	// NRPT are rules of the Windows name resolution policy table.
	NRPT Name = "nrpt"
	// ResolverFile is /etc/resolver/alt of macOS.
	ResolverFile Name = "resolver-file"
	// GNOMEProxy, KDEProxy, WindowsProxy and MacProxy set the address of our
	// proxy script (PAC) in the person's settings.
	GNOMEProxy   Name = "pac-gnome"
	KDEProxy     Name = "pac-kde"
	WindowsProxy Name = "pac-windows"
	MacProxy     Name = "pac-macos"
	// Localhost is name-alt.localhost:PORT. There is nothing to set.
	Localhost Name = "localhost"
)

// Machinewide reports whether a door is for all users of a computer, so that
// only the system service may set it.
func (n Name) Machinewide() bool {
	switch n {
	case Hook, Link, Dnsmasq, NRPT, ResolverFile:
		return true
	}
	return false
}

// Proxy reports whether a door is a proxy script.
func (n Name) Proxy() bool {
	switch n {
	case GNOMEProxy, KDEProxy, WindowsProxy, MacProxy:
		return true
	}
	return false
}

// Want is what the doors are to lead to.
type Want struct {
	Suffix  string         // "alt"
	Service bool           // the engine runs as a system service, so machine-wide doors may be set
	DNS     netip.AddrPort // where our name server listens
	Answer  netip.Addr     // the address that it answers for every name: that of the gateway
	Gateway netip.AddrPort // http, proxy and script
	PAC     string         // address of the proxy script; "": PACURL on Linux, ServedPACURL elsewhere
	Script  string         // path of the script that the gateway gives out; "": /proxy.pac
}

var (
	// ErrTaken is returned by Set when the person has settings of their own in
	// the place of ours. Nothing was changed.
	ErrTaken = errors.New("other settings are in the way")
	// ErrNotHere is returned for a door that this system does not have.
	ErrNotHere = errors.New("this system has no such door")
	// ErrTurnedOff is returned by Verify for a proxy script that is not set: Keep
	// does not set again what a person turned off meanwhile.
	ErrTurnedOff = fmt.Errorf("%w: the proxy script is not set", ErrClosed)
	// ErrClosed is returned by Verify for a door that does not lead to us.
	ErrClosed = errors.New("the door does not work")
	// ErrImpostor is returned by Verify where another program answers in the
	// gateway's place: the door must not stay open.
	ErrImpostor = fmt.Errorf("%w: another program answers in AltNet's place", ErrClosed)
)

// Door is a way for names to reach us.
type Door interface {
	Name() Name
	// Set opens the door. Setting an open door again repairs what others changed.
	Set(ctx context.Context) error
	// Verify looks a name up as any program would and fails with ErrClosed unless
	// it leads to us.
	Verify(ctx context.Context) error
	// Undo takes back what Set did, and what a process that died had done.
	Undo(ctx context.Context) error
}

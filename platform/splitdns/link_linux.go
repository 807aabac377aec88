package splitdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/vishvananda/netlink"

	"altnet/platform/journal"
)

const (
	linkName  = "altnet0"
	linkPeer  = "altnet1" // of a veth pair
	linkAlias = "AltNet: names that end in .alt"
	linkKind  = "splitdns-link"
	// linkAddress makes systemd-resolved take the link for usable. It leads
	// nowhere but to this computer.
	linkAddress = "127.83.65.76/32"

	resolvedBus   = "org.freedesktop.resolve1"
	resolvedPath  = dbus.ObjectPath("/org/freedesktop/resolve1")
	resolvedIface = "org.freedesktop.resolve1.Manager"
)

// linkDoor is a network interface that exists to carry one routing domain. The
// uplink's settings are never touched: adding our server there would send it
// other names.
type linkDoor struct{ cfg Config }

func openLink(cfg Config) Door { return &linkDoor{cfg} }

func (d *linkDoor) Name() Name { return Link }

func (d *linkDoor) Set(ctx context.Context) error {
	link, err := netlink.LinkByName(linkName)
	if err == nil && link.Attrs().Alias != linkAlias {
		// One whose making was interrupted does not say that it is ours.
		if ours, err := d.cfg.ours(ctx, Link); err != nil || !ours {
			return fmt.Errorf("%w: the network interface %s is not AltNet's", ErrTaken, linkName)
		}
	}
	after, merr := json.Marshal(linkName)
	if merr != nil {
		return merr
	}
	change := journal.ExternalChange{Door: string(Link), Kind: linkKind, Key: linkName, Before: json.RawMessage("null"), After: after}
	return d.cfg.Journal.External(ctx, change, func(ctx context.Context) error {
		link, err := makeLink()
		if err != nil {
			return err
		}
		return d.route(ctx, link.Attrs().Index)
	})
}

// makeLink makes the interface of the first sort that this kernel has, and
// mends one that exists.
func makeLink() (netlink.Link, error) {
	link, err := netlink.LinkByName(linkName)
	if err != nil {
		if link, err = addLink(); err != nil {
			return nil, fmt.Errorf("make the network interface %s: %w", linkName, err)
		}
	}
	addr, err := netlink.ParseAddr(linkAddress)
	if err != nil {
		return nil, err
	}
	addr.Scope = int(netlink.SCOPE_UNIVERSE)
	return link, errors.Join(
		netlink.LinkSetAlias(link, linkAlias),
		netlink.AddrReplace(link, addr),
		netlink.LinkSetUp(link),
	)
}

func addLink() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = linkName
	var failures []error
	for _, link := range []netlink.Link{
		&netlink.Dummy{LinkAttrs: attrs},
		&netlink.Bridge{LinkAttrs: attrs},
		&netlink.Veth{LinkAttrs: attrs, PeerName: linkPeer},
	} {
		err := netlink.LinkAdd(link)
		if err == nil {
			return netlink.LinkByName(linkName)
		}
		failures = append(failures, fmt.Errorf("%s: %w", link.Type(), err))
	}
	return nil, errors.Join(failures...)
}

// route tells systemd-resolved that our server answers for the suffix, through
// this interface, and for nothing else.
func (d *linkDoor) route(ctx context.Context, index int) error {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("reach D-Bus: %w", err)
	}
	defer conn.Close()
	type server struct {
		Family  int32
		Address []byte
		Port    uint16
		Name    string
	}
	type domain struct {
		Name    string
		Routing bool
	}
	dns := d.cfg.Want.DNS
	i := int32(index)
	for _, c := range []struct {
		method string
		args   []any
	}{
		{"SetLinkDomains", []any{i, []domain{{d.cfg.Want.Suffix, true}}}}, // first, lest it be asked for all names
		{"SetLinkDefaultRoute", []any{i, false}},
		{"SetLinkDNSSEC", []any{i, "no"}},
		{"SetLinkLLMNR", []any{i, "no"}},
		{"SetLinkMulticastDNS", []any{i, "no"}},
		{"SetLinkDNSEx", []any{i, []server{{syscall.AF_INET, net.IP(dns.Addr().AsSlice()).To4(), dns.Port(), ""}}}},
	} {
		if err := callResolved(ctx, conn, c.method, c.args...); err != nil {
			return fmt.Errorf("tell systemd-resolved (%s): %w", c.method, err)
		}
	}
	return nil
}

// callResolved calls a method; an interface that was made just now may not be
// known there yet.
func callResolved(ctx context.Context, conn *dbus.Conn, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := conn.Object(resolvedBus, resolvedPath).CallWithContext(ctx, resolvedIface+"."+method, 0, args...).Err
		var known dbus.Error
		if !errors.As(err, &known) || known.Name != resolvedBus+".NoSuchLink" {
			return err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return err
		}
	}
}

func (d *linkDoor) Verify(ctx context.Context) error { return d.cfg.verifyName(ctx) }

func (d *linkDoor) Undo(ctx context.Context) error { return d.cfg.undo(ctx, Link) }

// undoLink removes the interface; its settings go with it. There was none of
// that name before, or the change would have been refused.
func undoLink(_ context.Context, c journal.Change) (journal.Result, error) {
	link, err := netlink.LinkByName(c.Key)
	var gone netlink.LinkNotFoundError
	if errors.As(err, &gone) {
		return journal.Nothing, nil
	}
	if err != nil {
		return journal.Failed, err
	}
	if err := netlink.LinkDel(link); err != nil {
		return journal.Failed, err
	}
	return journal.Removed, nil
}

// canMakeLinks reports whether this process may make network interfaces.
func canMakeLinks() bool {
	_, err := netlink.LinkList()
	return err == nil && hasNetAdmin()
}

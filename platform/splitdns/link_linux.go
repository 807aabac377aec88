package splitdns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"altnet/platform/journal"
)

const (
	linkName  = "altnet0"
	linkPeer  = "altnet1" // of a veth pair
	linkAlias = "AltNet: names that end in .alt"
	linkKind  = "splitdns-link"
	// linkAddress makes systemd-resolved take the link for usable. It leads
	// nowhere but to this computer.
	linkAddress = "127.83.65.76"

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
	kernel, err := openNetlink()
	if err != nil {
		return err
	}
	defer kernel.close()
	if link, err := kernel.link(linkName); err == nil && link.alias != linkAlias {
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
		index, err := kernel.makeLink()
		if err != nil {
			return err
		}
		return d.route(ctx, index)
	})
}

// makeLink makes the interface of the first sort that this kernel has, and
// mends one that exists. It returns the kernel's number of it.
func (n *rtnetlink) makeLink() (int, error) {
	link, err := n.link(linkName)
	if err != nil {
		if err = n.anyLink(); err == nil {
			link, err = n.link(linkName)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("make the network interface %s: %w", linkName, err)
	}
	addr := netip.PrefixFrom(netip.MustParseAddr(linkAddress), 32)
	return link.index, errors.Join(n.addAddress(link.index, addr), n.startLink(link.index, linkAlias))
}

func (n *rtnetlink) anyLink() error {
	var failures []error
	for _, sort := range []struct {
		kind    string
		details []byte
	}{{"dummy", nil}, {"bridge", nil}, {"veth", vethPeer(linkPeer)}} {
		err := n.addLink(linkName, sort.kind, sort.details)
		if err == nil {
			return nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", sort.kind, err))
	}
	return errors.Join(failures...)
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
	kernel, err := openNetlink()
	if err != nil {
		return journal.Failed, err
	}
	defer kernel.close()
	link, err := kernel.link(c.Key)
	if errors.Is(err, syscall.ENODEV) {
		return journal.Nothing, nil
	}
	if err == nil {
		err = kernel.removeLink(link.index)
	}
	if err != nil {
		return journal.Failed, fmt.Errorf("remove the network interface %s: %w", c.Key, err)
	}
	return journal.Removed, nil
}

// canMakeLinks reports whether this process may make network interfaces.
func canMakeLinks() bool {
	_, err := net.Interfaces()
	return err == nil && hasNetAdmin()
}

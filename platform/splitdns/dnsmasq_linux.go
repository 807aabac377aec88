package splitdns

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"altnet/platform/journal"
)

const (
	dnsmasqFile = "/etc/NetworkManager/dnsmasq.d/altnet.conf"
	dnsmasqKind = "splitdns-networkmanager"

	managerBus = "org.freedesktop.NetworkManager"
	// managerDnsmasq is the name of the dnsmasq that it runs.
	managerDnsmasq = "org.freedesktop.NetworkManager.dnsmasq"
	managerPath    = dbus.ObjectPath("/org/freedesktop/NetworkManager")
	// reloadDNS makes NetworkManager start its dnsmasq anew.
	reloadDNS = uint32(4)
)

type dropIn struct {
	cfg    Config
	file   string
	reload func(context.Context) error
}

func openDnsmasq(cfg Config) Door {
	return &dropIn{cfg: cfg, file: dnsmasqFile, reload: reloadNetworkManager}
}

func (d *dropIn) Name() Name { return Dnsmasq }

func (d *dropIn) text() string {
	dns := d.cfg.Want.DNS
	return fmt.Sprintf("%s\nserver=/%s/%s#%d\n", ownerLine, d.cfg.Want.Suffix, dns.Addr(), dns.Port())
}

// Set writes the reload into the journal before the file, so that undoing, which
// goes backwards, removes the file first.
func (d *dropIn) Set(ctx context.Context) error {
	if owner := ownerOf(d.file); owner == Theirs {
		return fmt.Errorf("%w: %s", ErrTaken, d.file)
	}
	reload := journal.ExternalChange{Door: string(Dnsmasq), Kind: dnsmasqKind, Key: "reload", Before: json.RawMessage("null"), After: json.RawMessage("null")}
	if err := d.cfg.Journal.External(ctx, reload, func(context.Context) error { return nil }); err != nil {
		return err
	}
	text := d.text()
	err := d.cfg.Journal.File(ctx, journal.FileChange{
		Door: string(Dnsmasq), Path: d.file, Edit: journal.Whole([]byte(text)),
		Surgeon: linesSurgeon, Part: journal.LinesPart(text),
		Leftover: func(now []byte) bool { return strings.HasPrefix(string(now), ownerLine) },
	})
	if err != nil {
		return err
	}
	return d.reload(ctx)
}

func (d *dropIn) Verify(ctx context.Context) error { return d.cfg.verifyName(ctx) }

func (d *dropIn) Undo(ctx context.Context) error { return d.cfg.undo(ctx, Dnsmasq) }

// reloadNetworkManager makes it read its files, and waits until the dnsmasq that
// it starts for that is there: for about a second the computer resolves nothing.
// A NetworkManager that does not run reads them when it starts.
func reloadNetworkManager(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("reach D-Bus: %w", err)
	}
	defer conn.Close()
	var runs bool
	if err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, managerBus).Store(&runs); err != nil || !runs {
		return err
	}
	appears, err := watchOwner(ctx, conn, managerDnsmasq)
	if err != nil {
		return err
	}
	if err := conn.Object(managerBus, managerPath).CallWithContext(ctx, managerBus+".Reload", 0, reloadDNS).Err; err != nil {
		return fmt.Errorf("reload NetworkManager: %w", err)
	}
	select {
	case <-appears:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the dnsmasq of NetworkManager did not come back: %w", ctx.Err())
	}
}

func undoDnsmasq(ctx context.Context, _ journal.Change) (journal.Result, error) {
	if err := reloadNetworkManager(ctx); err != nil {
		return journal.Failed, err
	}
	return journal.Restored, nil
}

package splitdns

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Restarts sends whenever the system's resolver was started anew, and so may
// have forgotten what it was told. The channel is closed when ctx ends or the
// bus is lost.
func Restarts(ctx context.Context) (<-chan struct{}, error) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("watch the resolver: %w", err)
	}
	restarts, err := watchOwner(ctx, conn, resolvedBus, managerBus)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("watch the resolver: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return restarts, nil
}

// watchOwner sends when one of some names gets a new owner, until ctx ends or
// the connection does.
func watchOwner(ctx context.Context, conn *dbus.Conn, names ...string) (<-chan struct{}, error) {
	for _, name := range names {
		err := conn.AddMatchSignalContext(ctx,
			dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name))
		if err != nil {
			return nil, err
		}
	}
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	appears := make(chan struct{}, 1)
	go func() {
		defer close(appears)
		relay(ctx, signals, appears)
	}()
	return appears, nil
}

func relay(ctx context.Context, signals <-chan *dbus.Signal, restarts chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-signals:
			if !ok {
				return
			}
			if !appeared(s) {
				continue
			}
			select {
			case restarts <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// appeared reports whether a signal says that a name has a new owner.
func appeared(s *dbus.Signal) bool {
	if s.Name != "org.freedesktop.DBus.NameOwnerChanged" || len(s.Body) != 3 {
		return false
	}
	owner, ok := s.Body[2].(string)
	return ok && owner != ""
}

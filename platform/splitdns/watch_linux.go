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
	for _, name := range []string{resolvedBus, managerBus} {
		err := conn.AddMatchSignalContext(ctx,
			dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, name))
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("watch the resolver: %w", err)
		}
	}
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	restarts := make(chan struct{}, 1)
	go func() {
		defer close(restarts)
		defer conn.Close()
		relay(ctx, signals, restarts)
	}()
	return restarts, nil
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

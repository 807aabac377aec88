package tray

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// watcherName is who shows tray icons on Linux. Stock GNOME has nobody.
const watcherName = "org.kde.StatusNotifierWatcher"

// Watch calls shown with whether anybody shows tray icons, at once and
// whenever that changes, until ctx ends. It fails where there is no session
// bus, on which tray icons depend: then Run must not be called.
func Watch(ctx context.Context, shown func(bool)) error {
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("reach the session bus: %w", err)
	}
	defer conn.Close()
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		return fmt.Errorf("reach the session bus: %w", err)
	}
	changes := make(chan *dbus.Signal, 8)
	conn.Signal(changes)
	err = conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchSender("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, watcherName))
	if err != nil {
		return fmt.Errorf("watch for a tray: %w", err)
	}
	var there bool
	if err := conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, watcherName).Store(&there); err != nil {
		return fmt.Errorf("look for a tray: %w", err)
	}
	shown(there)
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, ok := <-changes:
			if !ok {
				return fmt.Errorf("watch for a tray: the session bus went away")
			}
			if owner, is := ownerOf(s); is {
				shown(owner != "")
			}
		}
	}
}

// ownerOf reads who owns the watcher's name from a signal; others may send
// anything.
func ownerOf(s *dbus.Signal) (owner string, ok bool) {
	if s.Name != "org.freedesktop.DBus.NameOwnerChanged" || len(s.Body) != 3 || s.Body[0] != watcherName {
		return "", false
	}
	owner, ok = s.Body[2].(string)
	return owner, ok
}

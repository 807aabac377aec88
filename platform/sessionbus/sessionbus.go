// Package sessionbus reaches the D-Bus of a person's session.
package sessionbus

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// Connect connects to the bus of the session that this process belongs to, and
// fails where there is none. Unlike [dbus.ConnectSessionBus] it never starts a
// bus: such a daemon would serve nobody and outlive us. The connection ends
// with ctx, or when it is closed.
func Connect(ctx context.Context) (*dbus.Conn, error) {
	conn, err := dbus.SessionBusPrivateNoAutoStartup(dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("reach the session bus: %w", err)
	}
	if err = conn.Auth(nil); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("reach the session bus: %w", err)
	}
	return conn, nil
}

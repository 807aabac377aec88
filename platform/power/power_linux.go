package power

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

func thisMachine(log *slog.Logger) machine {
	nm := &manager{log: log}
	return machine{
		state: func(context.Context) State {
			return State{OnBattery: batteryLinux(os.DirFS("/sys/class/power_supply")), Metered: nm.metered()}
		},
		network: netlinkChanges,
		close:   nm.close,
	}
}

// manager asks NetworkManager, where there is one.
type manager struct {
	log  *slog.Logger
	once sync.Once
	bus  *dbus.Conn // nil: no system bus
}

func (m *manager) metered() bool {
	m.once.Do(func() {
		bus, err := dbus.ConnectSystemBus()
		if err != nil {
			m.log.Debug("whether the network is metered is not known", "err", err)
			return
		}
		m.bus = bus
	})
	if m.bus == nil {
		return false
	}
	v, err := m.bus.Object("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager").
		GetProperty("org.freedesktop.NetworkManager.Metered")
	if err != nil {
		return false // another manager, which does not know
	}
	value, _ := v.Value().(uint32)
	return meteredNM(value)
}

func (m *manager) close() {
	if m.bus != nil {
		m.bus.Close()
	}
}

// netlinkChanges hears of addresses and routes from the kernel (rtnetlink(7)).
func netlinkChanges(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	return readChanges(ctx, os.NewFile(uintptr(fd), "netlink")), nil
}

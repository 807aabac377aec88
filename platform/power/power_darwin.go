package power

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

func thisMachine(log *slog.Logger) machine {
	return machine{state: func(ctx context.Context) State { return State{OnBattery: battery(ctx, log)} }, network: routeChanges}
}

// battery asks pmset: the functions of IOKit would need a C compiler.
func battery(ctx context.Context, log *slog.Logger) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "/usr/bin/pmset", "-g", "batt").Output()
	if err != nil {
		log.Debug("whether this computer is on battery is not known", "err", err)
	}
	return batteryMac(string(out))
}

// routeChanges hears of addresses and routes from the kernel (route(4)).
func routeChanges(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_ROUTE, unix.SOCK_RAW, unix.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	return readChanges(ctx, os.NewFile(uintptr(fd), "route")), nil
}

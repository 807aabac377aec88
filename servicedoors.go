package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"

	"altnet/engine/control"
	"altnet/platform/ipc"
	"altnet/platform/journal"
	"altnet/platform/power"
	"altnet/platform/splitdns"
)

// machineJournal opens the book of what was changed on this computer for all
// of its users.
func machineJournal(log *slog.Logger) (*journal.Journal, error) {
	return journal.Open(filepath.Join(machineLayout().State, "journal.json"), journal.Config{
		Surgeons: splitdns.Surgeons(), Undoers: splitdns.Undoers(nil), Log: log,
	})
}

// cleanDoors takes back what doors of the whole computer have changed.
func cleanDoors(ctx context.Context, log *slog.Logger) error {
	book, err := machineJournal(log)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range []splitdns.Name{splitdns.Hook, splitdns.Link, splitdns.Dnsmasq, splitdns.NRPT, splitdns.ResolverFile} {
		_, err := book.Undo(ctx, string(name))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// runDoors holds the doors of the whole computer open while ctx lasts;
// with the word cleanup it takes back what a process that died left.
func runDoors(ctx context.Context, s *session, args []string) error {
	log, err := s.opts.serviceLog(s.err)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		err = holdDoors(ctx, log)
	case len(args) == 1 && args[0] == "cleanup":
		err = cleanDoors(ctx, log)
	default:
		return usagef("use: altnet service doors [cleanup]")
	}
	if err != nil {
		log.Error("the doors end", "err", err)
	}
	return err
}

// holdDoors opens the doors of the whole computer, opens them again when the
// resolver was started anew or the network changed, and takes everything back
// when ctx ends.
func holdDoors(ctx context.Context, log *slog.Logger) error {
	if err := cleanDoors(ctx, log); err != nil {
		return err
	}
	folder := machineLayout().Control
	node := control.NewClient(func(ctx context.Context) (net.Conn, error) { return ipc.Dial(ctx, folder) })
	defer node.Close()
	want, err := wantedDoors(ctx, node)
	if err != nil {
		return err
	}
	if !want.DNS.IsValid() {
		log.Info("the node answers no names, so there are no doors to open")
		<-ctx.Done()
		return nil
	}
	book, err := machineJournal(log)
	if err != nil {
		return err
	}
	cfg := splitdns.Config{Want: want, Journal: book, Prove: prover(node), Log: log}
	restarts, err := resolverRestarts(ctx)
	if err != nil {
		log.Warn("a restart of the resolver is noticed late", "err", err)
	}
	splitdns.Keep(ctx, splitdns.Keeping{
		Decide: func(ctx context.Context) splitdns.Decision {
			return splitdns.Decide(splitdns.Look(ctx, splitdns.System()), want)
		},
		Open:    func(name splitdns.Name) (splitdns.Door, error) { return splitdns.Open(name, cfg) },
		Which:   splitdns.Name.Machinewide,
		Changes: splitdns.Merge(ctx, restarts, networkChanges(ctx, log)),
		Report:  reportDoors(log, splitdns.Name.Machinewide),
		Log:     log,
	})
	return cleanDoors(context.WithoutCancel(ctx), log)
}

// networkChanges sends after a wake and when the network changed.
func networkChanges(ctx context.Context, log *slog.Logger) <-chan struct{} {
	changes := make(chan struct{}, 1)
	go func() {
		defer close(changes)
		for e := range power.Watch(ctx, log) {
			if !e.Woke && !e.NetworkChanged {
				continue
			}
			select {
			case changes <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return changes
}

// reportDoors logs the doors that match when their state changes.
func reportDoors(log *slog.Logger, which func(splitdns.Name) bool) func(map[splitdns.Name]error) {
	last := map[splitdns.Name]string{}
	return func(state map[splitdns.Name]error) {
		for name, err := range state {
			now := fmt.Sprint(err)
			if !which(name) || last[name] == now {
				continue
			}
			if last[name] = now; err == nil {
				log.Info("a door is open", "door", name)
			} else if errors.Is(err, splitdns.ErrTurnedOff) {
				log.Info("a door was turned off, and stays so until altnet setup", "door", name)
			} else {
				log.Warn("a door stays closed", "door", name, "err", err)
			}
		}
	}
}

// wantedDoors asks the node where it answers.
func wantedDoors(ctx context.Context, node control.Control) (splitdns.Want, error) {
	st, err := node.Status(ctx)
	if err != nil {
		return splitdns.Want{}, fmt.Errorf("ask the node: %w", err)
	}
	want := splitdns.Want{Suffix: "alt", Service: true}
	want.DNS, _ = netip.ParseAddrPort(st.Doors.DNS) // none where it has no name server
	want.Answer = want.DNS.Addr()
	want.Gateway = netip.AddrPortFrom(want.Answer, 80)
	return want, nil
}

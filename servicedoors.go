//go:build linux || darwin

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
	want, err := wantedDoors(ctx)
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
	h := &doorHolder{cfg: splitdns.Config{Want: want, Journal: book, Log: log}, log: log, open: map[splitdns.Name]splitdns.Door{}}
	return h.run(ctx)
}

// doorHolder holds the doors that this computer's description calls for.
type doorHolder struct {
	cfg  splitdns.Config
	log  *slog.Logger
	open map[splitdns.Name]splitdns.Door
}

// run opens doors now and whenever something changed that may have closed
// them, until ctx ends.
func (h *doorHolder) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	restarts, err := resolverRestarts(ctx)
	if err != nil {
		h.log.Warn("a restart of the resolver is noticed late", "err", err)
	}
	changes := power.Watch(ctx, h.log)
	for {
		h.set(ctx)
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return h.close(context.WithoutCancel(ctx))
			case _, again = <-restarts:
				if !again {
					restarts = nil
				}
			case e := <-changes:
				again = e.Woke || e.NetworkChanged
			}
		}
	}
}

// set sets and verifies every machine-wide door that the decision names.
func (h *doorHolder) set(ctx context.Context) {
	decision := splitdns.Decide(splitdns.Look(ctx, splitdns.System()), h.cfg.Want)
	for _, choice := range decision.Doors {
		if !choice.Door.Machinewide() || choice.Fallback && len(h.open) > 0 {
			continue
		}
		if err := h.setOne(ctx, choice.Door); err != nil {
			h.log.Warn("a door stays closed", "door", choice.Door, "err", err)
		}
	}
	if len(h.open) == 0 {
		h.log.Info("this computer's resolver cannot be told about .alt; browsers use the proxy script")
	}
}

// setOne keeps a door only where a real look-up shows that it works.
func (h *doorHolder) setOne(ctx context.Context, name splitdns.Name) error {
	door, had := h.open[name]
	if !had {
		var err error
		if door, err = splitdns.Open(name, h.cfg); err != nil {
			return err
		}
	}
	err := door.Set(ctx)
	if err == nil {
		err = door.Verify(ctx)
	}
	if err != nil {
		delete(h.open, name)
		return errors.Join(err, door.Undo(context.WithoutCancel(ctx)))
	}
	if !had {
		h.open[name] = door
		h.log.Info("a door is open", "door", name)
	}
	return nil
}

func (h *doorHolder) close(ctx context.Context) error {
	var errs []error
	for _, door := range h.open {
		errs = append(errs, door.Undo(ctx))
	}
	return errors.Join(errs...)
}

// wantedDoors asks the node where it answers.
func wantedDoors(ctx context.Context) (splitdns.Want, error) {
	folder := machineLayout().Control
	client := control.NewClient(func(ctx context.Context) (net.Conn, error) { return ipc.Dial(ctx, folder) })
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		return splitdns.Want{}, fmt.Errorf("ask the node: %w", err)
	}
	want := splitdns.Want{Suffix: "alt", Service: true}
	want.DNS, _ = netip.ParseAddrPort(st.Doors.DNS) // none where it has no name server
	want.Answer = want.DNS.Addr()
	want.Gateway = netip.AddrPortFrom(want.Answer, 80)
	return want, nil
}

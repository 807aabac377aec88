package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"altnet/platform/ipc"
	"altnet/platform/service"
	"altnet/platform/setup"
)

// machineLayout is where the service of this computer keeps things.
func machineLayout() service.Layout { return service.Here() }

// serviceCommand runs "altnet service …".
func serviceCommand(ctx context.Context, s *session, args []string) error {
	switch args[0] {
	case "run":
		return service.Run(ctx, func(ctx context.Context) error { return runService(ctx, s.opts, s.terminal) })
	case "doors":
		return service.Run(ctx, func(ctx context.Context) error { return runDoors(ctx, s, args[1:]) })
	}
	if len(args) > 1 && args[0] != "unit" {
		return usagef("use: altnet service %s", args[0])
	}
	manager, err := serviceManager(s)
	if err != nil {
		return err
	}
	switch args[0] {
	case "install":
		return installService(s, manager)
	case "uninstall":
		return uninstallService(ctx, s, manager)
	case "purge":
		return purgeService(ctx, s, manager)
	case "start":
		return s.done(manager.Start(), "The service runs.")
	case "stop":
		return s.done(manager.Stop(), "The service is stopped.")
	case "status":
		return serviceStatus(s, manager)
	case "unit":
		return printUnit(s, args[1:])
	}
	return usagef("there is no %q of the service", printable(args[0]))
}

// serviceManager returns the manager for this very program.
func serviceManager(s *session) (*service.Manager, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return nil, err
	}
	return service.New(service.Config{Executable: program, Flags: s.opts.serviceFlags(), Log: log})
}

// serviceFlags are the flags that the service is to run with: those given.
func (o *options) serviceFlags() []string {
	var words []string
	for _, g := range o.groups() {
		for _, f := range g.flags {
			if slices.Contains(ofNode, g.title) && slices.Contains(o.given, f.name) {
				words = append(words, f.words()...)
			}
		}
	}
	return words
}

// words writes a flag as it was given.
func (f flagDef) words() []string {
	switch v := f.value.(type) {
	case *bool:
		return []string{fmt.Sprintf("-%s=%t", f.name, *v)}
	case *string:
		return []string{"-" + f.name, *v}
	case *size:
		return []string{"-" + f.name, fmt.Sprintf("%dB", int64(*v))}
	case fmt.Stringer:
		return []string{"-" + f.name, v.String()}
	}
	return nil
}

// done prints what was done.
func (s *session) done(err error, text string) error {
	if err != nil {
		return err
	}
	return s.result(struct{}{}, func(w io.Writer) { fmt.Fprintln(w, text) })
}

func installService(s *session, manager *service.Manager) error {
	err := manager.Install(invoker(os.Getenv))
	return s.done(err, "The service is installed and runs; it starts with this computer.\n"+
		"Programs of every user find it by themselves; its sites and settings: altnet status, altnet help.")
}

// invoker is the user in whose name an administrator's rights were taken, so
// that this person may operate the service without them.
func invoker(getenv func(string) string) string {
	for _, name := range []string{"SUDO_UID", "PKEXEC_UID", "ALTNET_OPERATOR"} {
		if id := getenv(name); id != "" && id != "0" {
			return id
		}
	}
	if me, err := ipc.Me(); err == nil && runtime.GOOS == "windows" {
		return me.User
	}
	return ""
}

// uninstallService removes the service and what was changed on the computer for
// its sake: a root that vouches for nobody any more is not to stay trusted.
func uninstallService(ctx context.Context, s *session, manager *service.Manager) error {
	if err := manager.Uninstall(); err != nil {
		return err
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return err
	}
	done, err := machineSetup(log).Undo(ctx)
	return s.sayUninstalled(done, err)
}

// purgeService removes all that there is of the service: first what its data
// knows how to take back.
func purgeService(ctx context.Context, s *session, manager *service.Manager) error {
	if err := manager.Uninstall(); err != nil && !errors.Is(err, service.ErrNotInstalled) {
		return err
	}
	log, err := s.opts.logger(s.err)
	if err != nil {
		return err
	}
	if _, err := machineSetup(log).Undo(ctx); err != nil {
		return fmt.Errorf("take back what was changed on this computer, before the notes about it are removed: %w", err)
	}
	return s.done(manager.Purge(), "The service, its data and its user are gone.")
}

func (s *session) sayUninstalled(done []setup.Undone, failed error) error {
	if failed != nil {
		fmt.Fprintln(s.err, "altnet: the computer's own certificates or settings still know AltNet, which altnet undo takes back:", failed)
	}
	return s.result(nonNil(done), func(w io.Writer) {
		for _, d := range done {
			fmt.Fprintf(w, "%-10s%s\n", d.Result, printable(d.What))
		}
		fmt.Fprintf(w, "The service is gone. What it stored stays in %s; altnet service purge removes that too.\n", machineLayout().State)
		fmt.Fprintln(w, "What each person set up for themselves they take back with altnet undo.")
	})
}

func serviceStatus(s *session, manager *service.Manager) error {
	state, err := manager.Status()
	if err != nil {
		return err
	}
	return s.result(map[string]string{"state": string(state)}, func(w io.Writer) { fmt.Fprintf(w, "The service is %s.\n", serviceState(state)) })
}

func serviceState(state service.State) string {
	switch state {
	case service.Running:
		return "running"
	case service.Failed:
		return "broken: it failed and waits to be started again; its log says why"
	}
	return string(state)
}

// printUnit prints what the service manager is told, for packages and for
// people who write their own.
func printUnit(s *session, args []string) error {
	if len(args) != 2 {
		return usagef("use: altnet service unit systemd|systemd-doors|launchd|launchd-doors|openrc|sysv PROGRAM")
	}
	run := append([]string{"service", "run"}, s.opts.serviceFlags()...)
	doors := []string{"service", "doors"}
	text, ok := map[string]string{
		"systemd":       service.SystemdUnit(args[1], service.NodeName, run),
		"systemd-doors": service.SystemdUnit(args[1], service.DoorsName, doors),
		"launchd":       service.LaunchdPlist(args[1], service.NodeName, run),
		"launchd-doors": service.LaunchdPlist(args[1], service.DoorsName, doors),
		"openrc":        service.OpenRCScript(args[1], run),
		"sysv":          service.SysvScript(args[1], run),
	}[args[0]]
	if !ok {
		return usagef("there is no unit for %q", printable(args[0]))
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// serviceAdvice is what to do about errors of the service's commands.
func serviceAdvice(err error) string {
	if !errors.Is(err, service.ErrRights) {
		return ""
	}
	if runtime.GOOS == "windows" {
		return "Run this in a terminal that was started as administrator."
	}
	return "Try: sudo altnet " + strings.Join(os.Args[1:], " ")
}

// serviceLog opens the log of the service.
func (o *options) serviceLog(w io.Writer) (*slog.Logger, error) {
	level := slog.LevelInfo
	if o.logLevel != "" {
		if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
			return nil, usagef("-log-level is debug, info, warn or error, not %q", o.logLevel)
		}
	}
	return service.Log(w, level)
}

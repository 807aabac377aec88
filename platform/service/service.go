// Package service makes AltNet a service of the operating system: installed
// once by an administrator, started with the computer, for all of its users.
//
// The service has two parts. The node talks to strangers, so it runs as a user
// of its own that may do nothing but listen on low ports and write below its
// data folder. The doors run with the rights it takes to tell the system's
// resolver about .alt, and talk to nobody; they come and go with the node.
//
// What each system is told (units, scripts, property lists) is compiled here
// as text and can be read and tested on every other system.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/kardianos/service"
)

// Sentinels of this package, wrapped with what was being done.
var (
	// ErrNotInstalled: there is no service on this computer.
	ErrNotInstalled = errors.New("the service is not installed")
	// ErrRights: only an administrator may do this.
	ErrRights = errors.New("only an administrator may change the service")
	// ErrForeign: a unit of the same name was written by somebody else.
	ErrForeign = errors.New("a service of this name exists that AltNet did not make")
)

// Layout is where the service of a machine keeps things.
type Layout struct {
	Data      string // the node's folder, for the service's user alone
	Control   string // the folder by which the control socket is found
	State     string // for administrators alone: what was changed on this machine
	Operators string // the file of those who may operate the node, see ReadOperators
}

// Machine returns the layout for a system; getenv is asked on Windows alone.
func Machine(goos string, getenv func(string) string) Layout {
	switch goos {
	case "windows":
		state := getenv("ProgramData") + `\AltNet`
		return Layout{Data: state + `\node`, Control: state + `\node`, State: state, Operators: state + `\operators`}
	case "darwin":
		const state = "/Library/Application Support/AltNet"
		return Layout{Data: state + "/node", Control: state + "/run", State: state, Operators: state + "/operators"}
	default:
		const state = "/var/lib/altnet"
		return Layout{Data: state + "/node", Control: "/run/altnet", State: state, Operators: state + "/operators"}
	}
}

// Here returns the layout of this machine.
func Here() Layout { return thisMachine() }

// Config says what the service runs.
type Config struct {
	Executable string   // absolute path of the program
	Flags      []string // of the node, behind "service run"
	Log        *slog.Logger
}

// part is one process of the service.
type part struct {
	name  string   // of the unit
	title string   // for people
	args  []string // of the program
	root  bool     // runs with an administrator's rights
}

// Names of the parts, which are also those of the node's user and group.
const (
	NodeName  = "altnet"
	DoorsName = "altnet-doors"
)

func parts(flags []string) []part {
	return []part{
		{NodeName, "AltNet, a web without servers", append([]string{"service", "run"}, flags...), false},
		{DoorsName, "AltNet, names under .alt for this computer", []string{"service", "doors"}, true},
	}
}

// State is how the service is doing.
type State string

// The states of a service.
const (
	Absent  State = "not installed"
	Stopped State = "stopped"
	Running State = "running"
	Failed  State = "failed"
)

// Manager installs and steers the service of this machine.
type Manager struct {
	cfg   Config
	log   *slog.Logger
	units []unit
}

// unit is a part as this machine's service manager knows it.
type unit struct {
	part
	service.Service
	described *service.Config
}

func (u unit) config() *service.Config { return u.described }

// manage makes a unit of a part.
func manage(executable string, p part) (unit, error) {
	c := describe(executable, p)
	s, err := service.New(idle{}, c)
	if err != nil {
		return unit{}, fmt.Errorf("find the service manager: %w", err)
	}
	return unit{p, s, c}, nil
}

// New returns the manager of this machine. It fails where the machine has no
// service manager that is known.
func New(cfg Config) (*Manager, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{cfg: cfg, log: cfg.Log}
	if err := supported(); err != nil {
		return nil, err
	}
	for _, p := range parts(cfg.Flags) {
		if p.root && !hasDoors() {
			continue
		}
		u, err := manage(cfg.Executable, p)
		if err != nil {
			return nil, err
		}
		m.units = append(m.units, u)
	}
	return m, nil
}

// describe tells kardianos/service about a part.
func describe(executable string, p part) *service.Config {
	return &service.Config{
		Name: systemName(p.name), DisplayName: displayName(p), Description: p.title,
		Executable: executable, Arguments: p.args, UserName: account(p),
		Option: service.KeyValue{
			"SystemdScript": literal(SystemdUnit(executable, p.name, p.args)),
			"SysvScript":    literal(SysvScript(executable, p.args)),
			"OpenRCScript":  literal(OpenRCScript(executable, p.args)),
			"LaunchdConfig": literal(LaunchdPlist(executable, p.name, p.args)),
			"StartType":     "automatic", // Windows
		},
		Dependencies: dependencies(p),
	}
}

func displayName(p part) string {
	if p.name == DoorsName {
		return "AltNet names"
	}
	return "AltNet"
}

// literal guards a text against being read as a template.
func literal(text string) string { return strings.ReplaceAll(text, "{{", "{ {") }

// idle stands where kardianos/service wants a program: a manager runs none.
type idle struct{}

func (idle) Start(service.Service) error { return nil }
func (idle) Stop(service.Service) error  { return nil }

// Install makes the service and starts it. Where it exists already it is
// brought to what this program would install, and started again if that
// changed anything. operator, unless empty, may operate the node from now on
// (a user ID, or a SID on Windows).
func (m *Manager) Install(operator string) error {
	if err := mayChange(); err != nil {
		return err
	}
	layout := thisMachine()
	if err := prepare(layout); err != nil {
		return fmt.Errorf("prepare the service: %w", err)
	}
	if err := addOperator(layout.Operators, operator); err != nil {
		return err
	}
	for _, u := range m.units {
		if err := m.install(u); err != nil {
			return fmt.Errorf("install the service %s: %w", u.name, err)
		}
	}
	return m.Start()
}

func (m *Manager) install(u unit) error {
	same, err := u.upToDate()
	if err != nil {
		return err
	}
	if same {
		m.log.Info("the service is installed already", "service", u.name)
		return enable(u)
	}
	if u.exists() {
		m.log.Info("the service is brought up to date", "service", u.name)
		stop(u) // a running one must not hold what the new one needs
		if err := remove(u); err != nil {
			return err
		}
	}
	return u.write()
}

// Uninstall stops and removes the service. The data stays.
func (m *Manager) Uninstall() error {
	if err := mayChange(); err != nil {
		return err
	}
	var errs []error
	found := false
	for i := len(m.units) - 1; i >= 0; i-- {
		u := m.units[i]
		if !u.exists() && !packaged(u) {
			continue
		}
		found = true
		if state, _ := stateOf(u); state == Running {
			errs = append(errs, stop(u))
		}
		if err := remove(u); err != nil {
			errs = append(errs, fmt.Errorf("remove the service %s: %w", u.name, err))
		}
	}
	if !found {
		return ErrNotInstalled
	}
	return errors.Join(errs...)
}

// Purge removes the service, its data and its user.
func (m *Manager) Purge() error {
	if err := m.Uninstall(); err != nil && !errors.Is(err, ErrNotInstalled) {
		return err
	}
	return purge(thisMachine())
}

// Start starts what is installed. What runs already goes on.
func (m *Manager) Start() error {
	return m.each(func(u unit) error {
		if state, err := stateOf(u); err == nil && state == Running {
			return nil
		}
		return start(u)
	})
}

// Stop stops what is installed, the doors first.
func (m *Manager) Stop() error {
	if err := mayChange(); err != nil {
		return err
	}
	state, err := m.Status()
	if err != nil || state == Absent {
		return errors.Join(err, ErrNotInstalled)
	}
	var errs []error
	for i := len(m.units) - 1; i >= 0; i-- {
		if state, _ := stateOf(m.units[i]); state == Running || state == Failed { // and waits to be started again
			errs = append(errs, stop(m.units[i]))
		}
	}
	return errors.Join(errs...)
}

func (m *Manager) each(do func(unit) error) error {
	if err := mayChange(); err != nil {
		return err
	}
	for _, u := range m.units {
		if !u.exists() && !packaged(u) {
			return fmt.Errorf("%s: %w", u.name, ErrNotInstalled)
		}
		if err := do(u); err != nil {
			return fmt.Errorf("service %s: %w", u.name, err)
		}
	}
	return nil
}

// Status is how the node's service is doing. Everybody may ask.
func (m *Manager) Status() (State, error) { return stateOf(m.units[0]) }

// Installed reports whether this machine has the service, running or not; one
// that came with a package and is switched off is none. It asks the file system
// or the service manager, needs no rights and takes milliseconds.
func Installed() bool {
	u, err := manage("", parts(nil)[0])
	return err == nil && (u.exists() || packaged(u) && enabled(u))
}

// Run runs program as the service that the system started. It returns when
// ctx ends or the system asks for the end and program has returned.
func Run(ctx context.Context, program func(context.Context) error) error { return run(ctx, program) }

// Log returns the log of a service: w for a system that collects what a
// service prints, else the system's own.
func Log(w io.Writer, level slog.Level) (*slog.Logger, error) { return openLog(w, level) }

// join writes a command line in which words with blanks are quoted the way
// both sh and systemd read it.
func join(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\"'\\$&;|<>()*?[]#~%`!{}") {
			w = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(w) + `"`
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}

// mark stands in every file that this package writes, so that only those are
// replaced or removed.
const mark = "Made by AltNet; `altnet service install` writes it anew."

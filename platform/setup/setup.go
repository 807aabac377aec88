// Package setup makes .alt work for a person: it plans what to change, changes
// it, examines what is wrong, and takes everything back.
//
// Doors (platform/splitdns) and trust stores (platform/trust) are its parts;
// Table says who may touch each. A Setup belongs to one actor and has one
// journal: the user's process one in the user's configuration folder, the
// elevated helper and the service one in the machine's. What a person agreed
// to is kept beside the journal, so that the doors can be set again at each
// start and are gone while nothing is behind them.
package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"altnet/platform/journal"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

// Errors of this package.
var (
	// ErrNoAdministrator is returned where a change needs an administrator and
	// there is no way to ask for one.
	ErrNoAdministrator = errors.New("there is no way to ask for an administrator here")
	// ErrDeclined is returned where a person was asked and said no.
	ErrDeclined = errors.New("declined")
	// ErrNotAllowed is returned for what this process must not change.
	ErrNotAllowed = errors.New("not for this process to change")
)

// Files in Config.Dir.
const (
	JournalFile = "journal.json"
	choiceFile  = "setup.json"
)

// Config says what a Setup works with.
type Config struct {
	Actor   Actor  // who this process is
	Dir     string // folder of the journal; made where missing, for its owner alone
	Machine string // that of the machine's; the same for a helper or a service

	Root func() ([]byte, error) // the root certificate in PEM
	// Decide says which doors this machine gets, Open opens one whose changes
	// are noted in a journal.
	Decide func(context.Context) (splitdns.Decision, error)
	Open   func(splitdns.Name, *journal.Journal) (splitdns.Door, error)
	Trust  trust.Env
	// HasService says that the service is installed: machine-wide doors and
	// stores are used.
	HasService bool
	// Node names the node that the doors lead to, so that another one of the
	// same person leaves them alone; "": it is not known which.
	Node string
	// Prove finds out whether that node's gateway is what answers where the doors
	// lead, as splitdns.Config.Prove; nil: whoever answers is believed.
	Prove func(context.Context) error
	// Elevate runs a Request as an administrator, who is asked once; nil where
	// there is no way to.
	Elevate func(context.Context, Request) error

	FS  journal.FS // nil: this computer's
	Log *slog.Logger
}

// Setup changes a machine and knows how to take it back.
type Setup struct {
	cfg  Config
	open map[splitdns.Name]splitdns.Door // that hold something while they are open
}

// New returns a Setup. It touches nothing.
func New(cfg Config) *Setup {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Setup{cfg: cfg, open: map[splitdns.Name]splitdns.Door{}}
}

// journal opens the journal, making its folder.
func (s *Setup) journal() (*journal.Journal, error) {
	if err := os.MkdirAll(s.cfg.Dir, s.folderMode()); err != nil {
		return nil, fmt.Errorf("make the folder of the journal: %w", err)
	}
	undoers, surgeons := splitdns.Undoers(nil), splitdns.Surgeons()
	maps.Copy(undoers, trust.Undoers(s.cfg.Trust))
	maps.Copy(surgeons, trust.Surgeons())
	return journal.Open(filepath.Join(s.cfg.Dir, JournalFile), journal.Config{FS: s.cfg.FS, Undoers: undoers, Surgeons: surgeons, Log: s.cfg.Log})
}

// folderMode lets everybody see that the machine's journal exists; its content
// is for its owner alone.
func (s *Setup) folderMode() fs.FileMode {
	if s.cfg.Actor == User {
		return 0o700
	}
	return 0o755
}

// Choice is what a person agreed to.
type Choice struct {
	Browsing bool `json:"browsing"` // .alt opens in the browsers
	Trust    bool `json:"trust"`    // the root is trusted, for https
}

// remembered is what lies in the file of what was agreed to.
type remembered struct {
	Choice
	// Machine says that an administrator was asked to trust the root for the
	// whole machine, so that undoing has to ask again.
	Machine bool `json:"machine,omitempty"`
	// Node is where the doors lead, Off are those that the person turned off
	// since in the settings of the desktop.
	Node string          `json:"node,omitempty"`
	Off  []splitdns.Name `json:"off,omitempty"`
}

// Choice returns what was agreed to last; nothing where nobody was asked yet.
func (s *Setup) Choice() (Choice, error) {
	r, err := s.recall()
	return r.Choice, err
}

func (s *Setup) recall() (remembered, error) {
	text, err := os.ReadFile(filepath.Join(s.cfg.Dir, choiceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return remembered{}, nil
	}
	if err != nil {
		return remembered{}, fmt.Errorf("read what was agreed to: %w", err)
	}
	var r remembered
	if err := json.Unmarshal(text, &r); err != nil {
		return remembered{}, fmt.Errorf("read what was agreed to: %w", err)
	}
	return r, nil
}

// choose notes what was agreed to, before anything is changed.
func (s *Setup) choose(c Choice) error {
	r, _ := s.recall() // what cannot be read is replaced
	return s.remember(remembered{Choice: c, Machine: r.Machine, Node: s.cfg.Node})
}

func (s *Setup) remember(r remembered) error {
	if err := os.MkdirAll(s.cfg.Dir, s.folderMode()); err != nil {
		return fmt.Errorf("note what was agreed to: %w", err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("note what was agreed to: %w", err)
	}
	file := filepath.Join(s.cfg.Dir, choiceFile)
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("note what was agreed to: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("note what was agreed to: %w", err)
	}
	return nil
}

// forget removes the files of an undone set-up, and its folder where nothing
// else is in it. Whoever else uses the journal just now keeps it.
func (s *Setup) forget() error {
	for _, name := range []string{choiceFile, choiceFile + ".new"} {
		if err := os.Remove(filepath.Join(s.cfg.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget what was agreed to: %w", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(s.cfg.Dir, JournalFile)); err == nil {
		return nil
	}
	lock := flock.New(filepath.Join(s.cfg.Dir, JournalFile+".lock"), flock.SetPermissions(0o600))
	if held, err := lock.TryLock(); err == nil && held {
		os.Remove(lock.Path())
		lock.Unlock()
	}
	os.Remove(s.cfg.Dir) // only an empty one goes
	return nil
}

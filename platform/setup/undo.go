package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"altnet/platform/journal"
)

// Left is one change that is still there, and Undone what became of one.
type Left struct {
	What  string `json:"what"`
	Actor Actor  `json:"actor"` // who takes it back
}

// Undone is what became of one change.
type Undone struct {
	What   string         `json:"what"`
	Result journal.Result `json:"result"`
}

// Left lists what Undo would take back. Of the machine's changes a user is
// told only that there are some.
func (s *Setup) Left(ctx context.Context) ([]Left, error) {
	var list []Left
	if exists(filepath.Join(s.cfg.Dir, JournalFile)) {
		j, err := s.journal()
		if err != nil {
			return nil, err
		}
		entries, err := j.Entries(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			list = append(list, Left{What: e.What, Actor: s.cfg.Actor})
		}
	}
	if s.others() {
		list = append(list, Left{What: filepath.Join(s.cfg.Machine, JournalFile), Actor: Helper})
	}
	return list, nil
}

// others reports whether the machine has changes that are not this process's,
// or what a helper left that died before it made any. An installed service has
// changes of its own there, which stay: then it counts what this person asked
// for.
func (s *Setup) others() bool {
	if s.cfg.Actor != User || s.cfg.Machine == "" || s.cfg.Machine == s.cfg.Dir {
		return false
	}
	file := filepath.Join(s.cfg.Machine, JournalFile)
	if s.cfg.HasService {
		known, err := s.recall()
		return err == nil && known.Machine && exists(file)
	}
	return exists(file) || exists(file+".new") || exists(file+".lock")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Undo takes everything back: this actor's changes and, through the helper,
// the machine's. It may be run again, after a kill too; what failed stays in
// the journal.
func (s *Setup) Undo(ctx context.Context) ([]Undone, error) {
	var machine []Undone
	var refused error
	if s.others() { // first: after it nothing remembers that it was to be done
		result := journal.Restored
		if refused = s.elevate(ctx, Request{Undo: true}); refused != nil {
			result = journal.Failed
		}
		machine = append(machine, Undone{What: filepath.Join(s.cfg.Machine, JournalFile), Result: result})
	}
	done, err := s.undoOwn(ctx)
	if refused != nil {
		err = errors.Join(err, refused, s.remember(remembered{Machine: true}))
	}
	return append(done, machine...), err
}

func (s *Setup) undoOwn(ctx context.Context) ([]Undone, error) {
	var errs []error
	for name, door := range s.open {
		errs = append(errs, door.Undo(ctx))
		delete(s.open, name)
	}
	if !exists(s.cfg.Dir) {
		return nil, errors.Join(errs...)
	}
	// First of all, so that no agent sets the doors anew meanwhile.
	if err := os.Remove(filepath.Join(s.cfg.Dir, choiceFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	j, err := s.journal()
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	outcomes, err := j.Undo(ctx)
	errs = append(errs, err)
	var done []Undone
	for _, o := range outcomes {
		done = append(done, Undone{What: o.What, Result: o.Result})
	}
	if errors.Join(errs...) == nil {
		errs = append(errs, s.forget())
	}
	return done, errors.Join(errs...)
}

// noted lists the doors of the journal that match, each once.
func (s *Setup) noted(ctx context.Context, match func(door string) bool) ([]string, error) {
	if !exists(filepath.Join(s.cfg.Dir, JournalFile)) {
		return nil, nil
	}
	j, err := s.journal()
	if err != nil {
		return nil, err
	}
	entries, err := j.Entries(ctx)
	if err != nil {
		return nil, err
	}
	var doors []string
	for _, e := range entries {
		if match(e.Door) && !slices.Contains(doors, e.Door) {
			doors = append(doors, e.Door)
		}
	}
	return doors, nil
}

package engine

import (
	"context"
	"fmt"
	"time"

	"altnet/engine/control"
)

var settingsKey = []byte("settings")

// settingsEntry is how the settings are written down: with what the flags
// said then, so that of a setting and a flag the later word counts.
type settingsEntry struct {
	control.Settings
	Flags flagged `json:"flags"`
}

// flagged is what both a flag and a setting may say.
type flagged struct {
	Budget    int64 `json:"budget"`
	Volunteer bool  `json:"volunteer"`
}

func (c Config) flagged() flagged {
	return flagged{Budget: c.StoreBudget, Volunteer: !c.NoVolunteer}
}

// loadSettings reads what was set, or else what the flags say.
func (e *Engine) loadSettings() (control.Settings, error) {
	flags := e.cfg.flagged()
	old, had, err := load[settingsEntry](e.store.Bucket(settingsBucket), settingsKey)
	if err != nil {
		return control.Settings{}, fmt.Errorf("read the settings: %w", err)
	}
	if !had {
		return control.Settings{DiskBudget: flags.Budget, Volunteer: flags.Volunteer, Share: control.ShareNever}, nil
	}
	if old.Flags.Budget != flags.Budget {
		old.DiskBudget = flags.Budget
	}
	if old.Flags.Volunteer != flags.Volunteer {
		old.Volunteer = flags.Volunteer
	}
	return old.Settings, nil
}

// Settings implements control.Control.
func (e *Engine) Settings(context.Context) (control.Settings, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settings, nil
}

// SetSettings implements control.Control.
func (e *Engine) SetSettings(ctx context.Context, s control.Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	err := save(ctx, e.store.Bucket(settingsBucket), settingsKey, settingsEntry{s, e.cfg.flagged()})
	if err != nil {
		return storeError(fmt.Errorf("remember the settings: %w", err))
	}
	e.mu.Lock()
	e.settings = s
	e.mu.Unlock()
	e.events.poke()
	return nil
}

// Pause implements control.Control.
func (e *Engine) Pause(context.Context, time.Time) error { return errNotYet }

// Forget implements control.Control.
func (e *Engine) Forget(context.Context) (int64, error) { return 0, errNotYet }

// Logs implements control.Control.
func (e *Engine) Logs(context.Context) ([]control.LogLine, error) { return nil, errNotYet }

package engine

import (
	"context"
	"fmt"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// settingsBucket holds this node's few own settings.
const settingsBucket = "settings"

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
func (e *Engine) Settings(context.Context) (control.Settings, error) { return e.chosen(), nil }

// SetSettings implements control.Control.
func (e *Engine) SetSettings(ctx context.Context, s control.Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	e.setting.Lock()
	defer e.setting.Unlock()
	err := save(ctx, e.store.Bucket(settingsBucket), settingsKey, settingsEntry{s, e.cfg.flagged()})
	if err != nil {
		return storeError(fmt.Errorf("remember the settings: %w", err))
	}
	old := e.chosen()
	e.settle(func(p *presence) { p.settings = s })
	e.obey(s)
	signal(e.looking) // for the month
	if s.Share != old.Share {
		e.shared.chose(s.Share)
	}
	if err := e.store.SetBudget(ctx, s.DiskBudget); err != nil {
		return storeError(fmt.Errorf("fit the disk budget: %w", err))
	}
	if s.Accepted.IsZero() && !old.Accepted.IsZero() && !e.cfg.AskFirst {
		return e.SetOnline(ctx, false) // a node that does not ask has no other way to heed it
	}
	return nil
}

// obey has the network's side follow the settings.
func (e *Engine) obey(s control.Settings) {
	e.host.SetRates(s.UpLimit, s.DownLimit)
	e.host.SetRole(e.role())
}

// role is what the node does for other peers.
func (e *Engine) role() wire.Role {
	role := wire.Role(0)
	if e.port != 0 {
		role |= wire.RoleServer
		if e.chosen().Volunteer {
			role |= wire.RoleVolunteer
		}
	}
	return role
}

package controltest

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// person is what a Fake keeps for the people who use it.
type person struct {
	settings control.Settings
	until    time.Time // of the user's pause
	visited  []control.Visited
	blocked  []control.Blocked
	logs     []control.LogLine
	activity map[string]control.Activity // by name
	notices  []control.Event
}

func newPerson() person {
	return person{
		settings: control.Settings{
			Accepted: time.Unix(1_700_000_000, 0).UTC(), DiskBudget: 10e9, Volunteer: true, Share: control.ShareNever,
		},
		activity: map[string]control.Activity{},
	}
}

// SetVisited makes Visited answer so.
func (f *Fake) SetVisited(v []control.Visited) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.visited = slices.Clone(v)
}

// SetActivity makes Activity answer so for a name.
func (f *Fake) SetActivity(name string, a control.Activity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.activity[name] = a
}

// SetLogs makes Logs answer so.
func (f *Fake) SetLogs(lines []control.LogLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.logs = slices.Clone(lines)
}

// Notify sends an event to every reader of Events.
func (f *Fake) Notify(e control.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.notices = append(f.person.notices, e)
	f.changedLocked()
}

// Settings implements control.Control.
func (f *Fake) Settings(ctx context.Context) (control.Settings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.person.settings, ctx.Err()
}

// SetSettings implements control.Control.
func (f *Fake) SetSettings(ctx context.Context, s control.Settings) error {
	if err := s.Check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Accepted.IsZero() && !f.person.settings.Accepted.IsZero() {
		f.online = false
	}
	f.person.settings = s
	f.changedLocked()
	return ctx.Err()
}

// Pause implements control.Control. A Fake's pause ends by Pause alone.
func (f *Fake) Pause(ctx context.Context, until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.until = time.Time{}
	if until.After(time.Now()) {
		f.person.until = until
	}
	f.changedLocked()
	return ctx.Err()
}

func (f *Fake) pausedLocked() *control.Paused {
	if f.person.until.IsZero() {
		return nil
	}
	return &control.Paused{Until: f.person.until, Reason: control.PauseUser}
}

// Forget implements control.Control. A Fake keeps nothing for others.
func (f *Fake) Forget(ctx context.Context) (int64, error) { return 0, ctx.Err() }

// Logs implements control.Control.
func (f *Fake) Logs(ctx context.Context) ([]control.LogLine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.logs), ctx.Err()
}

// ProveGateway implements control.Control. A Fake has no gateway.
func (f *Fake) ProveGateway(ctx context.Context) ([]string, error) { return nil, ctx.Err() }

// Activity implements control.Control.
func (f *Fake) Activity(ctx context.Context, name string) (control.Activity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.ownLocked(ctx, name)
	if err != nil {
		return control.Activity{}, err
	}
	return f.person.activity[s.versions[0].record.Name], nil
}

// Visited implements control.Control.
func (f *Fake) Visited(ctx context.Context) ([]control.Visited, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.visited), ctx.Err()
}

// ClearVisited implements control.Control.
func (f *Fake) ClearVisited(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.person.visited = nil
	return ctx.Err()
}

// SetBlocked implements control.Control.
func (f *Fake) SetBlocked(ctx context.Context, target string, blocked bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(target) != 64 || strings.Trim(target, "0123456789abcdef") != "" {
		name, err := canonical(target)
		if err != nil {
			return err
		}
		target = name
		if s := f.sites[name]; blocked && s != nil && s.own {
			return fmt.Errorf("%s is published on this node: %w", name, control.ErrInvalid)
		}
	}
	i := slices.IndexFunc(f.person.blocked, func(b control.Blocked) bool { return b.Target == target })
	switch {
	case blocked && i < 0:
		f.person.blocked = slices.Insert(f.person.blocked, 0, control.Blocked{Target: target, Since: time.Now().UTC()})
	case !blocked && i < 0:
		return fmt.Errorf("%s is not blocked: %w", target, control.ErrNotFound)
	case !blocked:
		f.person.blocked = slices.Delete(f.person.blocked, i, i+1)
	}
	return ctx.Err()
}

func (f *Fake) blockedLocked(target string) bool {
	return slices.ContainsFunc(f.person.blocked, func(b control.Blocked) bool { return b.Target == target })
}

// Blocked implements control.Control.
func (f *Fake) Blocked(ctx context.Context) ([]control.Blocked, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.blocked), ctx.Err()
}

// Preview implements control.Control.
func (f *Fake) Preview(ctx context.Context, name string, seq uint64) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.ownLocked(ctx, name)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(s.versions, func(v fakeVersion) bool { return v.record.Seq == seq }) {
		return "", fmt.Errorf("%s has no version %d: %w", name, seq, control.ErrNotFound)
	}
	return fmt.Sprintf("http://preview-%d.localhost:8080/", seq), nil
}

// knownLocked returns a block, unless it is another user's of a service.
func (f *Fake) knownLocked(c control.Caller, h wire.Hash) ([]byte, bool) {
	data, ok := f.blocks[h]
	return data, ok && (!c.OneOfMany() || f.ownsBlockLocked(c, h))
}

// ownsBlockLocked reports whether a block is of a site that a caller published
// or put here.
func (f *Fake) ownsBlockLocked(c control.Caller, h wire.Hash) bool {
	if f.uploads[upload{c.User, h}] {
		return true
	}
	for _, s := range f.sites {
		if !s.own || !c.Owns(s.user) {
			continue
		}
		for _, v := range s.versions {
			root, _ := hex.DecodeString(v.record.Root)
			if bytes.Equal(root, h[:]) || bytes.Contains(f.blocks[wire.Hash(root)], h[:]) {
				return true
			}
		}
	}
	return false
}

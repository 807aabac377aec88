package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"altnet/platform"
)

// preferences are the window's and the agent's, as ui.Prefs describes them: a
// build without the window has an agent too.
type preferences struct {
	Welcomed bool      `json:"welcomed,omitempty"`
	Browsing bool      `json:"browsing,omitempty"`
	Theme    string    `json:"theme,omitempty"`
	Language string    `json:"language,omitempty"`
	Watched  []string  `json:"watched,omitempty"`
	Followed []string  `json:"followed,omitempty"`
	BackedUp time.Time `json:"backed_up,omitzero"`
	TraySaid bool      `json:"tray_said,omitempty"`
}

// prefsFile is where preferences lie: desktop.json in the profile.
type prefsFile struct{ profile string }

func (p prefsFile) path() string { return filepath.Join(p.profile, "desktop.json") }

// load reads the preferences; a missing file means the defaults.
func (p prefsFile) load() (preferences, error) {
	prefs, err := loadJSON[preferences](p.path())
	if err != nil {
		return prefs, fmt.Errorf("read the preferences: %w", err)
	}
	return prefs, nil
}

// loadJSON reads a file of the profile; none is the zero value, and no error.
func loadJSON[T any](file string) (T, error) {
	var v, none T
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return none, err
	}
	return v, nil
}

// prefsPatience bounds the wait for a process that stopped with the lock in its
// hands: the window waits on the goroutine that draws.
const prefsPatience = 2 * time.Second

// change applies a change under a lock that window and agent both respect. A
// damaged file is replaced: preferences are not worth an error for ever.
func (p prefsFile) change(change func(*preferences)) (preferences, error) {
	if err := platform.Private(p.profile); err != nil {
		return preferences{}, err
	}
	lock := flock.New(p.path()+".lock", flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), prefsPatience)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return preferences{}, fmt.Errorf("lock the preferences: %w", err)
	}
	defer lock.Close()
	prefs, _ := p.load()
	change(&prefs)
	data, err := json.MarshalIndent(prefs, "", " ")
	if err != nil {
		return prefs, err
	}
	tmp := p.path() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return prefs, fmt.Errorf("write the preferences: %w", err)
	}
	if err := os.Rename(tmp, p.path()); err != nil {
		return prefs, fmt.Errorf("write the preferences: %w", err)
	}
	return prefs, nil
}

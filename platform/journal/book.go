package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"altnet/platform"
)

// book is the journal's file.
type book struct {
	Version int      `json:"version"`
	Entries []*entry `json:"entries"`
}

type entry struct {
	Door     string    `json:"door"`
	Time     time.Time `json:"time"`
	Done     bool      `json:"done"`
	File     *file     `json:"file,omitempty"`
	External *external `json:"external,omitempty"`
}

// file is the entry of a file: everything that is needed to put it back. Mode
// and owner are not among it: a file that exists keeps them at every change.
type file struct {
	Path    string            `json:"path"`
	Temp    string            `json:"temp"`              // where it is written before it is moved into place
	Mode    fs.FileMode       `json:"mode,omitempty"`    // of a file that we create; 0: the default
	Existed bool              `json:"existed"`           // there was a file before
	Before  []byte            `json:"before,omitempty"`  // what was in it
	Ours    []string          `json:"ours"`              // SHA-256 of what we may have left there
	Folders []string          `json:"folders,omitempty"` // made for it, the outermost first
	Surgeon string            `json:"surgeon,omitempty"`
	Parts   []json.RawMessage `json:"parts,omitempty"` // what the surgeon cuts out
}

type external struct {
	Kind   string            `json:"kind"`
	Key    string            `json:"key"`
	Before json.RawMessage   `json:"before,omitempty"`
	Ours   []json.RawMessage `json:"ours"`
}

func (e *entry) what() string {
	if e.File != nil {
		return e.File.Path
	}
	return e.External.Kind + " " + e.External.Key
}

func (e *entry) public() Entry {
	return Entry{Door: e.Door, What: e.what(), Time: e.Time, Done: e.Done}
}

// open locks the journal and reads it. Whoever gets it unlocks it.
func (j *Journal) open(ctx context.Context) (b *book, unlock func(), err error) {
	unlock, err = j.cfg.FS.Lock(ctx, j.path)
	if err != nil {
		return nil, nil, fmt.Errorf("lock the journal: %w", err)
	}
	if b, err = j.load(); err != nil {
		unlock()
		return nil, nil, err
	}
	return b, unlock, nil
}

// load reads the journal; none is an empty one. Who can write it decides what
// is written where, so it must be the caller's own.
func (j *Journal) load() (*book, error) {
	state, err := j.cfg.FS.Read(j.path, maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return &book{Version: version}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	if uid := j.cfg.FS.UID(); uid >= 0 && (state.UID != uid || state.Mode.Perm()&0o022 != 0) {
		return nil, fmt.Errorf("%w: %s can be written by others", ErrDamaged, j.path)
	}
	if err := j.checkOwner(); err != nil {
		return nil, err
	}
	return decode(state.Data)
}

// checkOwner is for systems without user numbers.
func (j *Journal) checkOwner() error {
	if _, real := j.cfg.FS.(system); !real || hasModes {
		return nil
	}
	ours, err := platform.Ours(j.path)
	if err == nil && !ours {
		err = fmt.Errorf("%w: %s was written by somebody else", ErrDamaged, j.path)
	}
	return err
}

func decode(data []byte) (*book, error) {
	var head struct{ Version int }
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if head.Version > version {
		return nil, fmt.Errorf("%w: it has format %d, this program knows %d", ErrNewer, head.Version, version)
	}
	var b book
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if b.Version != version || len(b.Entries) > MaxEntries {
		return nil, fmt.Errorf("%w: format %d with %d entries", ErrDamaged, b.Version, len(b.Entries))
	}
	for _, e := range b.Entries {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return &b, nil
}

func (e *entry) check() error {
	switch {
	case e == nil, (e.File == nil) == (e.External == nil):
		return errors.New("an entry is neither a file nor an external change")
	case e.External != nil && len(e.External.Ours) > 0:
		return nil
	case e.External != nil, len(e.File.Ours) == 0:
		return fmt.Errorf("the entry of %s says nothing of what was done", e.what())
	case !filepath.IsAbs(e.File.Path), filepath.Dir(e.File.Temp) != filepath.Dir(e.File.Path):
		return fmt.Errorf("an entry has the path %q", e.File.Path)
	}
	for _, folder := range e.File.Folders {
		if !filepath.IsAbs(folder) {
			return fmt.Errorf("an entry has the folder %q", folder)
		}
	}
	return nil
}

// save replaces the journal and returns when that is on the disk. An empty one
// is removed.
func (j *Journal) save(b *book) error {
	if len(b.Entries) == 0 {
		return j.tidy(true)
	}
	data, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if len(data) > maxJournal || len(b.Entries) > MaxEntries {
		return fmt.Errorf("write the journal: %w", ErrTooLarge)
	}
	owner := State{Data: data, Mode: 0o600, UID: j.cfg.FS.UID(), GID: -1}
	if err := replace(j.cfg.FS, j.path, j.temp(), owner); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

func (j *Journal) temp() string { return j.path + ".new" }

// tidy removes what an interrupted save left, and the journal itself when it
// is empty.
func (j *Journal) tidy(empty bool) error {
	paths := []string{j.temp()}
	if empty {
		paths = append(paths, j.path)
	}
	for _, p := range paths {
		if err := discard(j.cfg.FS, p); err != nil {
			return fmt.Errorf("tidy the journal: %w", err)
		}
	}
	return nil
}

// discard removes a file, which may not be there, and syncs its folder.
func discard(f FS, path string) error {
	err := f.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.SyncFolder(filepath.Dir(path))
}

// replace puts state at path as a whole or not at all, and returns when that is
// on the disk. temp is in the same folder; what lies there is overwritten.
func replace(f FS, path, temp string, state State) error {
	if err := discard(f, temp); err != nil {
		return err
	}
	if err := f.Create(temp, state); err != nil {
		return err
	}
	if err := f.Sync(temp); err != nil {
		return err
	}
	if err := f.Rename(temp, path); err != nil {
		return err
	}
	return f.SyncFolder(filepath.Dir(path))
}

package journal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// File makes a change to a file. When it fails, what it did is undone as far as
// that is possible, and the rest stays in the journal for the next Undo.
func (j *Journal) File(ctx context.Context, change FileChange) error {
	if err := j.file(ctx, change); err != nil {
		return fmt.Errorf("change %s: %w", change.Path, err)
	}
	return nil
}

func (j *Journal) file(ctx context.Context, change FileChange) error {
	b, unlock, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	path, err := j.cfg.FS.Resolve(change.Path)
	if err != nil {
		return err
	}
	now, err := j.read(path)
	if err != nil {
		return err
	}
	e, wanted, err := j.plan(change, path, now, b.file(change.Door, path))
	if err != nil || e == nil {
		return err
	}
	b.put(e)
	return j.carryOut(b, e, now, wanted)
}

// file finds the entry of a door for a path.
func (b *book) file(door, path string) *entry {
	i := slices.IndexFunc(b.Entries, func(e *entry) bool { return e.Door == door && e.File != nil && e.File.Path == path })
	if i < 0 {
		return nil
	}
	return b.Entries[i]
}

// put adds an entry, or replaces the one for the same thing in its place.
func (b *book) put(e *entry) {
	same := func(x *entry) bool {
		return x.Door == e.Door && x.what() == e.what() && (x.File == nil) == (e.File == nil)
	}
	if i := slices.IndexFunc(b.Entries, same); i >= 0 {
		b.Entries[i] = e
		return
	}
	b.Entries = append(b.Entries, e)
}

func (b *book) remove(e *entry) {
	b.Entries = slices.DeleteFunc(b.Entries, func(x *entry) bool { return x == e })
}

// read returns the file at path, nil where there is none.
func (j *Journal) read(path string) (*State, error) {
	state, err := j.cfg.FS.Read(path, MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &state, nil
}

// plan returns the entry of a change and the content that the file is to have;
// no entry where nothing is to be changed.
func (j *Journal) plan(change FileChange, path string, now *State, known *entry) (*entry, []byte, error) {
	f := &file{Path: path, Temp: tempOf(path), Mode: change.Mode, Surgeon: change.Surgeon}
	if err := j.before(f, change, now, known); err != nil {
		return nil, nil, err
	}
	var base []byte
	if f.Existed {
		base = f.Before
	}
	wanted, err := change.Edit(base)
	if err != nil {
		return nil, nil, err
	}
	if len(wanted) > MaxFile {
		return nil, nil, ErrTooLarge
	}
	unchanged := now != nil && bytes.Equal(wanted, now.Data)
	if unchanged && (known != nil && known.Done || f.Existed && bytes.Equal(wanted, f.Before)) {
		return nil, nil, nil
	}
	f.Ours = append(f.Ours, sum(wanted))
	if change.Part != nil {
		f.Parts = append(f.Parts, change.Part)
	}
	missing, err := j.missing(filepath.Dir(path))
	f.Folders = append(f.Folders, missing...)
	return &entry{Door: change.Door, Time: time.Now().UTC(), File: f}, wanted, err
}

// before fills in what was there before our first change, looking through our
// own earlier ones.
func (j *Journal) before(f *file, change FileChange, now *State, known *entry) error {
	if known != nil {
		f.Folders = slices.Clone(known.File.Folders)
	}
	switch {
	case now == nil:
		return nil
	case known == nil:
		if change.Leftover != nil && change.Leftover(now.Data) {
			f.Ours = []string{sum(now.Data)}
			return nil
		}
		f.Existed, f.Before = true, now.Data
		return nil
	case known.File.ours(now.Data), known.File.Existed && bytes.Equal(known.File.Before, now.Data):
		f.Existed, f.Before = known.File.Existed, known.File.Before
		f.Ours, f.Parts = slices.Clone(known.File.Ours), slices.Clone(known.File.Parts)
		return nil
	}
	rest, err := j.cut(known.File, now.Data)
	if errors.Is(err, errUnknownPart) {
		return ErrEdited
	}
	f.Existed = known.File.Existed || len(bytes.TrimSpace(rest)) > 0
	f.Before = rest
	f.Parts = slices.Clone(known.File.Parts) // still in the file should we be interrupted
	return err
}

func (f *file) ours(data []byte) bool { return slices.Contains(f.Ours, sum(data)) }

// carryOut writes the intent, makes the change and marks it done.
func (j *Journal) carryOut(b *book, e *entry, now *State, wanted []byte) error {
	if err := j.save(b); err != nil {
		return err
	}
	if err := j.write(e.File, now, wanted); err != nil {
		if _, undone := j.undoFile(e); undone != nil {
			return errors.Join(err, undone)
		}
		b.remove(e)
		return errors.Join(err, j.save(b))
	}
	e.Done, e.File.Ours = true, e.File.Ours[len(e.File.Ours)-1:]
	if n := len(e.File.Parts); n > 1 {
		e.File.Parts = e.File.Parts[n-1:]
	}
	return j.save(b)
}

func (j *Journal) write(f *file, now *State, wanted []byte) error {
	for _, folder := range f.Folders {
		if err := j.cfg.FS.Mkdir(folder); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := j.cfg.FS.SyncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
	}
	state := State{Mode: cmp.Or(f.Mode, 0o644), UID: -1, GID: -1}
	if now != nil {
		state = *now
		if bytes.Equal(now.Data, wanted) {
			return nil
		}
	}
	state.Data = wanted
	return replace(j.cfg.FS, f.Path, f.Temp, state)
}

// missing lists the folders that have to be made for dir to exist, the
// outermost first.
func (j *Journal) missing(dir string) ([]string, error) {
	var list []string
	for {
		there, err := j.cfg.FS.IsFolder(dir)
		if err != nil {
			return nil, err
		}
		if parent := filepath.Dir(dir); there || parent == dir {
			slices.Reverse(list)
			return list, nil
		}
		list = append(list, dir)
		dir = filepath.Dir(dir)
	}
}

func (j *Journal) undoFile(e *entry) (Result, error) {
	f := e.File
	result, err := j.putBack(f)
	if err != nil {
		return Failed, err
	}
	for _, folder := range slices.Backward(f.Folders) {
		err := j.cfg.FS.Rmdir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue // never made, or gone
		}
		if err != nil {
			break // others use it by now
		}
		if err := j.cfg.FS.SyncFolder(filepath.Dir(folder)); err != nil {
			return Failed, err
		}
	}
	return result, nil
}

func (j *Journal) putBack(f *file) (Result, error) {
	now, err := j.read(f.Path)
	if err != nil {
		return Failed, err
	}
	if err := discard(j.cfg.FS, f.Temp); err != nil {
		return Failed, err
	}
	switch {
	case now == nil, f.Existed && bytes.Equal(now.Data, f.Before):
		return Nothing, nil
	case !f.ours(now.Data):
		return j.cutOut(f, now)
	case !f.Existed:
		return Removed, discard(j.cfg.FS, f.Path)
	}
	state := *now
	state.Data = f.Before
	return Restored, replace(j.cfg.FS, f.Path, f.Temp, state)
}

// errUnknownPart says that an edited file has no surgeon.
var errUnknownPart = errors.New("no surgeon")

// cut returns an edited file without our parts.
func (j *Journal) cut(f *file, now []byte) ([]byte, error) {
	if f.Surgeon == "" {
		return nil, errUnknownPart
	}
	surgeon := j.cfg.Surgeons[f.Surgeon]
	if surgeon == nil {
		return nil, fmt.Errorf("%w: there is no %q", ErrNoUndo, f.Surgeon)
	}
	rest := now
	for _, part := range slices.Backward(f.Parts) {
		var err error
		if rest, err = surgeon(rest, part); err != nil {
			return nil, fmt.Errorf("take our part out of an edited file: %w", err)
		}
	}
	return rest, nil
}

func (j *Journal) cutOut(f *file, now *State) (Result, error) {
	rest, err := j.cut(f, now.Data)
	switch {
	case errors.Is(err, errUnknownPart):
		return Kept, nil
	case err != nil:
		return Failed, err
	case bytes.Equal(rest, now.Data):
		return Nothing, nil
	case !f.Existed && len(bytes.TrimSpace(rest)) == 0:
		return Cut, discard(j.cfg.FS, f.Path)
	}
	state := *now
	state.Data = rest
	return Cut, replace(j.cfg.FS, f.Path, f.Temp, state)
}

func tempOf(path string) string {
	return filepath.Join(filepath.Dir(path), ".altnet-"+filepath.Base(path)+".new")
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// Package relocate moves a data folder to another place, a disk with more room
// perhaps, so that at any moment, also after a crash, one of the two folders
// is whole and known to be the one.
//
// A small file, the pointer, names the folder. A move copies everything beside
// its place-to-be, reads every copy back, gives it its name, has it opened as a
// trial, and only then turns the pointer; the old files go last. Finish, at
// every start, removes what an interrupted move left: a half copy before the
// turn, the old files after it.
package relocate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	// ErrNoRoom reports a target with too little free space.
	ErrNoRoom = errors.New("there is not enough room")
	// ErrTarget reports a target that cannot be used.
	ErrTarget = errors.New("that place cannot be used")
	// ErrChanged reports that somebody wrote to the data during the move.
	ErrChanged = errors.New("the data changed while it was moved")
)

// pointer is the file as it lies on the disk.
type pointer struct {
	Data     string `json:"data,omitempty"`     // absolute; "" where the default holds
	Copying  string `json:"copying,omitempty"`  // a copy that may be half done
	Arrived  string `json:"arrived,omitempty"`  // a whole copy that is not yet the one
	Leaving  string `json:"leaving,omitempty"`  // the old folder, to be removed
	Manifest []file `json:"manifest,omitempty"` // of what is to be removed from Leaving
}

// file is one file of the data, as it was copied.
type file struct {
	Path string      `json:"path"` // relative
	Size int64       `json:"size"`
	Mod  time.Time   `json:"mod"`
	Mode fs.FileMode `json:"-"`
}

// Where returns the folder that the pointer file names, or fallback.
func Where(pointerFile, fallback string) (string, error) {
	p, err := load(pointerFile)
	if err != nil || p.Data == "" {
		return fallback, err
	}
	return p.Data, nil
}

// ErrAway reports that the data was moved to a place that is not there now.
var ErrAway = errors.New("the disk with the data is not connected")

// Present fails with ErrAway where the pointer file names a folder that is
// gone or empty, as the place of a disk is that is not connected. To begin
// anew there would hide the true data.
func Present(pointerFile string) error {
	p, err := load(pointerFile)
	if err != nil || p.Data == "" {
		return err
	}
	entries, err := os.ReadDir(p.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	if len(entries) == 0 {
		return fmt.Errorf("%w: %s is empty", ErrAway, p.Data)
	}
	return nil
}

func load(path string) (pointer, error) {
	var p pointer
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("find the data folder: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("find the data folder: %s: %w", path, err)
	}
	return p, nil
}

// Move says what goes where.
type Move struct {
	Pointer string // the pointer file, beside which there is room to write
	From    string // the data folder, which nobody has open
	To      string // must not exist, or be empty
	// Open tries the data in its new place; an error leaves it in the old.
	Open func(ctx context.Context, dir string) error
	// Progress is told of bytes: every one is copied, then read back.
	Progress func(done, total int64)

	free func(dir string) (int64, error) // replaced in tests
	step func(name string) error         // called before each lasting change in tests
}

// Run moves the data. On an error everything is as it was. When it returns
// nil, the pointer names To; old files that could not be removed are removed
// by a later Finish.
func (m Move) Run(ctx context.Context) error {
	if err := Finish(m.Pointer); err != nil {
		return err
	}
	if m.free == nil {
		m.free = freeSpace
	}
	if m.step == nil {
		m.step = func(string) error { return nil }
	}
	files, total, err := m.check()
	if err != nil {
		return err
	}
	was, err := load(m.Pointer)
	if err != nil {
		return err
	}
	half := m.To + ".moving"
	if err := m.save(pointer{Data: was.Data, Copying: half}); err != nil {
		return err
	}
	if err := m.transfer(ctx, files, half, total); err != nil {
		return errors.Join(err, Finish(m.Pointer))
	}
	if err := m.save(pointer{Data: m.To, Leaving: m.From, Manifest: files}); err != nil {
		return errors.Join(err, Finish(m.Pointer))
	}
	if err := m.step("remove the old"); err != nil {
		return err
	}
	Finish(m.Pointer) // at the next start otherwise
	return nil
}

// transfer makes To a verified copy that opens.
func (m Move) transfer(ctx context.Context, files []file, half string, total int64) error {
	c := copier{ctx: ctx, from: m.From, to: half, total: 2 * total, progress: m.Progress, step: m.step}
	if err := c.run(files); err != nil {
		return err
	}
	if err := unchanged(m.From, files); err != nil {
		return err
	}
	was, err := load(m.Pointer)
	if err != nil {
		return err
	}
	was.Arrived = m.To
	if err := m.save(was); err != nil {
		return err
	}
	if err := m.step("name the copy"); err != nil {
		return err
	}
	os.Remove(m.To) // an empty folder in its place
	if err := os.Rename(half, m.To); err != nil {
		return fmt.Errorf("name the copy: %w", err)
	}
	if err := syncDir(filepath.Dir(m.To)); err != nil {
		return err
	}
	if m.Open == nil {
		return nil
	}
	if err := m.Open(ctx, m.To); err != nil {
		return fmt.Errorf("the copy does not open: %w", err)
	}
	return nil
}

// check refuses what cannot work before anything is written.
func (m Move) check() (files []file, total int64, err error) {
	if !filepath.IsAbs(m.From) || !filepath.IsAbs(m.To) || within(m.To, m.From) || within(m.From, m.To) {
		return nil, 0, fmt.Errorf("%w: %s", ErrTarget, m.To)
	}
	entries, err := os.ReadDir(m.To)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	if len(entries) > 0 {
		return nil, 0, fmt.Errorf("%w: there are files in %s already", ErrTarget, m.To)
	}
	if files, total, err = list(m.From); err != nil {
		return nil, 0, err
	}
	free, err := m.free(filepath.Dir(m.To))
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	const reserve = 16 << 20 // for folders and what the node writes next
	if free < total+reserve {
		return nil, 0, fmt.Errorf("%w: %d bytes are needed in %s, %d are free", ErrNoRoom, total+reserve, filepath.Dir(m.To), free)
	}
	return files, total, nil
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// list finds the regular files below dir. Sockets are the running node's; a
// link leads to files that a move would leave behind, so it is refused.
func list(dir string) (files []file, total int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case d.IsDir(), d.Type()&fs.ModeSocket != 0:
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no ordinary file: move the data by hand", path)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files, total = append(files, file{rel, info.Size(), info.ModTime(), info.Mode().Perm()}), total+info.Size()
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list the data: %w", err)
	}
	return files, total, nil
}

// unchanged makes sure that nobody wrote since the files were listed.
func unchanged(dir string, files []file) error {
	now, _, err := list(dir)
	if err != nil {
		return err
	}
	if len(now) != len(files) {
		return ErrChanged
	}
	for i := range now {
		if !now[i].same(files[i]) {
			return fmt.Errorf("%w: %s", ErrChanged, now[i].Path)
		}
	}
	return nil
}

func (f file) same(g file) bool {
	return f.Path == g.Path && f.Size == g.Size && f.Mod.Equal(g.Mod)
}

func (m Move) save(p pointer) error {
	if err := m.step("turn the pointer"); err != nil {
		return err
	}
	return save(m.Pointer, p)
}

// save replaces the pointer file, durably.
func save(path string, p pointer) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("note where the data lies: %w", err)
	}
	tmp := path + ".new"
	if err := writeSynced(tmp, data); err != nil {
		return fmt.Errorf("note where the data lies: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("note where the data lies: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// Finish removes what an interrupted move left behind. It does nothing where
// there is nothing left, and may be called again.
func Finish(pointerFile string) error {
	p, err := load(pointerFile)
	if err != nil || p.Copying == "" && p.Arrived == "" && p.Leaving == "" {
		return err
	}
	for _, copy := range []string{p.Copying, p.Arrived} {
		if copy == "" || p.Data == copy {
			continue
		}
		if err := os.RemoveAll(copy); err != nil {
			return fmt.Errorf("remove a half copy: %w", err)
		}
	}
	if p.Leaving != "" && p.Leaving != p.Data {
		if err := removeListed(p.Leaving, p.Manifest); err != nil {
			return err
		}
	}
	return save(pointerFile, pointer{Data: p.Data})
}

// removeListed removes the files that were copied and have not changed since,
// then the folders that this leaves empty: what somebody put there stays.
func removeListed(dir string, files []file) error {
	for _, f := range files {
		path := filepath.Join(dir, f.Path)
		info, err := os.Lstat(path)
		if err != nil || !f.same(file{f.Path, info.Size(), info.ModTime(), 0}) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("remove the old data: %w", err)
		}
	}
	removeEmpty(dir)
	return nil
}

// removeEmpty removes folders without files, innermost first.
func removeEmpty(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeEmpty(filepath.Join(dir, e.Name()))
		}
	}
	os.Remove(dir) // fails where something is left, as it should
}

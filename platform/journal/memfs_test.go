//go:build unix

package journal

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

var errCrash = errors.New("crash")

// memFS is a disk in memory with a cache before it. Each step counts; the step
// that crashAt names is not done and neither is any after it. What a crash
// leaves depends on the loss.
type memFS struct {
	uid     int
	live    map[string]*inode // path to file or folder, as programs see it
	durable map[string]*inode // the names that a power failure leaves
	steps   int
	crashAt int // 0: never
	trace   []string
}

// inode is a file or a folder; content that was not synced may be lost.
type inode struct {
	folder bool
	state  State
	synced bool
}

type loss int

const (
	killed    loss = iota // the process died: the system writes all out
	powerLost             // only what was synced is there
	emptied               // names are there, content that was not synced is not
	reordered             // what was not synced is there in the journal's folder alone
	losses
)

func newMemFS(folders ...string) *memFS {
	m := &memFS{live: map[string]*inode{}}
	for _, f := range append([]string{"/"}, folders...) {
		m.live[f] = &inode{folder: true, synced: true}
	}
	m.durable = maps.Clone(m.live)
	return m
}

func (m *memFS) put(path string, state State) {
	n := &inode{state: state, synced: true}
	m.live[path], m.durable[path] = n, n
}

// step counts one write to the disk.
func (m *memFS) step(what string) error {
	m.steps++
	m.trace = append(m.trace, what)
	if m.crashAt != 0 && m.steps >= m.crashAt {
		return errCrash
	}
	return nil
}

// reboot returns the disk after a crash.
func (m *memFS) reboot(l loss) *memFS {
	after := &memFS{uid: m.uid, live: map[string]*inode{}}
	from := m.live
	if l == powerLost || l == reordered {
		from = maps.Clone(m.durable)
	}
	if l == reordered {
		within := func(path string, _ *inode) bool { return filepath.Dir(path) == "/var" }
		maps.DeleteFunc(from, within)
		for path, n := range m.live {
			if within(path, n) {
				from[path] = n
			}
		}
	}
	for path, n := range from {
		if n := from[filepath.Dir(path)]; n == nil {
			continue // its folder is lost
		}
		c := *n
		if !c.synced && (l == powerLost || l == emptied) {
			c.state.Data = nil
		}
		c.synced = true
		after.live[path] = &c
	}
	after.durable = maps.Clone(after.live)
	return after
}

// snapshot is the disk as text, but for the journal itself.
func (m *memFS) snapshot() map[string]string {
	all := map[string]string{}
	for path, n := range m.live {
		switch {
		case strings.HasPrefix(path, "/var/journal"):
			all[path] = "left behind"
		case n.folder:
			all[path] = "folder"
		default:
			all[path] = n.state.Mode.String() + " " + string(n.state.Data)
		}
	}
	return all
}

func (m *memFS) UID() int { return m.uid }

func (m *memFS) Lock(context.Context, string) (func(), error) { return func() {}, nil }

func (m *memFS) Resolve(path string) (string, error) { return path, nil }

func (m *memFS) Read(path string, limit int64) (State, error) {
	n := m.live[path]
	if n == nil || n.folder {
		return State{}, fs.ErrNotExist
	}
	if int64(len(n.state.Data)) > limit {
		return State{}, ErrTooLarge
	}
	s := n.state
	s.Data = slices.Clone(s.Data)
	return s, nil
}

func (m *memFS) IsFolder(path string) (bool, error) {
	n := m.live[path]
	return n != nil && n.folder, nil
}

func (m *memFS) parent(path string) error {
	if n := m.live[filepath.Dir(path)]; n == nil || !n.folder {
		return fs.ErrNotExist
	}
	return nil
}

func (m *memFS) Create(path string, state State) error {
	if err := m.parent(path); err != nil {
		return err
	}
	if m.live[path] != nil {
		return fs.ErrExist
	}
	if err := m.step("create " + path); err != nil {
		return err
	}
	n := &inode{state: State{Mode: 0o600, UID: m.uid, GID: m.uid}}
	m.live[path] = n
	for _, part := range []int{len(state.Data) / 2, len(state.Data)} {
		if err := m.step("write " + path); err != nil {
			return err
		}
		n.state.Data = slices.Clone(state.Data[:part])
	}
	if err := m.step("chmod " + path); err != nil {
		return err
	}
	n.state.Mode = state.Mode
	if state.UID >= 0 {
		n.state.UID, n.state.GID = state.UID, state.GID
	}
	return nil
}

func (m *memFS) Sync(path string) error {
	if err := m.step("sync " + path); err != nil {
		return err
	}
	m.live[path].synced = true
	return nil
}

func (m *memFS) Rename(from, to string) error {
	if err := m.step("rename " + from + " " + to); err != nil {
		return err
	}
	m.live[to] = m.live[from]
	delete(m.live, from)
	return nil
}

func (m *memFS) Remove(path string) error {
	if n := m.live[path]; n == nil || n.folder {
		return fs.ErrNotExist
	}
	if err := m.step("remove " + path); err != nil {
		return err
	}
	delete(m.live, path)
	return nil
}

func (m *memFS) Mkdir(path string) error {
	if err := m.parent(path); err != nil {
		return err
	}
	if m.live[path] != nil {
		return fs.ErrExist
	}
	if err := m.step("mkdir " + path); err != nil {
		return err
	}
	m.live[path] = &inode{folder: true, synced: true}
	return nil
}

func (m *memFS) Rmdir(path string) error {
	n := m.live[path]
	if n == nil || !n.folder {
		return fs.ErrNotExist
	}
	for other := range m.live {
		if filepath.Dir(other) == path && other != path {
			return errors.New("not empty")
		}
	}
	if err := m.step("rmdir " + path); err != nil {
		return err
	}
	delete(m.live, path)
	return nil
}

// SyncFolder makes the names in a folder durable, and with them the files.
func (m *memFS) SyncFolder(path string) error {
	if err := m.step("syncdir " + path); err != nil {
		return err
	}
	for name := range m.durable {
		if filepath.Dir(name) == path && name != "/" && m.live[name] == nil {
			delete(m.durable, name)
		}
	}
	for name, n := range m.live {
		if filepath.Dir(name) == path {
			m.durable[name] = n
		}
	}
	return nil
}

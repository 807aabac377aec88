// Package watch notices that folders changed which their author published
// from. It reads names and times alone, and publishes nothing.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"altnet/engine/site"
)

// mostFolders bounds the subfolders that are watched below all folders: every
// one costs the kernel memory, and systems allow a few thousand.
const mostFolders = 4096

// errMany reports a folder with too many folders below it.
var errMany = errors.New("too many folders to watch")

// Config says how a Watcher works.
type Config struct {
	Quiet time.Duration // without a change until Changed is called; default 20 s
	Retry time.Duration // between looks for folders that are missing; default 5 min
	// Changed is told that a folder changed and has been quiet since. It is
	// called from one goroutine.
	Changed func(folder string)
	Log     *slog.Logger // default: discard
}

func (c Config) withDefaults() Config {
	if c.Quiet == 0 {
		c.Quiet = 20 * time.Second
	}
	if c.Retry == 0 {
		c.Retry = 5 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Watcher watches folders until Close.
type Watcher struct {
	cfg    Config
	fs     *fsnotify.Watcher
	wanted chan []string
	cancel context.CancelFunc
	done   sync.WaitGroup

	// Of the loop alone.
	folders []string
	missing []string // of folders: not watched, to be tried again
	due     map[string]time.Time
}

// New starts a watcher of no folders. It fails where the system lets nobody
// watch.
func New(cfg Config) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch folders: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{cfg: cfg.withDefaults(), fs: notify, wanted: make(chan []string), cancel: cancel, due: map[string]time.Time{}}
	w.done.Go(func() { w.loop(ctx) })
	return w, nil
}

// Set replaces the folders that are watched. What is missing now is watched
// once it is there.
func (w *Watcher) Set(ctx context.Context, folders []string) {
	select {
	case w.wanted <- slices.Clone(folders):
	case <-ctx.Done():
	}
}

// Close ends watching. It must not be called from Changed.
func (w *Watcher) Close() error {
	w.cancel()
	err := w.fs.Close()
	w.done.Wait()
	return err
}

func (w *Watcher) loop(ctx context.Context) {
	quiet, retry := time.NewTimer(time.Hour), time.NewTicker(w.cfg.Retry)
	defer quiet.Stop()
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case folders := <-w.wanted:
			w.set(folders)
		case <-retry.C:
			w.retry()
		case e, ok := <-w.fs.Events:
			if !ok {
				return
			}
			w.event(e)
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			w.lost(err)
		case <-quiet.C:
		}
		quiet.Reset(w.tell(time.Now()))
	}
}

// tell calls Changed for what has been quiet long enough and returns how long
// until the next may be.
func (w *Watcher) tell(now time.Time) time.Duration {
	next := time.Hour
	for folder, due := range w.due {
		if wait := due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		delete(w.due, folder)
		w.cfg.Changed(folder)
	}
	return next
}

// set watches the folders that are new and forgets the others.
func (w *Watcher) set(folders []string) {
	for _, path := range w.fs.WatchList() {
		if !within(path, folders) {
			w.fs.Remove(path)
		}
	}
	for folder := range w.due {
		if !slices.Contains(folders, folder) {
			delete(w.due, folder)
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(folders), func(f string) bool { return slices.Contains(w.folders, f) && !slices.Contains(w.missing, f) })
	w.folders, w.missing = folders, nil
	w.addAll(fresh)
}

func (w *Watcher) addAll(folders []string) {
	for _, folder := range folders {
		if err := w.add(folder); err != nil {
			w.missing = append(w.missing, folder)
			w.cfg.Log.Warn("watch a folder", "folder", folder, "err", err)
		}
	}
}

// retry looks for folders that were missing, on a stick or a share perhaps.
// One that came back counts as changed: nobody saw what happened to it.
func (w *Watcher) retry() {
	was := w.missing
	w.missing = nil
	for _, folder := range was {
		if w.add(folder) != nil {
			w.missing = append(w.missing, folder)
			continue
		}
		w.changed(folder)
	}
}

// add watches a folder and all below it that would be published. Systems
// watch one folder at a time.
func (w *Watcher) add(folder string) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == folder:
			return err
		case err != nil || !d.IsDir():
			return nil
		case path != folder && site.LeftOut(d.Name()):
			return filepath.SkipDir
		case len(w.fs.WatchList()) >= mostFolders:
			return errMany
		}
		return w.fs.Add(path)
	})
}

// event notes a change. Modes and times alone publish nothing new.
func (w *Watcher) event(e fsnotify.Event) {
	folder := w.folderOf(e.Name)
	if folder == "" || e.Op == fsnotify.Chmod || e.Name != folder && leftOut(folder, e.Name) {
		return
	}
	gone := e.Op.Has(fsnotify.Remove) || e.Op.Has(fsnotify.Rename)
	if gone && e.Name == folder {
		w.missing = append(w.missing, folder)
		return
	}
	if info, err := os.Lstat(e.Name); e.Op.Has(fsnotify.Create) && err == nil && info.IsDir() {
		if err := w.add(e.Name); err != nil {
			w.cfg.Log.Warn("watch a folder", "folder", e.Name, "err", err)
		}
	}
	w.changed(folder)
}

// lost treats everything as changed when the system dropped events.
func (w *Watcher) lost(err error) {
	w.cfg.Log.Debug("watch folders", "err", err)
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		for _, folder := range w.folders {
			w.changed(folder)
		}
	}
}

func (w *Watcher) changed(folder string) { w.due[folder] = time.Now().Add(w.cfg.Quiet) }

// folderOf finds the watched folder that a path lies in, the innermost of
// several.
func (w *Watcher) folderOf(path string) (found string) {
	for _, folder := range w.folders {
		if within(path, []string{folder}) && len(folder) > len(found) {
			found = folder
		}
	}
	return found
}

func within(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, strings.TrimSuffix(f, string(filepath.Separator))+string(filepath.Separator))
	})
}

// leftOut reports whether publishing folder leaves out path.
func leftOut(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err != nil || slices.ContainsFunc(strings.Split(filepath.ToSlash(rel), "/"), site.LeftOut)
}

// Newest returns when something that would be published from folder changed
// last, as far as the times of files and folders tell.
func Newest(ctx context.Context, folder string) (newest time.Time, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == folder:
			return err
		case err != nil:
			return nil
		case path != folder && site.LeftOut(d.Name()):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	return newest, err
}

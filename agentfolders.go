package main

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"altnet/engine/publisher"
	"altnet/engine/publisher/watch"
	"altnet/platform/notify"
)

// folders are those the person chose to have watched. Publishing them is the
// person's click, never the agent's.
type folders struct {
	*watch.Watcher
	watched []string
	changed map[string]time.Time // when the change was seen
}

func openFolders(changed func(string), log *slog.Logger) (*folders, error) {
	w, err := watch.New(watch.Config{Changed: changed, Log: log})
	if err != nil {
		return nil, err
	}
	return &folders{Watcher: w, changed: map[string]time.Time{}}, nil
}

// readPrefs takes up the preferences, at the start and when they changed.
func (a *agent) readPrefs(ctx context.Context) {
	prefs, err := a.prefs.load()
	if err != nil {
		a.log.Warn("the preferences", "err", err)
		return
	}
	a.browsing = prefs.Browsing
	if texts, err := agentTexts(prefs); err == nil {
		a.texts = texts
	}
	if a.folders == nil {
		return
	}
	fresh := slices.DeleteFunc(slices.Clone(prefs.Watched), func(f string) bool { return slices.Contains(a.folders.watched, f) })
	a.folders.watched = prefs.Watched
	maps.DeleteFunc(a.folders.changed, func(f string, _ time.Time) bool { return !slices.Contains(prefs.Watched, f) })
	a.tasks.Go(func() {
		a.folders.Set(ctx, prefs.Watched)
		a.compare(ctx, fresh)
	})
}

// compare looks whether folders changed while nobody watched them.
func (a *agent) compare(ctx context.Context, folders []string) {
	for _, folder := range folders {
		newest, err := watch.Newest(ctx, folder)
		if err != nil {
			continue
		}
		a.post(ctx, func() {
			if at, known := a.published()[filepath.Clean(folder)]; known && newest.After(at) {
				a.noteChange(ctx, folder, newest)
			}
		})
	}
}

// folderChanged takes the watcher's word.
func (a *agent) folderChanged(ctx context.Context, folder string) {
	a.noteChange(ctx, folder, time.Now())
}

// noteChange remembers that a folder changed and offers to publish it.
func (a *agent) noteChange(ctx context.Context, folder string, at time.Time) {
	if !slices.Contains(a.folders.watched, folder) {
		return
	}
	a.folders.changed[folder] = at
	a.tellListeners()
	a.notify(ctx, notify.Note{Subject: changedSubject + folder,
		Title: a.texts.Get("note.changed.title", "folder", filepath.Base(folder)), Body: a.texts.Get("note.changed.body")})
}

// refreshFolders forgets the changes that have been published since.
func (a *agent) refreshFolders(context.Context) {
	if a.folders == nil || len(a.folders.changed) == 0 {
		return
	}
	published, before := a.published(), len(a.folders.changed)
	maps.DeleteFunc(a.folders.changed, func(f string, at time.Time) bool { return published[filepath.Clean(f)].After(at) })
	if len(a.folders.changed) != before {
		a.tellListeners()
	}
}

// published is when each folder was published last.
func (a *agent) published() map[string]time.Time {
	p, err := publisher.Open(a.profile)
	if err != nil {
		return nil
	}
	sites, err := p.Sites()
	if err != nil {
		return nil
	}
	at := map[string]time.Time{}
	for _, s := range sites {
		if s.Folder != "" && len(s.Versions) > 0 {
			at[filepath.Clean(s.Folder)] = s.Versions[0].Time
		}
	}
	return at
}

func (a *agent) changedFolders() []string {
	if a.folders == nil {
		return []string{}
	}
	return slices.AppendSeq([]string{}, maps.Keys(a.folders.changed))
}

// tellListeners hands every window the list, in place of one it has not taken.
func (a *agent) tellListeners() {
	list := a.changedFolders()
	slices.Sort(list)
	for l := range a.listeners {
		select {
		case <-l:
		default:
		}
		l <- list
	}
}

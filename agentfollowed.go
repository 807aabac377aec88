package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/platform/notify"
	"altnet/ui/tray"
)

const (
	// firstFollow is when the followed sites are looked at after the start, and
	// followEvery how often from then on.
	firstFollow = time.Minute
	followEvery = 30 * time.Minute
)

// follower knows what the followed sites looked like last.
type follower struct {
	file string // outlives the agent: what changed meanwhile is news too
	seen map[string]seenSite
}

type seenSite struct {
	Owner string `json:"owner"`
	Root  string `json:"root"`
}

func openFollower(profile string) (*follower, error) {
	f := &follower{file: filepath.Join(profile, "followed.json"), seen: map[string]seenSite{}}
	text, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f.seen)
	}
	if err != nil {
		f.seen = map[string]seenSite{} // the next look makes it anew
		return f, fmt.Errorf("read what the followed sites were: %w", err)
	}
	return f, nil
}

// resolver is what following asks of a node.
type resolver interface {
	Resolve(ctx context.Context, name string) (control.Resolution, error)
}

// look returns the followed sites that have other content than at the last
// look. A site that is new here, or that somebody else owns now, has no news;
// one that cannot be found just now is left for later.
func (f *follower) look(ctx context.Context, node resolver, followed []string) (news []string, err error) {
	now := map[string]seenSite{}
	for _, name := range followed {
		was, known := f.seen[name]
		r, err := node.Resolve(ctx, name)
		if err != nil || r.Stale {
			if known {
				now[name] = was
			}
			continue
		}
		now[name] = seenSite{r.Owner, r.Root}
		if known && was.Owner == r.Owner && was.Root != r.Root {
			news = append(news, name)
		}
	}
	f.seen = now
	return news, f.save()
}

func (f *follower) save() error {
	text, err := json.Marshal(f.seen)
	if err == nil {
		err = os.WriteFile(f.file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(f.file+".new", f.file)
	}
	if err != nil {
		return fmt.Errorf("note what the followed sites are: %w", err)
	}
	return nil
}

// followSites tells of new versions of the sites that the person follows. Of
// those that are kept here the node tells.
func (a *agent) followSites(ctx context.Context) {
	f, err := openFollower(a.profile)
	if err != nil {
		a.log.Warn("changes of followed sites since the last start are not noticed", "err", err)
	}
	timer := time.NewTimer(firstFollow)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(followEvery)
		prefs, err := a.prefs.load()
		if err != nil || len(prefs.Followed)+len(f.seen) == 0 {
			continue
		}
		news, err := f.look(ctx, a.host.client, prefs.Followed)
		if err != nil {
			a.log.Warn("look at the followed sites", "err", err)
		}
		kept := a.keptHere(ctx)
		for _, name := range news {
			if !slices.Contains(kept, name) {
				a.post(ctx, func() { a.notify(ctx, a.followedNote(name)) })
			}
		}
	}
}

// keptHere lists the names of the person's pinned sites.
func (a *agent) keptHere(ctx context.Context) (names []string) {
	sites, err := a.host.client.Sites(ctx)
	if err != nil {
		return nil
	}
	for _, s := range sites {
		if s.Pinned {
			names = append(names, s.Name, s.Address)
		}
	}
	return names
}

// followedNote is for the loop: it reads the texts.
func (a *agent) followedNote(name string) notify.Note {
	return notify.Note{Subject: tray.Subject(control.NoticeSiteUpdated, name),
		Title: a.texts.Get("note.site-updated.title", "name", name), Body: a.texts.Get("note.followed.body")}
}

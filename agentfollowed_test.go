package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"altnet/engine/control"
)

// sitesOf answers for names; no entry: it cannot be found.
type sitesOf map[string]control.Resolution

func (s sitesOf) Resolve(_ context.Context, name string) (control.Resolution, error) {
	r, ok := s[name]
	if !ok {
		return r, errors.New("nobody answers")
	}
	return r, nil
}

func TestFollowedSites(t *testing.T) {
	profile := t.TempDir()
	site := func(owner, root string) control.Resolution { return control.Resolution{Owner: owner, Root: root} }
	stale := site("o", "9")
	stale.Stale = true
	for i, c := range []struct {
		followed []string
		sites    sitesOf
		news     []string
	}{
		{[]string{"a.alt", "b.alt"}, sitesOf{"a.alt": site("o", "1"), "b.alt": site("p", "1")}, nil},
		{[]string{"a.alt", "b.alt"}, sitesOf{"a.alt": site("o", "1"), "b.alt": site("p", "2")}, []string{"b.alt"}},
		{[]string{"a.alt", "b.alt"}, sitesOf{"a.alt": stale}, nil},
		{[]string{"a.alt", "b.alt"}, sitesOf{"a.alt": site("o", "2"), "b.alt": site("thief", "3")}, []string{"a.alt"}},
		{[]string{"b.alt"}, sitesOf{"b.alt": site("thief", "4")}, []string{"b.alt"}},
		{[]string{"a.alt"}, sitesOf{"a.alt": site("o", "5")}, nil}, // followed anew
		{nil, nil, nil},
	} {
		f, err := openFollower(profile) // as after a new start
		if err != nil {
			t.Fatal(err)
		}
		if news, err := f.look(t.Context(), c.sites, c.followed); err != nil || !slices.Equal(news, c.news) {
			t.Errorf("look %d: %v, %v", i, news, err)
		}
	}
	f, err := openFollower(profile)
	if err != nil || len(f.seen) != 0 {
		t.Errorf("what nobody follows is remembered: %v, %v", f.seen, err)
	}
	if err := os.WriteFile(f.file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := openFollower(profile); err == nil || f == nil {
		t.Errorf("a damaged file: %v, %v", f, err)
	}
}

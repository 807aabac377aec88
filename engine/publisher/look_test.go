package publisher

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// shelf is a node that takes blocks and records and gives blocks back.
type shelf struct {
	control.Control
	blocks  map[wire.Hash][]byte
	resolve func(name string) (control.Resolution, error)
	serves  string // root in force, "" for what was published last
}

func newShelf() *shelf { return &shelf{blocks: map[wire.Hash][]byte{}} }

func (n *shelf) Status(context.Context) (control.Status, error) { return control.Status{}, nil }

func (n *shelf) Resolve(_ context.Context, name string) (control.Resolution, error) {
	if n.resolve != nil {
		return n.resolve(name)
	}
	return control.Resolution{}, control.ErrUnknown
}

func (n *shelf) HaveBlocks(_ context.Context, hashes []wire.Hash) ([]bool, error) {
	return make([]bool, len(hashes)), nil
}

func (n *shelf) PutBlocks(_ context.Context, blocks iter.Seq2[wire.Hash, []byte]) error {
	for h, data := range blocks {
		n.blocks[h] = append([]byte(nil), data...)
	}
	return nil
}

func (n *shelf) Get(_ context.Context, h wire.Hash) ([]byte, error) {
	if data, ok := n.blocks[h]; ok {
		return data, nil
	}
	return nil, fmt.Errorf("block: %w", control.ErrNotFound)
}

func (n *shelf) Publish(context.Context, control.PublishRequest) (control.Receipt, error) {
	return control.Receipt{}, nil
}

func (n *shelf) Versions(context.Context, string) ([]control.Version, error) {
	if n.serves == "" {
		return nil, control.ErrNotFound
	}
	return []control.Version{{Root: n.serves, Current: true}}, nil
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLookTellsWhatStaysOut(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"index.html": "hello", ".env": "secret", ".git/config": "x", "img/a.png": "12345"})
	author := NewAuthor(open(t), newShelf())
	l, err := author.Look(t.Context(), dir, ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if l.Files != 2 || l.Size != 10 || !l.Index || len(l.Skipped) != 2 || !l.Skipped[0].Default {
		t.Errorf("%+v", l)
	}
	l, err = author.Look(t.Context(), dir, ScanOptions{Include: []string{".env"}})
	if err != nil || l.Files != 3 || len(l.Skipped) != 1 {
		t.Errorf("with .env: %+v, %v", l, err)
	}
	if _, err := author.Look(t.Context(), filepath.Join(dir, "gone"), ScanOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestChangesCountsWhatDiffers(t *testing.T) {
	dir, p, node := t.TempDir(), open(t), newShelf()
	writeFiles(t, dir, map[string]string{"index.html": "one", "old.txt": "12", "same/a.txt": "a"})
	author := NewAuthor(p, node)
	if _, err := author.Publish(t.Context(), dir, "", Options{}); err != nil {
		t.Fatal(err)
	}
	sites, err := p.Sites()
	if err != nil {
		t.Fatal(err)
	}
	name, first := record.Address(sites[0].Root), sites[0].Versions[0].Root
	c, err := author.Changes(t.Context(), name, "", Options{})
	if err != nil || !c.None() {
		t.Errorf("nothing changed, but %+v, %v", c, err)
	}

	if err := os.Remove(filepath.Join(dir, "old.txt")); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{"index.html": "other", "new/b.txt": "1234"})
	read := int64(0)
	c, err = author.Changes(t.Context(), name, dir, Options{Building: func(p Progress) { read = p.Bytes }})
	want := Changes{Added: Tally{1, 4}, Changed: Tally{1, 5}, Removed: Tally{1, 2}}
	if err != nil || c.Added != want.Added || c.Changed != want.Changed || c.Removed != want.Removed || len(c.Paths) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if read != 10 {
		t.Errorf("%d bytes were read", read)
	}

	// What was signed last never got there: the node serves the first.
	blocks := len(node.blocks)
	if _, err := author.Update(t.Context(), name, dir, Options{}); err != nil {
		t.Fatal(err)
	}
	node.serves = first.String()
	if c, err = author.Changes(t.Context(), name, dir, Options{}); err != nil || c.None() {
		t.Errorf("compared with what is not in force: %+v, %v", c, err)
	}
	if len(node.blocks) == blocks {
		t.Error("the update handed nothing over")
	}
	clear(node.blocks)
	if _, err := author.Changes(t.Context(), name, dir, Options{}); !errors.Is(err, control.ErrMissing) {
		t.Errorf("without the published version: %v", err)
	}
}

func TestChangesNeedsASite(t *testing.T) {
	p := open(t)
	author, s := NewAuthor(p, newShelf()), newSite(t, p)
	if _, err := author.Changes(t.Context(), "nobody", t.TempDir(), Options{}); !errors.Is(err, ErrNoSite) {
		t.Errorf("no site: %v", err)
	}
	if _, err := author.Changes(t.Context(), record.Address(s.Root), "", Options{}); !errors.Is(err, ErrNoFolder) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := author.Changes(t.Context(), record.Address(s.Root), t.TempDir(), Options{}); !errors.Is(err, ErrNothing) {
		t.Errorf("never published: %v", err)
	}
}

func TestStanding(t *testing.T) {
	p, node := open(t), newShelf()
	mine, err := p.NewSite("mine")
	if err != nil {
		t.Fatal(err)
	}
	taken := control.Resolution{Owner: mine.Device.String(), Address: "kabc.alt"}
	node.resolve = func(name string) (control.Resolution, error) {
		switch name {
		case "taken.alt":
			return taken, nil
		case "fought.alt":
			return control.Resolution{Rivals: []control.Rival{{}, {}}}, control.ErrConflict
		case "late.alt":
			return control.Resolution{}, control.ErrOffline
		}
		return control.Resolution{}, control.ErrUnknown
	}
	author := NewAuthor(p, node)
	for name, want := range map[string]Standing{
		"garden":      {Verdict: Free, Host: "garden.alt"},
		" Garden.alt": {Verdict: Free, Host: "garden.alt"},
		"bücher":      {Verdict: Free, Host: "xn--bcher-kva.alt", Unicode: "bücher.alt"},
		"pаypal":      {Verdict: Free, Host: "xn--pypal-4ve.alt", Warning: "mixes letters of different scripts"},
		"mine":        {Verdict: Free, Host: "mine.alt"}, // made, and never published
		"taken":       {Verdict: Taken, Host: "taken.alt", Address: "kabc.alt"},
		"fought":      {Verdict: Taken, Host: "fought.alt"},
		"late":        {Verdict: Unsure, Host: "late.alt", Err: control.ErrOffline},
		"":            {Verdict: Invalid, Reason: ReasonEmpty},
		".alt":        {Verdict: Invalid, Reason: ReasonEmpty},
		"two words":   {Verdict: Invalid, Reason: ReasonSpaces},
		"www.garden":  {Verdict: Invalid, Reason: ReasonDots},
		"-a":          {Verdict: Invalid, Reason: ReasonHyphens},
		"ab--c":       {Verdict: Invalid, Reason: ReasonHyphens},
		"a_b":         {Verdict: Invalid, Reason: ReasonLetters},
		"a/b":         {Verdict: Invalid, Reason: ReasonLetters},
		"abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcde": {Verdict: Invalid, Reason: ReasonLong},
		record.Address(mine.Root): {Verdict: Invalid, Reason: ReasonAddress},
	} {
		if got := author.Standing(t.Context(), name); got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
	if _, err := p.SignRecord(t.Context(), mine.Root, Fields{Content: content(1), Size: 1}); err != nil {
		t.Fatal(err)
	}
	if got := author.Standing(t.Context(), "MINE.alt"); got.Verdict != Yours {
		t.Errorf("a site of one's own: %+v", got)
	}
}

func TestPropose(t *testing.T) {
	for folder, want := range map[string]string{
		"garden":              "garden",
		"Mein Gärtchen (neu)": "mein-gaertchen-neu",
		"Straße_42":           "strasse-42",
		"Ærø & Ålesund":       "aeroe-aalesund",
		"Crème brûlée":        "creme-brulee",
		"Łódź":                "lodz",
		"我的网站":                "我的网站",
		"мой сайт":            "мой-сайт",
		"🎉":                   "",
		"🎉 party":             "party",
		"---":                 "",
		"ab--cd":              "ab-cd",
		"":                    "",
		"a very long name that goes on and on until no label could hold it any more": "a-very-long-name-that-goes-on-and-on-until-no-label-could-hold",
	} {
		got := Propose(folder)
		if got != want {
			t.Errorf("%q: %q, want %q", folder, got, want)
		}
		if _, _, err := Host(got); got != "" && err != nil {
			t.Errorf("%q was proposed: %v", got, err)
		}
	}
}

func TestHost(t *testing.T) {
	host, unicode, err := Host("Bücher")
	if err != nil || host != "xn--bcher-kva.alt" || unicode != "bücher.alt" {
		t.Errorf("%s, %s, %v", host, unicode, err)
	}
	if _, unicode, _ := Host("garden.alt"); unicode != "" {
		t.Errorf("%s is the same in both", unicode)
	}
	if _, _, err := Host("a b"); !errors.Is(err, ErrBadName) {
		t.Errorf("a bad name: %v", err)
	}
}

func TestAGivenUpSiteIsAskedForAgain(t *testing.T) {
	p, node := open(t), newShelf()
	if _, err := p.NewSite("late"); err != nil {
		t.Fatal(err)
	}
	node.resolve = func(string) (control.Resolution, error) { return control.Resolution{Owner: "ff"}, nil }
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"index.html": "x"})
	if _, err := NewAuthor(p, node).Publish(t.Context(), dir, "late", Options{}); !errors.Is(err, ErrTaken) {
		t.Errorf("somebody took it meanwhile: %v", err)
	}
}

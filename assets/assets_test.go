package assets

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func catalog(t *testing.T) *Catalog {
	t.Helper()
	c, err := OpenCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLanguageIsNegotiated(t *testing.T) {
	c := catalog(t)
	for _, header := range []string{"", "en-GB,en;q=0.9", "tlh", "*", "\x00;;;", strings.Repeat("de,", 1000), "fr,en;q=0.8,de;q=0.5"} {
		if got := c.For(header).Lang; got != Fallback {
			t.Errorf("%.20q gives %s", header, got)
		}
	}
	for _, header := range []string{"de", "de-AT,de;q=0.9,en;q=0.8", "fr,de;q=0.8,en;q=0.5"} {
		if got := c.For(header).Lang; got != "de" {
			t.Errorf("%q gives %s", header, got)
		}
	}
}

func TestGet(t *testing.T) {
	texts := Texts{
		of:   map[string]string{"a": "{name} ist da", "b": "x {"},
		base: map[string]string{"a": "{name} is here", "c": "only here"},
	}
	for key, want := range map[string]string{"a": "{x}.alt ist da", "b": "x {", "c": "only here", "no.such": "no.such"} {
		if got := texts.Get(key, "name", "{x}.alt"); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	if !texts.Has("c") || texts.Has("b") {
		t.Error("Has asks the wrong language")
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// Every translation has the same keys, none without a text, and the same
// placeholders in each.
func TestTranslationsFitTheFallback(t *testing.T) {
	c := catalog(t)
	if len(c.texts) < 2 {
		t.Fatal("there is one language only")
	}
	for _, texts := range c.texts {
		for key := range c.texts[0].of {
			if strings.TrimSpace(texts.of[key]) == "" {
				t.Errorf("%s: %s has no text", texts.Lang, key)
			}
		}
	}
	for _, texts := range c.texts {
		for key, text := range texts.of {
			base, ok := c.texts[0].of[key]
			if !ok {
				t.Errorf("%s: %s has no text in %s", texts.Lang, key, Fallback)
			}
			got, want := placeholder.FindAllString(text, -1), placeholder.FindAllString(base, -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(slices.Compact(got), slices.Compact(want)) {
				t.Errorf("%s: %s uses %v, not %v", texts.Lang, key, got, want)
			}
		}
	}
}

var used = regexp.MustCompile(`\{\{t "([a-z.]+)"\}\}`)

func TestTemplatesUseTextsThatExist(t *testing.T) {
	texts := catalog(t).For("")
	err := fs.WalkDir(pageFiles, "pages", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, m := range used.FindAllStringSubmatch(read(pageFiles, name), -1) {
			if !texts.Has(m[1]) {
				t.Errorf("%s uses %s, which has no text", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The pages must show the same without a network, and tell nobody.
func TestPagesLoadNothing(t *testing.T) {
	err := fs.WalkDir(pageFiles, "pages", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, bad := range []string{"://", "@import", "url(", " src=", "<iframe"} {
			if strings.Contains(read(pageFiles, name), bad) {
				t.Errorf("%s has %q in it", name, bad)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesParse(t *testing.T) {
	pages, err := Pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"problem", "waiting", "cleaning", "accept", "home"} {
		if pages.Lookup(name) == nil {
			t.Errorf("no page %q", name)
		}
	}
	if Style() == "" || Script("waiting") == "" || Script("cleaning") == "" {
		t.Error("style or script is empty")
	}
}

package main

import (
	"regexp"
	"slices"
	"testing"

	"altnet/assets"
	"altnet/platform/setup"
)

// The window shows what setting up and examining say in every language it has.
func TestWhatSetupSaysIsTranslated(t *testing.T) {
	catalog, err := assets.OpenSetup()
	if err != nil {
		t.Fatal(err)
	}
	holes := func(s string) []string {
		found := regexp.MustCompile(`\{\w+\}`).FindAllString(s, -1)
		slices.Sort(found)
		return found
	}
	for _, lang := range catalog.Languages() {
		texts := catalog.For(lang)
		for id, english := range setup.Messages() {
			switch {
			case !slices.Contains(texts.Keys(), id):
				t.Errorf("%s: no text for %s", lang, id)
			case lang == assets.Fallback && texts.Get(id) != english:
				t.Errorf("%s: %q, the program says %q", id, texts.Get(id), english)
			case !slices.Equal(holes(texts.Get(id)), holes(english)):
				t.Errorf("%s: %s has other placeholders than %q", lang, id, english)
			}
		}
	}
}

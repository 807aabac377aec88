package ui

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is something that the desktop says to people: by a lasting ID, under
// which the catalogue may have it in their language, else in English. Args are
// the values of its {placeholders}.
type Text struct {
	ID      string
	English string
	Args    map[string]string
}

// say returns a text in the person's language.
func (a *App) say(t Text) string {
	text, what := t.English, ""
	if a.said.Has(t.ID) {
		text = a.said.Get(t.ID)
		if !strings.Contains(text, "{what}") && t.Args["what"] != "" {
			what = " (" + t.Args["what"] + ")" // the thing that goes with a reason
		}
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(t.Args)) {
		pairs = append(pairs, "{"+name+"}", a.sayEnglish(t.Args[name]))
	}
	return strings.NewReplacer(pairs...).Replace(text) + what
}

// sayEnglish returns what came in English in the person's language, where the
// catalogue has it word for word, alone or with the thing that goes with it.
func (a *App) sayEnglish(english string) string {
	bare, what, _ := strings.Cut(english, " (")
	for _, key := range a.saidEnglish.Keys() {
		switch a.saidEnglish.Get(key) {
		case "":
		case english:
			return a.said.Get(key)
		case bare:
			if what != "" {
				return a.said.Get(key) + " (" + what
			}
		}
	}
	return english
}

// sayAll returns several texts, one a line.
func (a *App) sayAll(texts []Text) string {
	lines := make([]string, len(texts))
	for i, t := range texts {
		lines[i] = a.sentence(t)
	}
	return strings.Join(lines, "\n")
}

// sentence is a text as it stands alone: reasons and advices come as parts of
// one.
func (a *App) sentence(t Text) string {
	text := a.say(t)
	if strings.HasPrefix(t.ID, "names.") {
		return capital(text)
	}
	return text
}

// capital begins a line as a sentence.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}

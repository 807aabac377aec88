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
// catalogue has it word for word: whole, or sentence by sentence.
func (a *App) sayEnglish(english string) string {
	if said, ok := a.sayPart(english); ok {
		return said
	}
	sentences := strings.SplitAfter(english, ". ")
	for i, s := range sentences {
		words := strings.TrimRight(s, ". ")
		if said, ok := a.sayPart(lower(words)); ok {
			sentences[i] = capital(said) + s[len(words):]
		}
	}
	return strings.Join(sentences, "")
}

// sayPart looks a text up, alone or with the thing that goes with it.
func (a *App) sayPart(english string) (said string, ok bool) {
	bare, what, _ := strings.Cut(english, " (")
	for _, key := range a.saidEnglish.Keys() {
		switch a.saidEnglish.Get(key) {
		case "":
		case english:
			return a.said.Get(key), true
		case bare:
			if what != "" {
				return a.said.Get(key) + " (" + what, true
			}
		}
	}
	return "", false
}

// sayAll returns several texts, one a line; what can be done about a reason
// stands behind it.
func (a *App) sayAll(texts []Text) string {
	var b strings.Builder
	for i, t := range texts {
		switch {
		case i > 0 && strings.HasPrefix(t.ID, "names.advice."):
			b.WriteString(". ")
		case i > 0:
			b.WriteString("\n")
		}
		b.WriteString(a.sentence(t))
	}
	return b.String()
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
func capital(s string) string { return beginning(s, unicode.ToUpper) }

// lower takes the beginning of a sentence back.
func lower(s string) string { return beginning(s, unicode.ToLower) }

func beginning(s string, change func(rune) rune) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(change(first)) + s[size:]
}

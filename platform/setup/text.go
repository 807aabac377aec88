package setup

import (
	_ "embed"
	"encoding/json"
	"strings"
)

// Text is something for people: a lasting ID, by which it is translated, and
// English with its {placeholders} named by Args.
type Text struct {
	ID      string            `json:"id"`
	English string            `json:"english"`
	Args    map[string]string `json:"args,omitempty"`
}

// String returns the English text with its placeholders filled in.
func (t Text) String() string {
	var pairs []string
	for name, value := range t.Args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(t.English)
}

//go:embed messages.json
var messagesJSON []byte

// Messages returns every text of this package: ID to English with
// {placeholders}, for those who translate.
func Messages() map[string]string {
	var m map[string]string
	if json.Unmarshal(messagesJSON, &m) != nil {
		return nil // embedded, and held to its shape by a test
	}
	return m
}

// say returns the text of an ID; args are pairs of a placeholder's name and
// its value.
func say(id string, args ...string) Text {
	t := Text{ID: id, English: Messages()[id]}
	for i := 0; i+1 < len(args); i += 2 {
		if t.Args == nil {
			t.Args = map[string]string{}
		}
		t.Args[args[i]] = args[i+1]
	}
	return t
}

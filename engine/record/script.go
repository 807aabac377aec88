package record

import (
	"slices"
	"strings"
	"unicode"
)

// Warning says why a name may be meant to look like another.
type Warning uint8

// The warnings.
const (
	NoWarning    Warning = iota
	MixedScripts         // letters of scripts that no language mixes
	LookAlike            // every letter has a twin in the Latin script
)

// String returns the warning in words, "" for none.
func (w Warning) String() string {
	switch w {
	case MixedScripts:
		return "mixes letters of different scripts"
	case LookAlike:
		return "is written in letters that look like Latin ones"
	default:
		return ""
	}
}

// Display returns the name as a person should see it: in its own script, or,
// where that could deceive, in ASCII (punycode) with the reason.
func (n Name) Display(tld string) (string, Warning) {
	host := n.Host(tld)
	if !strings.Contains(host, "xn--") {
		return host, NoWarning
	}
	shown, err := profile.ToUnicode(host)
	if err != nil {
		return host, MixedScripts
	}
	for label := range strings.SplitSeq(shown, ".") {
		if w := inspect(label); w != NoWarning {
			return host, w
		}
	}
	return shown, NoWarning
}

// mayMix lists the scripts that are written together (UTS 39, "highly
// restrictive").
var mayMix = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// twins are the letters outside Latin that look like Latin ones in common
// fonts (from Unicode's confusables and Chromium's list).
const twins = "асԁеһіјӏоԛрԝхуѕѵҽѡүԍкгтмԏνοραιτυχκγωεղօսցհոզԼւ" +
	"ѐёїўѓќӕӓӑӗӥӧӱӳѝ"

// inspect judges one label in its own script.
func inspect(label string) Warning {
	used, foreign, alike := map[string]bool{}, false, true
	for _, r := range label {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) {
			continue
		}
		s := scriptOf(r)
		if s == "Common" || s == "Inherited" {
			continue
		}
		used[s] = true
		foreign = foreign || s != "Latin"
		alike = alike && strings.ContainsRune(twins, r)
	}
	switch {
	case len(used) > 1 && !mixable(used):
		return MixedScripts
	case foreign && alike:
		return LookAlike
	default:
		return NoWarning
	}
}

func mixable(used map[string]bool) bool {
	return slices.ContainsFunc(mayMix, func(set []string) bool {
		for s := range used {
			if !slices.Contains(set, s) {
				return false
			}
		}
		return true
	})
}

// scriptOf returns the name of r's script, "" where it has none.
func scriptOf(r rune) string {
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

// Package assets holds what is compiled into the program beside its code: the
// pages that the gateway shows in a browser, and the texts of pages and window.
package assets

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// What a program does not ask for is not linked into it: a node without the
// window has neither the window's texts nor the licences that it shows.
var (
	//go:embed pages i18n/pages.*.json
	pageFiles embed.FS
	//go:embed i18n/ui.*.json i18n/ui-*.json
	windowFiles embed.FS
	//go:embed i18n/setup.*.json
	setupFiles embed.FS
	//go:embed i18n/agent.*.json icons/*.png icons/*.ico
	agentFiles embed.FS
)

// Fallback is the language of every text that a translation lacks.
const Fallback = "en"

// Pages parses the gateway's templates. They call `t KEY` for a text, which
// the one who executes them must redefine (Clone, then Funcs) for a language.
func Pages() (*template.Template, error) {
	t := template.New("pages").Funcs(template.FuncMap{"t": func(key string) string { return key }})
	t, err := t.ParseFS(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the pages: %w", err)
	}
	return t, nil
}

// Style returns the one style sheet of the pages, which stands inside them.
func Style() template.CSS { return template.CSS(read(pageFiles, "pages/page.css")) }

// Script returns one of the scripts: "waiting" and "cleaning", which stand
// inside their pages, and "retire". It panics for any other name.
func Script(name string) template.JS { return template.JS(read(pageFiles, "pages/"+name+".js")) }

// read returns a file that is known to be there: go:embed checked it.
func read(files embed.FS, name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// Catalog holds texts in every language there is.
type Catalog struct {
	matcher language.Matcher
	texts   []Texts // as the matcher counts
}

// Texts are the texts of one language.
type Texts struct {
	Lang string // BCP 47
	of   map[string]string
	base map[string]string // the fallback's
}

// OpenCatalog reads the texts of the gateway's pages: every
// i18n/pages.LANG.json.
func OpenCatalog() (*Catalog, error) { return openCatalog(pageFiles, "pages") }

// OpenUI reads the texts of the window: every i18n/ui.LANG.json and
// i18n/ui-PART.LANG.json, which together make one language.
func OpenUI() (*Catalog, error) { return openCatalog(windowFiles, "ui") }

// OpenAgent reads the texts of the tray and of notifications, as OpenUI does.
func OpenAgent() (*Catalog, error) { return openCatalog(agentFiles, "agent") }

// TrayIcon returns the tray's picture of a state, "online", "offline",
// "working" or "attention": an ICO for Windows, else a PNG. It panics for any
// other state.
func TrayIcon(state string, windows bool) []byte {
	if windows {
		return []byte(read(agentFiles, "icons/tray-"+state+".ico"))
	}
	return []byte(read(agentFiles, "icons/tray-"+state+".png"))
}

// OpenSetup reads what setting up and examining a computer says to people:
// every i18n/setup.LANG.json. The English is that of the program itself.
func OpenSetup() (*Catalog, error) { return openCatalog(setupFiles, "setup") }

func openCatalog(files embed.FS, set string) (*Catalog, error) {
	names, err := fs.Glob(files, "i18n/"+set+"*.json")
	if err != nil {
		return nil, fmt.Errorf("list the texts: %w", err)
	}
	of := map[string]map[string]string{}
	for _, name := range names {
		_, lang, _ := strings.Cut(strings.TrimSuffix(path.Base(name), ".json"), ".")
		if of[lang] == nil {
			of[lang] = map[string]string{}
		}
		if err := merge(of[lang], files, name); err != nil {
			return nil, err
		}
	}
	return newCatalog(of)
}

// merge adds the texts of a file to those of its language. A key stands in
// one file alone.
func merge(into map[string]string, files embed.FS, name string) error {
	var texts map[string]string
	if err := json.Unmarshal([]byte(read(files, name)), &texts); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	for key, text := range texts {
		if _, twice := into[key]; twice {
			return fmt.Errorf("read %s: %q stands in another file too", name, key)
		}
		into[key] = text
	}
	return nil
}

// newCatalog puts languages together. The matcher's first is the one for
// everybody else.
func newCatalog(of map[string]map[string]string) (*Catalog, error) {
	langs := slices.Sorted(maps.Keys(of))
	slices.SortStableFunc(langs, func(a, b string) int {
		return strings.Compare(strings.Replace(a, Fallback, "", 1), strings.Replace(b, Fallback, "", 1))
	})
	c := &Catalog{}
	var tags []language.Tag
	for _, lang := range langs {
		tag, err := language.Parse(lang)
		if err != nil {
			return nil, fmt.Errorf("language %q: %w", lang, err)
		}
		tags, c.texts = append(tags, tag), append(c.texts, Texts{Lang: lang, of: of[lang], base: of[Fallback]})
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

// Languages lists the languages there are, the fallback first.
func (c *Catalog) Languages() []string {
	langs := make([]string, len(c.texts))
	for i, t := range c.texts {
		langs[i] = t.Lang
	}
	return langs
}

// Keys lists the keys that have a text of their own in this language, sorted.
func (t Texts) Keys() []string { return slices.Sorted(maps.Keys(t.of)) }

// Map returns the catalogue with every text changed: a test makes a language
// of it that shows what did not come from here.
func (c *Catalog) Map(change func(string) string) *Catalog {
	out := &Catalog{matcher: c.matcher}
	for _, t := range c.texts {
		mapped := Texts{Lang: t.Lang, of: map[string]string{}, base: t.base}
		for key := range t.base {
			mapped.of[key] = change(t.Get(key))
		}
		out.texts = append(out.texts, mapped)
	}
	return out
}

// For picks the language by an Accept-Language header.
func (c *Catalog) For(acceptLanguage string) Texts {
	const most = 256 // a header is a stranger's; browsers send far less
	if len(acceptLanguage) > most {
		acceptLanguage = ""
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return c.texts[0]
	}
	_, i, _ := c.matcher.Match(wanted...)
	return c.texts[i]
}

// Has reports whether key has a text in the fallback language.
func (t Texts) Has(key string) bool {
	_, ok := t.base[key]
	return ok
}

// Get returns the text of key with {placeholders} replaced: args are pairs of
// a placeholder's name and its value. A key without text is returned itself.
func (t Texts) Get(key string, args ...string) string {
	text, ok := t.of[key]
	if !ok {
		if text, ok = t.base[key]; !ok {
			return key
		}
	}
	if len(args) == 0 || !strings.Contains(text, "{") {
		return text
	}
	pairs := slices.Clone(args)
	for i := 0; i < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

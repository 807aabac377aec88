// Package assets holds what is compiled into the program beside its code: the
// pages that the gateway shows in a browser, and their texts.
package assets

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

//go:embed pages i18n
var files embed.FS

// Fallback is the language of every text that a translation lacks.
const Fallback = "en"

// Pages parses the gateway's templates. They call `t KEY` for a text, which
// the one who executes them must redefine (Clone, then Funcs) for a language.
func Pages() (*template.Template, error) {
	t := template.New("pages").Funcs(template.FuncMap{"t": func(key string) string { return key }})
	t, err := t.ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the pages: %w", err)
	}
	return t, nil
}

// Style returns the one style sheet of the pages, which stands inside them.
func Style() template.CSS { return template.CSS(read("pages/page.css")) }

// Script returns one of the scripts: "waiting" and "cleaning", which stand
// inside their pages, and "retire". It panics for any other name.
func Script(name string) template.JS { return template.JS(read("pages/" + name + ".js")) }

// read returns a file that is known to be there: go:embed checked it.
func read(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// Catalog holds the texts of the pages in every language there is.
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

// OpenCatalog reads every i18n/pages.LANG.json.
func OpenCatalog() (*Catalog, error) {
	names, err := fs.Glob(files, "i18n/pages.*.json")
	if err != nil {
		return nil, fmt.Errorf("list the texts: %w", err)
	}
	fallback := "i18n/pages." + Fallback + ".json"
	// The matcher's first language is the one for everybody else.
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.Replace(a, fallback, "", 1), strings.Replace(b, fallback, "", 1))
	})
	c := &Catalog{}
	var tags []language.Tag
	for _, name := range names {
		lang := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "pages."), ".json")
		tag, err := language.Parse(lang)
		if err != nil {
			return nil, fmt.Errorf("language of %s: %w", name, err)
		}
		texts := Texts{Lang: lang}
		if err := json.Unmarshal([]byte(read(name)), &texts.of); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		tags, c.texts = append(tags, tag), append(c.texts, texts)
	}
	for i := range c.texts {
		c.texts[i].base = c.texts[0].of
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
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

package ui

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/assets"
	"altnet/engine/control"
	"altnet/engine/publisher"
)

// eachScreen brings every screen into view, one after the other, in a language,
// and calls look on each. dress may change the window before.
func eachScreen(t *testing.T, lang string, dress func(*opened), look func(w *opened, screen string)) {
	t.Helper()
	site := folder(t, "Mein Gärtchen", "index.html", "x", ".env", "x", "con.txt", "x")
	other := folder(t, "zweiter", "page.html", "y")
	show := func(w *opened, screen string) {
		w.settle()
		look(w, screen)
	}
	dressed := func(w *opened) {
		if dress != nil {
			dress(w)
			w.settle()
		}
	}
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		firstStart(c, d)
		d.prefs.Language, d.result = lang, SetupResult{}
	}, func(w *opened) {
		dressed(w)
		show(w, "first start")
		w.welcome.plan.toggle()
		show(w, "first start, plan")
		w.welcome.start()
		show(w, "first start, outcome")
		w.welcome.outcome.showTrust("trust.declined")
		show(w, "first start, declined")
	})
	inWindow(t, func(c *fakeControl, d *fakeDesktop) {
		d.prefs.Language = lang
		lived(c)
	}, func(w *opened) {
		dressed(w)
		for i, s := range w.nav.sections {
			w.nav.show(i)
			show(w, "section "+s.id)
		}
		w.overPages(show)
		w.nav.show(0)
		w.drop(site, other)
		page := w.nav.top().(*publishPage)
		page.drafts[0].leftOut.toggle()
		show(w, "publish, problems")
		page.drafts[0].dropProblems()
		show(w, "publish, ready")
		page.drafts[0].setNameless(true)
		page.drafts[1].setNameless(true)
		hold := make(chan struct{})
		w.ctl.set(func(c *fakeControl) { c.hold["PutBlocks"] = hold })
		page.start()
		show(w, "publish, under way")
		w.nav.show(0)
		show(w, "home, publishing")
		w.closing()
		show(w, "closing")
		w.win.Canvas().Overlays().Top().Hide()
		w.nav.open(page)
		close(hold)
		show(w, "publish, done")
		page.drafts[1].finish(control.Receipt{}, control.ErrFull)
		show(w, "publish, failed")
		sites, err := w.profile.Sites()
		if err != nil {
			t.Fatal(err)
		}
		w.nav.open(newSitePage(w.App, sites[0].Bare()+suffix))
		show(w, "site")
		w.ask(w.App.t("withdraw.title", "name", "garden.alt"), w.App.t("withdraw.text"), w.App.t("withdraw.yes"), true, func() {})
		show(w, "site, withdraw")
		w.win.Canvas().Overlays().Top().Hide()
		w.ctl.set(func(c *fakeControl) {
			c.fail["Events"] = control.ErrNotRunning
			c.fail["Receipt"] = control.ErrNotRunning
		})
		w.ctl.gone <- control.ErrNotRunning
		show(w, "engine gone")
		w.nav.show(0)
		w.fail("error.update", publisher.ErrNoFolder)
		show(w, "a failure")
	})
}

// lived is a node that has been in use.
func lived(c *fakeControl) {
	now := time.Now()
	c.sites = []control.Site{
		{Name: "garden.alt", Own: true, Copies: 4, Published: now.Add(-49 * time.Hour)},
		{Name: "xn--bcher-kva.alt", Own: true, Copies: 1, Sleeps: true, Published: now},
		{Name: "gone.alt", Own: true, Withdrawn: true},
	}
	c.receipt = control.Receipt{Name: "garden.alt", Address: "kgarden.alt", Copies: 2}
	c.versions = []control.Version{{Seq: 2, Size: 2e6, Time: now, Current: true}, {Seq: 1, Size: 1e6, Time: now.AddDate(0, 0, -1)}}
	c.activity = control.Activity{
		Visits: []control.DayCount{{Day: now.Format(time.DateOnly), Pages: 12345}},
		Copies: []control.Sample{{Time: now.AddDate(0, 0, -5), Copies: 2}},
	}
	c.status.Paused = &control.Paused{Reason: control.PauseUser, Until: now.Add(time.Hour)}
}

// pseudo turns every letter into one that no text of the program has; what
// stands in {placeholders} stays.
func pseudo(text string) string {
	var b strings.Builder
	inside := false
	for _, r := range text {
		switch {
		case r == '{':
			inside = true
		case r == '}':
			inside = false
		case !inside && unicode.IsLetter(r):
			r = 'Ж'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// data are what the screens show that is nobody's to translate.
var data = regexp.MustCompile(strings.Join([]string{
	`https?://\S+`, `/[\w./ ä-]+`, `[\w…-]+\.(alt|html|txt|env)\b`, `\.alt\b`, `\.env\b`, `Mein Gärtchen`, `mein-gaertchen`, `zweiter`, `con`,
	`AltNet`, `[0-9a-f…]{8,}`, `\d+\.\d+\.\d+\.\d+(:\d+)?`, `bücher`, `proxy`,
}, "|"))

// Every string in view came from the catalogue, or is data.
func TestEveryStringCanBeTranslated(t *testing.T) {
	letters := regexp.MustCompile(`[A-Za-zäöüß]{2,}`)
	seen := 0
	eachScreen(t, "en", func(w *opened) {
		w.catalog = w.catalog.Map(pseudo)
		w.restyle()
	}, func(w *opened, screen string) {
		for _, s := range w.strings() {
			seen++
			if rest := data.ReplaceAllString(s, ""); letters.MatchString(rest) {
				t.Errorf("%s: %q is not from the catalogue", screen, s)
			}
		}
	})
	if seen < 300 {
		t.Errorf("only %d strings were seen", seen)
	}
}

// Every widget of our own says what it is, and what can be tapped can be
// reached by keyboard.
func TestEveryWidgetIsLabelled(t *testing.T) {
	seen := map[string]bool{}
	eachScreen(t, "en", nil, func(w *opened, screen string) {
		w.visible(func(o fyne.CanvasObject) bool {
			kind := reflect.TypeOf(o)
			if _, ok := o.(fyne.Widget); !ok || kind.Kind() != reflect.Pointer || !strings.HasPrefix(kind.Elem().PkgPath(), "altnet/ui") {
				return true
			}
			seen[kind.String()] = true
			if _, decoration := o.(*surface); decoration {
				return true
			}
			a, ok := o.(fyne.Accessible)
			if !ok || strings.TrimSpace(a.AccessibilityLabel()) == "" {
				t.Errorf("%s: a %v without a label", screen, kind)
			}
			_, tappable := o.(fyne.Tappable)
			if _, focusable := o.(fyne.Focusable); tappable && !focusable {
				t.Errorf("%s: %v cannot be reached by keyboard", screen, kind)
			}
			return true
		})
	})
	for _, kind := range []string{"*ui.button", "*ui.tappable", "*ui.toggle", "*ui.chart"} {
		if !seen[kind] {
			t.Errorf("no %s was seen", kind)
		}
	}
}

// At 150 % on 1366×768 nothing is cut or out of the window, in either language.
func TestNothingIsCut(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		eachScreen(t, lang, func(w *opened) { w.win.Resize(fyne.NewSize(1366/1.5, 740/1.5)) }, func(w *opened, screen string) {
			room := w.win.Canvas().Size()
			if least := w.win.Canvas().Content().MinSize(); least.Width > room.Width || least.Height > room.Height {
				t.Errorf("%s, %s: wants %v of %v", lang, screen, least, room)
			}
			var taken []printed
			w.places(func(root, o fyne.CanvasObject, at fyne.Position) {
				now := printed{root, strings.Join(first(textsOf(o)), " "), at.AddXY(0, margin), o.Size().SubtractWidthHeight(0, 2*margin)}
				for _, before := range taken {
					if now.over(before) {
						t.Errorf("%s, %s: %q is printed over %q", lang, screen, now.text, before.text)
					}
				}
				taken = append(taken, now)
				text := fmt.Sprint(textsOf(o))
				if fixedText(o) && (o.Size().Width+0.5 < o.MinSize().Width || o.Size().Height+0.5 < o.MinSize().Height) {
					t.Errorf("%s, %s: %s is cut: %v of %v", lang, screen, text, o.Size(), o.MinSize())
				}
				if at.X < -0.5 || at.X+o.Size().Width > room.Width+0.5 {
					t.Errorf("%s, %s: %s reaches out of the window: %v + %v", lang, screen, text, at.X, o.Size().Width)
				}
			})
		})
	}
}

// printed is a text and where it stands, without the empty margin around it.
type printed struct {
	root fyne.CanvasObject // what clips it: a part that scrolls, the window, a dialog
	text string
	at   fyne.Position
	size fyne.Size
}

const margin = 9

func (p printed) over(q printed) bool {
	const touch = 1
	return p.root == q.root && p.at.X+touch < q.at.X+q.size.Width && q.at.X+touch < p.at.X+p.size.Width &&
		p.at.Y+touch < q.at.Y+q.size.Height && q.at.Y+touch < p.at.Y+p.size.Height
}

func first(texts []string, _ bool) []string { return texts }

// places visits what says something with its place in the window.
func (w *opened) places(visit func(root, o fyne.CanvasObject, at fyne.Position)) {
	c := w.win.Canvas()
	roots := append([]fyne.CanvasObject{c.Content()}, c.Overlays().List()...)
	for _, root := range roots {
		place(root, root, fyne.Position{}, visit)
	}
}

func place(root, o fyne.CanvasObject, parent fyne.Position, visit func(root, o fyne.CanvasObject, at fyne.Position)) {
	if o == nil || !o.Visible() {
		return
	}
	at := parent.Add(o.Position())
	if texts, whole := textsOf(o); whole {
		titleOfDialog := o.Size().IsZero() // Fyne draws it without giving it a size
		if strings.TrimSpace(strings.Join(texts, "")) != "" && !titleOfDialog {
			visit(root, o, at)
		}
		return
	}
	if _, scrolls := o.(*container.Scroll); scrolls {
		root = o
	}
	for _, child := range childrenOf(o) {
		place(root, child, at, visit)
	}
}

// fixedText reports whether an object's text is meant to be whole on the line
// it stands on, or in the height that it wraps to.
func fixedText(o fyne.CanvasObject) bool {
	switch o := o.(type) {
	case *widget.Label:
		return o.Truncation == fyne.TextTruncateOff
	case *button, *widget.Button, *widget.Check, *widget.Hyperlink:
		return true
	}
	return false
}

// Text stands out from what is behind it, focus and borders too.
func TestContrast(t *testing.T) {
	type pair struct {
		text, behind fyne.ThemeColorName
		least        float64
	}
	var pairs []pair
	for _, behind := range []fyne.ThemeColorName{theme.ColorNameBackground, colorCard, colorSidebar, colorAccent, colorWarnBg, colorErrorBg, colorGoodBg, theme.ColorNameInputBackground, theme.ColorNameButton} {
		for _, text := range []fyne.ThemeColorName{theme.ColorNameForeground, colorMuted, theme.ColorNameDisabled, theme.ColorNamePlaceHolder} {
			pairs = append(pairs, pair{text, behind, 4.5})
		}
	}
	for _, behind := range []fyne.ThemeColorName{theme.ColorNameBackground, colorCard} {
		for _, text := range []fyne.ThemeColorName{theme.ColorNameError, theme.ColorNameWarning, theme.ColorNameSuccess, theme.ColorNamePrimary} {
			pairs = append(pairs, pair{text, behind, 4.5})
		}
		pairs = append(pairs, pair{theme.ColorNameInputBorder, behind, 3})
	}
	pairs = append(pairs,
		pair{theme.ColorNameForegroundOnPrimary, theme.ColorNamePrimary, 4.5},
		pair{theme.ColorNameForegroundOnError, theme.ColorNameError, 4.5},
		pair{theme.ColorNameWarning, colorSidebar, 4.5},
		pair{theme.ColorNameWarning, colorAccent, 4.5},
		pair{theme.ColorNameError, colorErrorBg, 3},
		pair{theme.ColorNameWarning, colorWarnBg, 3},
		pair{theme.ColorNameSuccess, colorGoodBg, 3})
	for _, look := range []string{"light", "dark"} {
		th := newTheme(look)
		for _, p := range pairs {
			a, b := th.Color(p.text, theme.VariantLight), th.Color(p.behind, theme.VariantLight)
			if c := contrast(a, b); c < p.least {
				t.Errorf("%s: %s on %s has %.2f:1, less than %.1f", look, p.text, p.behind, c, p.least)
			}
		}
	}
	if newTheme("").Color(theme.ColorNameBackground, theme.VariantDark) == newTheme("").Color(theme.ColorNameBackground, theme.VariantLight) {
		t.Error("the system's choice is not followed")
	}
}

// contrast is that of WCAG 2.
func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		s := float64(v) / 0xffff
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// Every key that the code names has a text in every language, and no text is
// kept that the code does not name.
func TestCatalogueFitsTheCode(t *testing.T) {
	catalog, err := assets.OpenUI()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(src)
		}
	}
	english := catalog.For("en")
	for _, m := range regexp.MustCompile(`\b(?:a|app|App)\.t\("([a-z][\w.-]*)"`).FindAllStringSubmatch(code.String(), -1) {
		if !english.Has(m[1]) && !strings.HasSuffix(m[1], ".") {
			t.Errorf("%s has no text", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\.tn\("([a-z][\w.-]*)"`).FindAllStringSubmatch(code.String(), -1) {
		if !english.Has(m[1]+".one") || !english.Has(m[1]+".other") {
			t.Errorf("%s lacks a form", m[1])
		}
	}
	for _, lang := range catalog.Languages() {
		if own, all := len(catalog.For(lang).Keys()), len(english.Keys()); own != all {
			t.Errorf("%s has %d texts of %d", lang, own, all)
		}
	}
	for _, key := range english.Keys() {
		if !named(code.String(), key) {
			t.Errorf("nothing names the text %s", key)
		}
	}
}

// named reports whether code names a key, or the front or back part of one
// that is put together.
func named(code, key string) bool {
	if strings.Contains(code, `"`+key+`"`) {
		return true
	}
	key = strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
	if strings.Contains(code, `"`+key+`"`) {
		return true
	}
	parts := strings.Split(key, ".")
	for i := 1; i < len(parts); i++ {
		front, back := strings.Join(parts[:i], ".")+".", "."+strings.Join(parts[i:], ".")
		if strings.Contains(code, `"`+front+`"`) || strings.Contains(code, `"`+back+`"`) {
			return true
		}
	}
	return false
}

func TestNumbersInWords(t *testing.T) {
	for lang, want := range map[string][]string{
		"en": {"0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.5 MB", "12 MB", "2.0 GB", "3000 TB", "1,234,567", "-12,345", "1234", "1 second", "2 minutes", "3 hours", "5 days", "just now", "2 hours ago", "2.0 kB per second"},
		"de": {"0 Bytes", "1 Byte", "999 Bytes", "1,0 kB", "1,5 MB", "12 MB", "2,0 GB", "3000 TB", "1.234.567", "-12.345", "1234", "1 Sekunde", "2 Minuten", "3 Stunden", "5 Tagen", "gerade eben", "vor 2 Stunden", "2,0 kB pro Sekunde"},
	} {
		inWindow(t, func(_ *fakeControl, d *fakeDesktop) { d.prefs.Language = lang }, func(w *opened) {
			got := []string{
				w.bytes(0), w.bytes(1), w.bytes(999), w.bytes(1000), w.bytes(1.5e6), w.bytes(12.3e6), w.bytes(2e9), w.bytes(3e15),
				w.number(1234567), w.number(-12345), w.number(1234),
				w.duration(0), w.duration(2 * time.Minute), w.duration(3 * time.Hour), w.duration(5 * 24 * time.Hour),
				w.ago(time.Now()), w.ago(time.Now().Add(-2 * time.Hour)), w.speed(2000),
			}
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Errorf("%s: %q, want %q", lang, got[i], want[i])
				}
			}
		})
	}
}

package ui

import (
	"context"
	"errors"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// mostVisited is how many visited sites are listed before "show all".
const mostVisited = 20

// browsePage is the address field, and the sites that were visited or are
// kept here.
type browsePage struct {
	app   *App
	field *entry
	state *fyne.Container // what became of the address that was typed
	list  *fyne.Container
	found browseFound
	all   bool               // list every visited site
	jobs  map[string]*pinJob // by key address
	asked int                // look-ups so far; an answer to an older one is dropped
}

// browseFound is what the page lists.
type browseFound struct {
	visited []control.Visited
	pinned  []control.Site
	blocked int // -1: others decide that
}

func newBrowsePage(a *App) *browsePage { return &browsePage{app: a, jobs: map[string]*pinJob{}} }

func (p *browsePage) content() fyne.CanvasObject {
	a := p.app
	p.field, p.state, p.list = a.newEntry(), container.NewVBox(), container.NewVBox()
	p.field.label = a.t("browse.field")
	p.field.SetPlaceHolder(a.t("browse.placeholder"))
	p.field.OnSubmitted = p.goTo
	open := primaryButton(a.t("browse.open"), theme.NavigateNextIcon(), func() { p.goTo(p.field.Text) })
	return pageBody(heading(a.t("nav.browse")), note(a.t("browse.lead")), row(p.field, open), p.state, p.list)
}

func (p *browsePage) enter() {
	p.load()
	p.app.win.Canvas().Focus(p.field)
}

func (p *browsePage) leave() {}

func (p *browsePage) apply(e control.Event) {
	switch {
	case e.Kind == control.EventProgress && e.Progress != nil:
		p.progress(*e.Progress)
	case e.Kind == control.EventSite:
		p.load()
	}
}

func (p *browsePage) load() {
	run(p.app, func(ctx context.Context) (browseFound, error) { return readBrowsed(ctx, p.app.ctl) }, p.show)
}

func readBrowsed(ctx context.Context, c control.Control) (found browseFound, err error) {
	if found.visited, err = c.Visited(ctx); err != nil {
		return found, err
	}
	sites, err := c.Sites(ctx)
	if err != nil {
		return found, err
	}
	for _, s := range sites {
		if s.Pinned && !s.Own {
			found.pinned = append(found.pinned, s)
		}
	}
	blocked, err := c.Blocked(ctx)
	if errors.Is(err, control.ErrDenied) { // others decide what is blocked here
		found.blocked = -1
		return found, nil
	}
	found.blocked = len(blocked)
	return found, err
}

func (p *browsePage) show(found browseFound, err error) {
	a := p.app
	p.list.RemoveAll()
	if err != nil {
		p.list.Add(a.problem(err, newButton(a.t("action.retry"), theme.ViewRefreshIcon(), p.load)))
		return
	}
	p.found = found
	if len(found.pinned) > 0 {
		p.list.Add(subheading(a.t("browse.pinned")))
		for _, s := range found.pinned {
			p.list.Add(p.siteRow(found.visitOf(s), a.t("browse.kept", "size", a.bytes(s.Size))))
		}
	}
	p.showVisited()
	p.list.Add(p.footer())
}

func (p *browsePage) showVisited() {
	a, visited := p.app, p.found.visited
	p.list.Add(subheading(a.t("browse.visited")))
	if len(visited) == 0 {
		none := "browse.visited.none"
		if a.status.Host == control.HostService {
			none = "browse.visited.service"
		}
		p.list.Add(note(a.t(none)))
		return
	}
	shown := visited
	if !p.all {
		shown = visited[:min(len(visited), mostVisited)]
	}
	for _, v := range shown {
		p.list.Add(p.siteRow(v, a.ago(v.Last)))
	}
	if len(shown) < len(visited) {
		p.list.Add(actions(newButton(a.t("browse.all", "n", a.number(int64(len(visited)))), nil, func() {
			p.all = true
			p.show(p.found, nil)
		})))
	}
}

func (p *browsePage) footer() fyne.CanvasObject {
	a := p.app
	buttons := []fyne.CanvasObject{}
	if len(p.found.visited) > 0 {
		buttons = append(buttons, newButton(a.t("browse.clear"), theme.DeleteIcon(), p.clear))
	}
	blocked := a.t("browse.blocked")
	if p.found.blocked > 0 {
		blocked = a.t("browse.blocked.n", "n", a.number(int64(p.found.blocked)))
	}
	if p.found.blocked >= 0 {
		buttons = append(buttons, newButton(blocked, nil, func() { a.nav.open(newBlockedPage(a)) }))
	}
	return container.NewVBox(spacer(6), actions(buttons...))
}

// siteRow is one site of a list: press it for more, or open it at once.
func (p *browsePage) siteRow(v control.Visited, detail string) fyne.CanvasObject {
	a := p.app
	d := addressOf(v.Name)
	title := plainText(v.Title)
	if title == "" {
		title = d.short()
	}
	second := d.short() + " · " + detail
	if d.unicode != "" {
		second = d.short() + " (" + d.host + ") · " + detail
	}
	sub := line(second)
	sub.Importance = widget.LowImportance
	text := container.New(tightLayout{}, strong(title), sub)
	open := newButton(a.t("action.open"), theme.NavigateNextIcon(), func() { a.open(d) })
	open.label = a.t("browse.open.name", "site", d.shown())
	more := newTappable(a.t("browse.more.name", "site", d.shown()), inset(4, text), func() { a.nav.open(newVisitPage(p, v)) })
	return container.NewStack(newSurface(colorCard, colorOutline, cardRadius),
		inset(4, container.NewBorder(nil, nil, nil, container.NewCenter(open), more)))
}

// plainText makes a foreign page's title one harmless line: a page could turn
// the direction of the text around or break lines.
func plainText(title string) string {
	const most = 120 // runes
	clean := strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x61c:
			return ' '
		case r == 0x2028 || r == 0x2029 || r >= 0x80 && r < 0xa0:
			return ' '
		}
		return r
	}, title)
	runes := []rune(strings.Join(strings.Fields(clean), " "))
	if len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(runes)
}

// visitOf is a site as a visit, with its title where it was visited.
func (f browseFound) visitOf(s control.Site) control.Visited {
	v := control.Visited{Name: s.Name, Address: s.Address, Root: s.Root, Pinned: s.Pinned}
	for _, seen := range f.visited {
		if seen.Name == s.Name {
			v.Title = seen.Title
		}
	}
	return v
}

func (p *browsePage) clear() {
	a := p.app
	a.ask(a.t("browse.clear.title"), a.t("browse.clear.text"), a.t("browse.clear.yes"), false, func() {
		a.act(a.ctl.ClearVisited, func(err error) {
			a.fail("error.clear", err)
			p.load()
		})
	})
}

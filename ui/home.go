package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// homePage is the switch, the state, the user's sites and the way to publish.
type homePage struct {
	app    *App
	dot    *surface
	state  *widget.Label
	hint   *widget.Label
	online *toggle
	resume *button
	join   *button
	busy   *fyne.Container
	list   *fyne.Container
	sites  []ownSite
	node   string // ID of the node that was asked for them
}

// ownSite is a site of the user's as the node and the profile know it.
type ownSite struct {
	control.Site
	folder string // "" where it is not known
}

func newHomePage(a *App) *homePage { return &homePage{app: a} }

func (p *homePage) content() fyne.CanvasObject {
	a := p.app
	p.list, p.busy = container.NewVBox(), container.NewVBox()
	return pageBody(heading(a.t("nav.home")), p.stateCard(), p.dropCard(), p.busy, p.list)
}

// stateCard is the line that says how the node is doing, and the switch.
func (p *homePage) stateCard() fyne.CanvasObject {
	a := p.app
	p.dot = newSurface(colorMuted, "", 6)
	p.state, p.hint = strongProse(""), note("")
	p.online = newToggle(a.t("home.online"), func(on bool) string {
		if on {
			return a.t("state.on")
		}
		return a.t("state.off")
	}, p.setOnline)
	p.resume = newButton(a.t("home.resume"), theme.MediaPlayIcon(), p.unpause)
	p.resume.Hide()
	p.join = newButton(a.t("home.join"), theme.LoginIcon(), func() { a.nav.open(newAdvancedPage(a)) })
	p.join.Hide()
	dot := container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(12), p.dot))
	text := container.New(tightLayout{}, p.state, p.hint)
	return card(container.NewBorder(nil, nil, container.NewHBox(spacerWide(6), dot),
		container.NewCenter(container.NewHBox(p.resume, p.join, p.online)), text))
}

// dropCard says that the whole window takes folders, and offers the button.
func (p *homePage) dropCard() fyne.CanvasObject {
	a := p.app
	add := primaryButton(a.t("home.add"), theme.FolderNewIcon(), a.addFolder)
	text := container.New(tightLayout{}, strongProse(a.t("home.drop")), note(a.t("home.drop.note")))
	icon := widget.NewIcon(theme.NewPrimaryThemedResource(theme.UploadIcon()))
	body := container.NewBorder(nil, nil, container.NewHBox(spacerWide(4), container.NewCenter(icon)), container.NewCenter(add), text)
	return container.NewStack(newSurface(colorAccent, theme.ColorNamePrimary, cardRadius), inset(12, body))
}

func (p *homePage) enter() {
	p.showState()
	p.showBusy()
	p.load()
}

func (p *homePage) leave() {}

func (p *homePage) apply(e control.Event) {
	p.showState()
	switch e.Kind {
	case control.EventSite, control.EventReceipt:
		p.load()
	case control.EventStatus:
		if e.Status != nil && (p.sites == nil || p.node != e.Status.NodeID) {
			p.node = e.Status.NodeID // another one may have other sites
			p.load()
		}
	case "":
		p.showBusy()
		p.show(p.sites)
	}
}

// load asks for the sites anew.
func (p *homePage) load() {
	a := p.app
	run(a, func(ctx context.Context) ([]ownSite, error) { return ownSites(ctx, a.ctl, a.profile) },
		func(sites []ownSite, err error) {
			if err != nil {
				a.log.Debug("list the sites", "err", err) // the banner says it
				sites = p.sites
			}
			p.sites = sites
			p.show(sites)
		})
}

// showBusy leads back to what is being published.
func (p *homePage) showBusy() {
	a := p.app
	p.busy.RemoveAll()
	if page := a.publishing; page != nil && page.busy {
		text := a.tn("home.publishing", page.left())
		show := newButton(a.t("home.publishing.show"), theme.NavigateNextIcon(), func() { a.nav.open(page) })
		p.busy.Add(plain(text, "", show))
	}
	p.busy.Refresh()
}

// ownSites joins what the node serves with what the profile knows of it.
func ownSites(ctx context.Context, ctl control.Control, profile *publisher.Profile) ([]ownSite, error) {
	served, err := ctl.Sites(ctx)
	if err != nil {
		return nil, err
	}
	known, err := profile.Sites()
	if err != nil {
		return nil, err
	}
	out := []ownSite{}
	for _, s := range served {
		if !s.Own {
			continue
		}
		site := ownSite{Site: s}
		for _, k := range known {
			if host, _, err := publisher.Host(k.Bare()); err == nil && (host == s.Name || host == s.Address) {
				site.folder = k.Folder
			}
		}
		out = append(out, site)
	}
	slices.SortStableFunc(out, func(x, y ownSite) int { return y.Published.Compare(x.Published) })
	return out, nil
}

// show draws the list of sites.
func (p *homePage) show(sites []ownSite) {
	if p.list == nil {
		return
	}
	p.list.RemoveAll()
	if len(sites) == 0 {
		p.list.Add(note(p.app.t("home.none")))
	}
	for _, s := range sites {
		p.list.Add(p.row(s))
	}
	p.list.Refresh()
}

// row is one site: its name and how it is doing, which open its page, and what
// is done most.
func (p *homePage) row(s ownSite) fyne.CanvasObject {
	a, addr := p.app, addressOf(s.Name)
	title := strong(addr.short())
	state := note(a.siteLine(s.Site))
	if s.Sleeps && !s.Withdrawn {
		state.Importance = widget.WarningImportance
	}
	lines := []fyne.CanvasObject{title, state}
	if addr.unicode != "" {
		lines = slices.Insert(lines, 1, fyne.CanvasObject(noteLine(addr.host)))
	}
	text := container.New(tightLayout{}, lines...)
	info := newTappable(addr.shown(), inset(4, text), func() { a.nav.open(newSitePage(a, s.Name)) })
	right := container.NewHBox()
	if a.changed[s.folder] && s.folder != "" {
		right.Add(newButton(a.t("home.changed"), theme.UploadIcon(), func() { a.publishTo(s.Name, s.folder) }))
	}
	if !s.Withdrawn {
		right.Add(newButton(a.t("action.open"), openIcon(), func() { a.open(addr) }))
	}
	return container.NewStack(newSurface(colorCard, colorOutline, cardRadius),
		inset(6, container.NewBorder(nil, nil, nil, container.NewHBox(container.NewCenter(right), spacerWide(2)), info)))
}

// siteLine says in one line how a site is doing.
func (a *App) siteLine(s control.Site) string {
	parts := []string{}
	switch {
	case s.Withdrawn:
		return a.t("site.withdrawn")
	case s.Copies == 0:
		parts = append(parts, a.t("site.unconfirmed"))
	default:
		parts = append(parts, a.tn("site.copies", s.Copies+1))
	}
	if s.Sleeps {
		parts = append(parts, a.t("site.sleeps"))
	} else if !s.Published.IsZero() {
		parts = append(parts, a.t("site.published", "ago", a.ago(s.Published)))
	}
	return strings.Join(parts, " · ")
}

// setOnline follows the switch.
func (p *homePage) setOnline(on bool) {
	a := p.app
	p.online.Disable()
	a.act(func(ctx context.Context) error { return a.ctl.SetOnline(ctx, on) }, func(err error) {
		p.online.Enable()
		a.fail("error.online", err)
		p.showState()
	})
}

// unpause ends a pause.
func (p *homePage) unpause() {
	a := p.app
	a.act(func(ctx context.Context) error { return a.ctl.Pause(ctx, time.Time{}) }, func(err error) { a.fail("error.pause", err) })
}

// showState draws the state line and the switch.
func (p *homePage) showState() {
	a := p.app
	if p.state == nil {
		return
	}
	line, hint, color := a.stateLine()
	p.state.SetText(line)
	p.hint.SetText(hint)
	p.hint.Hidden = hint == ""
	p.dot.recolour(color, "")
	p.online.on = a.status.Online && a.down == nil
	if a.down != nil || !a.known || a.member() {
		p.online.Disable()
	} else if !p.online.Disabled() || a.down == nil {
		p.online.Enable()
	}
	p.online.Refresh()
	p.resume.Hidden = a.down != nil || a.member() || a.status.Paused == nil || a.status.Paused.Reason != control.PauseUser
	p.resume.Refresh()
	p.join.Hidden = a.down != nil || !a.known || !a.status.Online || a.status.Paused != nil || a.status.Peers > 0
	p.join.Refresh()
}

// stateLine says in one line, and a second where it helps, how the node is
// doing, and the colour that goes with it.
func (a *App) stateLine() (line, hint string, color fyne.ThemeColorName) {
	s := a.status
	switch {
	case !a.known:
		return a.t("state.starting"), "", colorMuted
	case a.down != nil:
		return a.t("state.down"), "", theme.ColorNameError
	case !s.Online:
		return a.t("state.offline"), a.t("state.offline.note"), colorMuted
	case s.Paused != nil:
		return a.pauseLine(*s.Paused), a.t("state.paused.note"), theme.ColorNameWarning
	case s.Peers == 0:
		return a.t("state.searching"), a.t("state.searching.note"), theme.ColorNameWarning
	}
	line = a.tn("state.connected", s.Peers)
	switch s.Reach {
	case control.ReachDirect:
		return a.t("state.with", "connected", line, "reach", a.t("reach.direct")), "", theme.ColorNameSuccess
	case control.ReachRelay:
		return a.t("state.with", "connected", line, "reach", a.t("reach.relay")), "", theme.ColorNameSuccess
	case control.ReachNone:
		return line, a.t("reach.none"), theme.ColorNameWarning
	}
	return line, "", theme.ColorNameSuccess
}

func (a *App) pauseLine(p control.Paused) string {
	switch {
	case p.Reason == control.PauseUser && !p.Until.IsZero():
		return a.t("state.paused.until", "time", p.Until.Local().Format(a.t("format.time")))
	case p.Reason == control.PauseUser:
		return a.t("state.paused")
	}
	return a.t("state.paused." + string(p.Reason))
}

package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// homePage is the switch, the state, the user's sites and the way to publish.
type homePage struct {
	app   *App
	state *widget.Label
	list  *fyne.Container
}

func newHomePage(a *App) *homePage { return &homePage{app: a} }

func (p *homePage) content() fyne.CanvasObject {
	a := p.app
	p.state = prose("")
	p.list = container.NewVBox()
	add := primaryButton(a.t("home.add"), theme.FolderNewIcon(), a.addFolder)
	return pageBody(heading(a.t("nav.home")), p.state, p.list, actions(add))
}

func (p *homePage) enter() { p.load() }
func (p *homePage) leave() {}

func (p *homePage) apply(e control.Event) {
	p.state.SetText(p.app.stateLine())
	if e.Kind == control.EventSite || e.Kind == control.EventReceipt {
		p.load()
	}
}

func (p *homePage) load() {
	run(p.app, func(ctx context.Context) ([]control.Site, error) { return p.app.ctl.Sites(ctx) }, p.show)
}

func (p *homePage) show(sites []control.Site, err error) {
	p.list.RemoveAll()
	for _, s := range sites {
		p.list.Add(line(s.Name))
	}
}

// stateLine says in one line how the node is doing.
func (a *App) stateLine() string {
	s := a.status
	switch {
	case !a.known:
		return a.t("state.starting")
	case a.down != nil:
		return a.t("state.down")
	case !s.Online:
		return a.t("state.offline")
	case s.Peers == 0:
		return a.t("state.searching")
	}
	return a.tn("state.connected", s.Peers)
}

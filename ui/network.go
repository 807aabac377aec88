package ui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// pauseFor is how long the button pauses the node.
const pauseFor = time.Hour

// networkPage is the node's part in the network: who it reaches, what it
// keeps, what it sent.
type networkPage struct {
	app      *App
	reach    *widget.Label
	more     *widget.Label
	peers    *button
	pause    *button
	forget   *button
	bar      *storageBar
	legend   *fyne.Container
	traffic  *widget.Label
	month    *widget.ProgressBar
	monthly  *widget.Label
	settings control.Settings
	root     fyne.CanvasObject
}

func newNetworkPage(a *App) *networkPage { return &networkPage{app: a} }

func (p *networkPage) content() fyne.CanvasObject {
	a := p.app
	p.reach, p.more = prose(""), note("")
	p.reach.TextStyle.Bold = true
	p.peers = newButton("", theme.AccountIcon(), func() { a.nav.open(newPeersPage(a)) })
	p.pause = newButton("", theme.MediaPauseIcon(), p.togglePause)
	p.bar, p.legend = newStorageBar(), container.NewVBox()
	p.traffic, p.monthly, p.month = prose(""), note(""), widget.NewProgressBar()
	p.forget = newButton(a.t("network.forget"), theme.DeleteIcon(), p.erase)
	p.root = pageBody(heading(a.t("nav.network")),
		card(subheading(a.t("network.reach")), p.reach, p.more, actions(p.peers, p.pause)),
		card(subheading(a.t("network.store")), p.bar, p.legend, actions(p.forget)),
		card(subheading(a.t("network.traffic")), p.traffic, p.month, p.monthly))
	p.draw()
	return p.root
}

func (p *networkPage) enter() {
	p.draw()
	run(p.app, p.app.ctl.Settings, func(s control.Settings, err error) {
		if err == nil { // else the banner says that the node is gone
			p.settings = s
			p.draw()
		}
	})
}

func (p *networkPage) leave() {}

func (p *networkPage) apply(e control.Event) {
	if e.Kind == control.EventStatus {
		p.draw()
	}
}

func (p *networkPage) draw() {
	a, s := p.app, p.app.status
	for _, b := range []*button{p.peers, p.pause, p.forget} {
		b.Hidden = a.member() // it is not for them to decide, nor to know
	}
	state, _, _ := a.stateLine()
	p.reach.SetText(state)
	p.more.SetText(a.t("network.reach." + string(a.reachKind())))
	p.peers.SetText(a.tn("network.peers", s.Peers))
	if s.Paused != nil && s.Paused.Reason == control.PauseUser {
		p.pause.SetText(a.t("network.resume"))
		p.pause.SetIcon(theme.MediaPlayIcon())
	} else {
		p.pause.SetText(a.t("network.pause"))
		p.pause.SetIcon(theme.MediaPauseIcon())
	}
	p.drawStore()
	p.drawTraffic()
	p.root.Refresh() // texts got longer or shorter
}

// reachKind says which words tell how peers get here.
func (a *App) reachKind() control.Reach {
	switch a.status.Reach {
	case control.ReachDirect, control.ReachRelay, control.ReachNone:
		return a.status.Reach
	}
	return control.ReachUnknown
}

func (p *networkPage) drawStore() {
	a, s := p.app, p.app.status.Store
	shares := []share{
		{a.t("network.store.own"), s.Own, theme.ColorNamePrimary},
		{a.t("network.store.pinned"), s.Pinned, theme.ColorNameForeground},
		{a.t("network.store.leased"), s.Leased, theme.ColorNameWarning},
		{a.t("network.store.cache"), s.Cache, theme.ColorNameDisabled},
	}
	p.legend.RemoveAll()
	for _, part := range shares {
		swatch := container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(14), newSwatch(part.colour)))
		size := widget.NewLabel(a.bytes(part.bytes))
		p.legend.Add(container.NewBorder(nil, nil, container.NewHBox(spacerWide(4), swatch), size, prose(part.name)))
	}
	key := "network.store.total"
	if s.Own+s.Pinned+s.Leased+s.Cache > s.Used { // versions and sites have blocks in common
		key = "network.store.shared"
	}
	total := a.t(key, "used", a.bytes(s.Used), "budget", a.bytes(s.Budget))
	p.legend.Add(note(total))
	p.bar.set(shares, s.Budget, total)
}

func (p *networkPage) drawTraffic() {
	a, s := p.app, p.app.status
	p.traffic.SetText(a.t("network.traffic.line", "up", a.bytes(int64(s.Traffic.Up)), "down", a.bytes(int64(s.Traffic.Down))))
	limit := p.settings.MonthLimit
	if limit <= 0 {
		p.month.Hide()
		p.monthly.SetText(a.t("network.month", "used", a.bytes(s.MonthUsed)))
		return
	}
	p.month.Show()
	p.month.SetValue(min(1, float64(s.MonthUsed)/float64(limit)))
	p.monthly.SetText(a.t("network.month.of", "used", a.bytes(s.MonthUsed), "limit", a.bytes(limit)))
}

func (p *networkPage) togglePause() {
	a := p.app
	until := time.Now().Add(pauseFor)
	if a.status.Paused != nil && a.status.Paused.Reason == control.PauseUser {
		until = time.Time{}
	}
	a.act(func(ctx context.Context) error { return a.ctl.Pause(ctx, until) }, func(err error) { a.fail("error.pausing", err) })
}

// forget erases what is kept for others, after asking.
func (p *networkPage) erase() {
	a := p.app
	a.ask(a.t("network.forget.title"), a.t("network.forget.text"), a.t("network.forget.yes"), true, func() {
		run(a, a.ctl.Forget, func(freed int64, err error) {
			if err != nil {
				a.fail("error.forget", err)
				return
			}
			a.show(a.t("network.forget.done"), prose(a.t("network.forget.freed", "size", a.bytes(freed))))
		})
	})
}

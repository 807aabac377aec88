package ui

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// newMovePage moves the node's data to another folder.
func newMovePage(a *App, dir string) page {
	p := newFormPage(a, a.t("move.title"), a.t("move.lead"), a.t("move.do"))
	where := prose(a.t("move.where", "from", a.status.Data, "to", dir, "size", a.bytes(a.status.Store.Used)))
	where.Wrapping, where.Selectable = wrapAnywhere, true
	bar, text := widget.NewProgressBar(), note(a.t("move.copying"))
	p.fields = []fyne.CanvasObject{where}
	p.progress = container.NewVBox(bar, text)
	p.begin = func() func(context.Context) error {
		return func(ctx context.Context) error {
			return a.desk.MoveData(ctx, dir, func(done, total int64) {
				a.do(func() {
					if total > 0 {
						bar.SetValue(float64(done) / float64(total))
					}
					text.SetText(a.t("move.progress", "done", a.bytes(done), "total", a.bytes(total)))
				})
			})
		}
	}
	p.done = func() []fyne.CanvasObject {
		return []fyne.CanvasObject{good(a.t("move.done"), a.t("move.done.more", "to", dir)), p.closing()}
	}
	return p
}

// advancedPage is for those who know what these things are.
type advancedPage struct {
	app   *App
	addr  *entry
	join  *button
	state *fyne.Container
	facts *fyne.Container
}

func newAdvancedPage(a *App) *advancedPage { return &advancedPage{app: a} }

func (p *advancedPage) content() fyne.CanvasObject {
	a := p.app
	p.addr, p.state, p.facts = a.newEntry(), container.NewVBox(), container.NewVBox()
	p.addr.label = a.t("advanced.join")
	p.addr.SetPlaceHolder(a.t("advanced.join.placeholder"))
	p.addr.OnSubmitted = func(string) { p.connect() }
	p.join = newButton(a.t("advanced.join.do"), theme.LoginIcon(), p.connect)
	return pageBody(a.titled(a.t("advanced.title")),
		card(subheading(a.t("advanced.join")), note(a.t("advanced.join.more")), row(p.addr, p.join), p.state),
		card(subheading(a.t("advanced.facts")), p.facts))
}

func (p *advancedPage) enter() { p.draw() }
func (p *advancedPage) leave() {}

func (p *advancedPage) apply(e control.Event) {
	if e.Kind == control.EventStatus {
		p.draw()
	}
}

// draw lists the node's addresses and names.
func (p *advancedPage) draw() {
	a, s := p.app, p.app.status
	p.facts.RemoveAll()
	ca := ""
	if s.Doors.CA != "" {
		ca = filepath.Clean(s.Doors.CA)
	}
	for _, f := range [][2]string{
		{"network", s.Network}, {"node", s.NodeID}, {"listen", strings.Join(s.Listen, ", ")}, {"announced", strings.Join(s.Addresses, ", ")},
		{"gateway", s.Doors.Gateway}, {"tls", s.Doors.GatewayTLS}, {"dns", s.Doors.DNS}, {"pac", s.Doors.PAC}, {"ca", ca}, {"data", s.Data},
		{"host", a.hostName(s.Host)},
	} {
		p.facts.Add(p.fact(f[0], f[1]))
	}
}

// hostName says in words which process the node lives in.
func (a *App) hostName(h control.Host) string {
	switch h {
	case control.HostAgent, control.HostService, control.HostCommand:
		return a.t("advanced.host." + string(h))
	}
	return ""
}

// fact is one line: what it is, its value, and a way to copy it.
func (p *advancedPage) fact(id, value string) fyne.CanvasObject {
	a := p.app
	name := note(a.t("advanced." + id))
	if value == "" {
		none := "advanced.none"
		if id == "announced" {
			none = "advanced.announced.none"
		}
		return container.New(tightLayout{}, name, prose(a.t(none)))
	}
	text := prose(value)
	text.Wrapping, text.Selectable = wrapAnywhere, true
	copied := iconButton(a.t("advanced.copy", "what", a.t("advanced."+id)), theme.ContentCopyIcon(), func() { a.fyne.Clipboard().SetContent(value) })
	return row(container.New(tightLayout{}, name, text), container.NewCenter(copied))
}

// connect joins the network through the address in the field.
func (p *advancedPage) connect() {
	a, addr := p.app, strings.TrimSpace(p.addr.Text)
	if addr == "" {
		return
	}
	p.join.Disable()
	p.say(widget.NewProgressBarInfinite())
	a.connect(addr, func(err error) {
		p.join.Enable()
		if errors.Is(err, control.ErrInvalid) {
			p.say(warn(a.t("advanced.join.bad"), a.t("advanced.join.bad.do")))
			return
		}
		if err != nil {
			p.say(a.problem(err))
			return
		}
		p.say(good(a.t("advanced.join.done"), a.t("advanced.join.done.more")))
	})
}

func (p *advancedPage) say(objects ...fyne.CanvasObject) {
	p.state.Objects = objects
	p.state.Refresh()
}

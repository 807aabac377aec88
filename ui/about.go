package ui

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/assets"
	"altnet/engine/control"
)

// aboutPage says what this program is, by which licences it is made, and what
// the node has logged.
type aboutPage struct {
	app   *App
	facts *widget.Label
}

func newAboutPage(a *App) *aboutPage { return &aboutPage{app: a} }

func (p *aboutPage) content() fyne.CanvasObject {
	a := p.app
	p.facts = note("")
	p.facts.Selectable = true
	return pageBody(heading(a.t("nav.about")), prose(a.t("about.what")), p.facts,
		card(subheading(a.t("about.licence")), note(a.t("about.licence.more")), actions(
			newButton(a.t("about.licence.show"), theme.DocumentIcon(), func() { a.nav.open(newLicencePage(a, a.t("about.licence"), assets.Licence)) }),
			newButton(a.t("about.libraries.show"), theme.ListIcon(), func() { a.nav.open(newLibrariesPage(a)) }))),
		card(subheading(a.t("about.logs")), note(a.t("about.logs.more")), actions(
			newButton(a.t("about.logs.show"), theme.ListIcon(), func() { a.nav.open(newLogsPage(a)) }))))
}

func (p *aboutPage) enter() { p.draw() }
func (p *aboutPage) leave() {}

func (p *aboutPage) apply(e control.Event) {
	if e.Kind == control.EventStatus {
		p.draw()
	}
}

func (p *aboutPage) draw() {
	a, node := p.app, p.app.status.Version
	text := a.t("about.version", "version", a.version)
	if node != "" && node != a.version {
		text += "\n" + a.t("about.node", "version", node)
	}
	p.facts.SetText(text)
}

// logsPage shows the newest lines of the node's log, to copy for a report of
// an error.
type logsPage struct {
	app   *App
	lines []control.LogLine
	list  *widget.List
	state *widget.Label
	copy  *button
}

func newLogsPage(a *App) *logsPage { return &logsPage{app: a} }

func (p *logsPage) content() fyne.CanvasObject {
	a := p.app
	p.state = note("")
	p.copy = primaryButton(a.t("logs.copy"), theme.ContentCopyIcon(), p.toClipboard)
	p.copy.Disable()
	p.list = widget.NewList(func() int { return len(p.lines) },
		func() fyne.CanvasObject { return container.New(tightLayout{}, noteLine(""), line("")) }, p.fill)
	p.list.OnSelected = func(i widget.ListItemID) {
		p.list.Unselect(i)
		text := prose(p.lines[i].Text)
		text.Wrapping, text.Selectable = wrapAnywhere, true
		a.show(a.moment(p.lines[i].Time), container.NewVScroll(text))
	}
	again := newButton(a.t("action.reload"), theme.ViewRefreshIcon(), p.load)
	head := container.NewVBox(a.titled(a.t("about.logs")), note(a.t("logs.lead")), actions(p.copy, again), p.state)
	return container.New(columnLayout{measure}, inset(20, container.NewBorder(head, nil, nil, nil, p.list)))
}

func (p *logsPage) enter()              { p.load() }
func (p *logsPage) leave()              {}
func (p *logsPage) apply(control.Event) {}

func (p *logsPage) load() { run(p.app, p.app.ctl.Logs, p.show) }

func (p *logsPage) show(lines []control.LogLine, err error) {
	a := p.app
	if err != nil {
		what, do := a.explain(err)
		p.state.SetText(what + ". " + do)
		return
	}
	p.lines = lines
	p.state.SetText(a.tn("logs.lines", len(lines)))
	if len(lines) == 0 {
		p.state.SetText(a.t("logs.none"))
	}
	if len(lines) > 0 {
		p.copy.Enable()
	}
	p.list.Refresh()
	p.list.ScrollToBottom()
}

func (p *logsPage) fill(i widget.ListItemID, o fyne.CanvasObject) {
	if i >= len(p.lines) {
		return
	}
	labels, l := labelsIn(o), p.lines[i]
	labels[0].SetText(l.Time.Local().Format("2006-01-02 15:04:05") + "  " + l.Level)
	labels[1].SetText(strings.ReplaceAll(l.Text, "\n", " "))
}

// toClipboard copies all lines, with the versions a report of an error needs.
func (p *logsPage) toClipboard() {
	a := p.app
	var b strings.Builder
	b.WriteString("AltNet " + a.version + ", node " + a.status.Version + "\n")
	for _, l := range p.lines {
		b.WriteString(l.Time.UTC().Format("2006-01-02T15:04:05Z") + " " + l.Level + " " + l.Text + "\n")
	}
	a.fyne.Clipboard().SetContent(b.String())
	p.copy.SetText(a.t("action.copied"))
}

// textPage shows a long text that is not ours to translate.
type textPage struct {
	app   *App
	title string
	read  func() string
	lines []string
	list  *widget.List
}

func newLicencePage(a *App, title string, read func() string) *textPage {
	return &textPage{app: a, title: title, read: read}
}

func (p *textPage) content() fyne.CanvasObject {
	p.list = widget.NewList(func() int { return len(p.lines) }, func() fyne.CanvasObject {
		l := line("")
		l.TextStyle.Monospace = true
		return container.New(denseLayout{}, l)
	}, func(i widget.ListItemID, o fyne.CanvasObject) {
		if i < len(p.lines) {
			labelsIn(o)[0].SetText(p.lines[i])
		}
	})
	p.list.HideSeparators = true
	return container.New(columnLayout{measure}, inset(20, container.NewBorder(p.app.titled(p.title), nil, nil, nil, p.list)))
}

func (p *textPage) enter() {
	run(p.app, func(context.Context) ([]string, error) { return strings.Split(p.read(), "\n"), nil }, func(lines []string, _ error) {
		p.lines = lines
		p.list.Refresh()
	})
}

func (p *textPage) leave()              {}
func (p *textPage) apply(control.Event) {}

// denseLayout takes the room of a paragraph from around a line of a long text.
type denseLayout struct{}

// MinSize implements fyne.Layout.
func (denseLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return objects[0].MinSize().SubtractWidthHeight(0, overlap+theme.Padding())
}

// Layout implements fyne.Layout.
func (denseLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	high := objects[0].MinSize().Height
	objects[0].Move(fyne.NewPos(0, (size.Height-high)/2))
	objects[0].Resize(fyne.NewSize(size.Width, high))
}

// librariesPage lists the libraries inside, each with its licence.
type librariesPage struct {
	app  *App
	list *widget.List
	libs []assets.Library
}

func newLibrariesPage(a *App) *librariesPage { return &librariesPage{app: a} }

func (p *librariesPage) content() fyne.CanvasObject {
	a := p.app
	p.list = widget.NewList(func() int { return len(p.libs) },
		func() fyne.CanvasObject { return container.New(tightLayout{}, strong(""), noteLine("")) },
		func(i widget.ListItemID, o fyne.CanvasObject) {
			if i < len(p.libs) {
				labels := labelsIn(o)
				labels[0].SetText(p.libs[i].Path)
				labels[1].SetText(p.libs[i].Licence)
			}
		})
	p.list.OnSelected = func(i widget.ListItemID) {
		p.list.Unselect(i)
		lib := p.libs[i]
		a.nav.open(newLicencePage(a, lib.Path, func() string { return lib.Text }))
	}
	head := container.NewVBox(a.titled(a.t("about.libraries")), note(a.t("about.libraries.more")))
	return container.New(columnLayout{measure}, inset(20, container.NewBorder(head, nil, nil, nil, p.list)))
}

func (p *librariesPage) enter() {
	run(p.app, func(context.Context) ([]assets.Library, error) { return assets.Libraries() }, func(libs []assets.Library, err error) {
		p.app.fail("error.libraries", err)
		p.libs = libs
		p.list.Refresh()
	})
}

func (p *librariesPage) leave()              {}
func (p *librariesPage) apply(control.Event) {}

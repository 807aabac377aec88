package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// sitePage is everything about one of the user's sites.
type sitePage struct {
	app  *App
	name string
	site *publisher.Site // what the profile knows, nil where it does not know it

	state    *fyne.Container
	update   *fyne.Container
	versions *fyne.Container
	activity *fyne.Container
	end      *fyne.Container
	receipt  control.Receipt
	known    bool // a receipt came
}

// siteFound is what the node and the profile say of a site.
type siteFound struct {
	site     *publisher.Site
	receipt  control.Receipt
	versions []control.Version
	activity control.Activity
}

func newSitePage(a *App, name string) *sitePage { return &sitePage{app: a, name: name} }

func (p *sitePage) content() fyne.CanvasObject {
	a, d := p.app, addressOf(p.name)
	if s, err := a.profile.Site(p.name); err == nil {
		p.site = &s
	}
	p.state, p.update, p.end = container.NewVBox(), container.NewVBox(), container.NewVBox()
	p.versions, p.activity = container.NewVBox(), container.New(layout.NewCustomPaddedVBoxLayout(pageGap))
	return pageBody(a.titled(d.short()), p.addressCard(d), p.update, p.versions, p.activity, p.end)
}

// addressCard is where the site is and how it is doing.
func (p *sitePage) addressCard(d address) fyne.CanvasObject {
	a := p.app
	objects := append(a.addressLines(d, d.short()), p.state,
		actions(primaryButton(a.t("action.open"), openIcon(), func() { a.open(d) }), a.copyButton(a.t("action.copy"), d.url())))
	if door := a.door(d); door != "" {
		objects = append(objects, row(note(a.t("site.door", "door", door)), container.NewCenter(a.copyButton(a.t("action.copydoor"), door))))
	}
	return card(objects...)
}

func (p *sitePage) enter() { p.load() }
func (p *sitePage) leave() {}

func (p *sitePage) apply(e control.Event) {
	switch {
	case p.state == nil:
	case e.Receipt != nil && e.Receipt.Name == p.name:
		p.receipt, p.known = *e.Receipt, true
		p.showState()
	case e.Site != nil && e.Site.Name == p.name, e.Kind == "":
		p.load()
	}
}

// load asks node and profile anew.
func (p *sitePage) load() {
	a, name := p.app, p.name
	run(a, func(ctx context.Context) (siteFound, error) { return findSite(ctx, a, name) }, p.show)
}

func findSite(ctx context.Context, a *App, name string) (siteFound, error) {
	var found siteFound
	if s, err := a.profile.Site(name); err == nil {
		found.site = &s
	}
	var err error
	if found.receipt, err = a.ctl.Receipt(ctx, name); err != nil {
		return found, err
	}
	if found.versions, err = a.ctl.Versions(ctx, name); err != nil {
		return found, err
	}
	found.activity, err = a.ctl.Activity(ctx, name)
	return found, err
}

func (p *sitePage) show(found siteFound, err error) {
	p.site = found.site
	if err != nil {
		p.state.Objects = []fyne.CanvasObject{p.app.problem(err, newButton(p.app.t("action.retry"), theme.ViewRefreshIcon(), p.load))}
		p.state.Refresh()
		return
	}
	p.receipt, p.known = found.receipt, true
	p.showState()
	p.showUpdate()
	p.showVersions(found.versions)
	p.showActivity(found.activity)
	p.showEnd()
}

// showState says what the network has confirmed.
func (p *sitePage) showState() {
	a, r := p.app, p.receipt
	var text fyne.CanvasObject
	switch {
	case r.Withdrawn:
		text = iconText(theme.InfoIcon(), a.t("site.withdrawn.note"))
	case r.Copies == 0:
		text = iconText(theme.NewWarningThemedResource(theme.WarningIcon()), a.t("result.waiting.do"))
	case r.Sleeps:
		text = iconText(theme.NewWarningThemedResource(theme.WarningIcon()), a.copiesLine(r.Copies, true))
	default:
		text = iconText(theme.NewSuccessThemedResource(theme.ConfirmIcon()), a.copiesLine(r.Copies, false))
	}
	p.state.Objects = []fyne.CanvasObject{text}
	p.state.Refresh()
}

// showUpdate is the folder and the ways to publish it again.
func (p *sitePage) showUpdate() {
	a, s := p.app, p.site
	if s == nil {
		p.update.Objects = []fyne.CanvasObject{card(subheading(a.t("site.update")), prose(a.t("site.elsewhere")))}
		p.update.Refresh()
		return
	}
	objects := []fyne.CanvasObject{subheading(a.t("site.update"))}
	other := newButton(a.t("site.otherfolder"), theme.FolderOpenIcon(), p.pick)
	if s.Folder == "" {
		objects = append(objects, note(a.t("site.nofolder")), actions(other))
	} else {
		folder := noteLine(s.Folder)
		show := quietButton(a.t("site.showfolder"), theme.FolderIcon(), func() { a.showFolder(s.Folder) })
		again := newButton(a.t("site.again"), theme.UploadIcon(), func() { a.publishTo(p.name, s.Folder) })
		if a.changed[s.Folder] {
			objects = append(objects, iconText(theme.InfoIcon(), a.t("site.changed")))
			again.Importance = widget.HighImportance
		}
		objects = append(objects, row(folder, show), actions(again, other), a.watchCheck(s.Folder))
	}
	p.update.Objects = []fyne.CanvasObject{card(objects...)}
	p.update.Refresh()
}

// pick updates the site from another folder.
func (p *sitePage) pick() {
	p.app.pickFolder(p.app.t("folder.pick"), func(path string) { p.app.publishTo(p.name, path) })
}

// showEnd is the way to take the site back.
func (p *sitePage) showEnd() {
	a := p.app
	if p.receipt.Withdrawn || p.site == nil {
		p.end.Objects = nil
		p.end.Refresh()
		return
	}
	withdraw := dangerButton(a.t("withdraw.button"), theme.DeleteIcon(), func() {
		a.ask(a.t("withdraw.title", "name", addressOf(p.name).short()), a.t("withdraw.text"), a.t("withdraw.yes"), true, p.withdraw)
	})
	p.end.Objects = []fyne.CanvasObject{card(subheading(a.t("withdraw.head")), note(a.t("withdraw.note")), actions(withdraw))}
	p.end.Refresh()
}

func (p *sitePage) withdraw() {
	a, name := p.app, p.name
	run(a, func(ctx context.Context) (control.Receipt, error) { return a.author.Withdraw(ctx, name) },
		func(_ control.Receipt, err error) {
			a.fail("error.withdraw", err)
			p.load()
		})
}

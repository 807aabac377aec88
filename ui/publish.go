package ui

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// publish offers folders for publishing. On the page of a site, or while a
// page like this one waits, they join what is there.
func (a *App) publish(paths []string) {
	if len(paths) == 0 {
		return
	}
	var folders []string
	for _, p := range paths {
		if isFolder(p) && !slices.Contains(folders, p) {
			folders = append(folders, p)
		}
	}
	if len(folders) == 0 {
		a.show(a.t("publish.nofolder"), prose(a.t("publish.nofolder.do")))
		return
	}
	if !a.prefs.Welcomed {
		a.waiting = append(a.waiting, folders...)
		a.show(a.t("publish.welcome"), prose(a.t("publish.welcome.do")))
		return
	}
	open := a.nav.open
	switch top := a.nav.top().(type) {
	case *sitePage:
		if len(folders) == 1 && top.site != nil {
			a.publishTo(top.name, folders[0])
			return
		}
	case *publishPage:
		if top.add(folders) {
			return
		}
		if top.over() {
			open = a.nav.replace // nobody has to say twice that it is done
		}
	}
	p := newPublishPage(a)
	for _, f := range folders {
		p.drafts = append(p.drafts, newDraftView(p, f, nil))
	}
	open(p)
}

// publishTo offers a folder as the new content of one of the user's sites.
func (a *App) publishTo(name, folder string) {
	s, err := a.profile.Site(name)
	if err != nil {
		a.fail("error.update", err)
		return
	}
	p := newPublishPage(a)
	p.drafts = append(p.drafts, newDraftView(p, folder, &s))
	a.nav.open(p)
}

// publishPage takes folders to the network: what each would be called and
// hold, how far it is, and what came of it.
type publishPage struct {
	app    *App
	drafts []*draftView
	list   *fyne.Container
	foot   *fyne.Container
	head   *fyne.Container
	root   fyne.CanvasObject
	busy   bool // one draft is being published, others may be queued
}

func newPublishPage(a *App) *publishPage { return &publishPage{app: a} }

// content builds the page; what goes on while the person looks at something
// else comes back as it is.
func (p *publishPage) content() fyne.CanvasObject {
	if p.root != nil {
		return p.root
	}
	p.list, p.foot, p.head = container.NewVBox(), container.NewVBox(), container.NewStack()
	p.root = pageBody(p.head, p.list, p.foot)
	for _, d := range p.drafts {
		p.list.Add(d.view())
		d.begin()
	}
	p.update()
	return p.root
}

func (p *publishPage) enter() {
	for _, d := range p.drafts {
		d.resume()
	}
	if d := p.drafts[0]; d.site == nil && d.stage < queued && !d.nameless {
		p.app.win.Canvas().Focus(d.entry) // Return publishes
	}
}

// leave ends the questions that only matter while somebody looks. Publishing
// goes on: the home page leads back to it.
func (p *publishPage) leave() {
	for _, d := range p.drafts {
		d.pause()
	}
}

func (p *publishPage) apply(e control.Event) {
	for _, d := range p.drafts {
		d.apply(e)
	}
}

// add takes more folders in while nothing was begun.
func (p *publishPage) add(folders []string) bool {
	if p.busy || p.list == nil || slices.ContainsFunc(p.drafts, func(d *draftView) bool { return d.stage == ended }) {
		return false
	}
	for _, f := range folders {
		if slices.ContainsFunc(p.drafts, func(d *draftView) bool { return d.dir == f }) {
			continue
		}
		d := newDraftView(p, f, nil)
		p.drafts = append(p.drafts, d)
		p.list.Add(d.view())
		d.begin()
	}
	for _, d := range p.drafts {
		d.update() // each can be taken out now
	}
	return true
}

// remove takes a folder out again.
func (p *publishPage) remove(d *draftView) {
	d.pause()
	p.drafts = slices.DeleteFunc(p.drafts, func(x *draftView) bool { return x == d })
	p.list.Remove(d.root)
	if len(p.drafts) == 0 {
		p.app.nav.back()
		return
	}
	p.update()
}

// start publishes every folder that can be, one after the other.
func (p *publishPage) start() {
	for _, d := range p.drafts {
		if d.can() && !p.named(d) {
			d.stage = queued
			d.update()
		}
	}
	p.next()
}

// next publishes the first that is queued.
func (p *publishPage) next() {
	i := slices.IndexFunc(p.drafts, func(d *draftView) bool { return d.stage == queued })
	p.busy = i >= 0
	p.app.publishing = nil
	if p.busy {
		p.app.publishing = p
		p.drafts[i].publish(p.next)
	}
	p.update()
	p.app.nav.apply(control.Event{})
}

// named reports whether a draft before d wants the same name.
func (p *publishPage) named(d *draftView) bool {
	if d.site != nil || d.nameless || d.standing.Host == "" {
		return false
	}
	for _, other := range p.drafts {
		if other == d {
			return false
		}
		if other.site == nil && !other.nameless && other.standing.Host == d.standing.Host {
			return true
		}
	}
	return false
}

// update draws the head and the foot.
func (p *publishPage) update() {
	if p.foot == nil {
		return
	}
	a := p.app
	title := a.tn("publish.title", len(p.drafts))
	if len(p.drafts) == 1 && p.drafts[0].site != nil {
		title = a.t("publish.title.update")
	}
	p.head.Objects = []fyne.CanvasObject{a.titled(title)}
	p.head.Refresh()
	p.foot.Objects = []fyne.CanvasObject{actions(p.buttons()...)}
	p.foot.Refresh()
	a.fit()
}

func (p *publishPage) buttons() []fyne.CanvasObject {
	a := p.app
	var able, open int
	for _, d := range p.drafts {
		if d.can() && !p.named(d) {
			able++
		}
		if d.stage < queued || d.stage == failed {
			open++
		}
	}
	if p.over() {
		return []fyne.CanvasObject{newButton(a.t("action.done"), theme.ConfirmIcon(), a.nav.back)}
	}
	if open == 0 {
		return nil // each has its own cancel
	}
	key := "publish.go"
	if len(p.drafts) == 1 && p.drafts[0].updates() != nil {
		key = "publish.go.update"
	}
	begin := primaryButton(a.tn(key, max(able, 1)), theme.UploadIcon(), p.start)
	if able == 0 || p.busy {
		begin.Disable()
	}
	return []fyne.CanvasObject{begin, newButton(a.t("action.cancel"), nil, a.nav.back)}
}

// over reports whether every folder is through.
func (p *publishPage) over() bool {
	return !slices.ContainsFunc(p.drafts, func(d *draftView) bool { return d.stage != ended })
}

// left is how many folders are not through yet.
func (p *publishPage) left() int {
	n := 0
	for _, d := range p.drafts {
		if d.stage >= queued && d.stage <= confirming {
			n++
		}
	}
	return n
}

// siteOf names the site of a receipt.
func siteOf(r control.Receipt, s *publisher.Site) string {
	switch {
	case r.Name != "":
		return r.Name
	case s != nil:
		return s.Bare()
	}
	return r.Address
}

package ui

import (
	"context"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// visitPage is everything about a site of somebody else.
type visitPage struct {
	app    *App
	browse *browsePage
	site   control.Visited
	res    control.Resolution // once it is known
	about  *widget.Label
	keep   *fyne.Container
	alive  *widget.Check
}

func newVisitPage(b *browsePage, v control.Visited) *visitPage {
	return &visitPage{app: b.app, browse: b, site: v}
}

func (p *visitPage) addr() address { return addressOf(p.site.Name) }

func (p *visitPage) content() fyne.CanvasObject {
	a, d := p.app, p.addr()
	title := plainText(p.site.Title)
	if title == "" {
		title = d.short()
	}
	p.about, p.keep = note(a.t("visit.looking")), container.NewVBox()
	body := append([]fyne.CanvasObject{a.titled(title)}, a.addressLines(d, title)...)
	return pageBody(append(body, p.about,
		actions(primaryButton(a.t("action.open"), theme.NavigateNextIcon(), func() { a.open(d) }), a.copyButton(a.t("action.copy"), d.url())),
		p.keepCard(), p.followCard(), p.wrongCard())...)
}

func (p *visitPage) enter() {
	a := p.app
	p.drawKeep()
	run(a, func(ctx context.Context) (control.Resolution, error) {
		ctx, cancel := withTimeout(ctx)
		defer cancel()
		return a.ctl.Resolve(ctx, p.addr().host)
	}, p.known)
}

func (p *visitPage) leave()              {}
func (p *visitPage) apply(control.Event) {}

// known shows what the network says of the site.
func (p *visitPage) known(res control.Resolution, err error) {
	a := p.app
	if err != nil {
		what, do := a.explain(err)
		p.about.SetText(what + ". " + do)
		return
	}
	p.res = res
	p.site.Address, p.site.Root = res.Address, res.Root
	p.about.SetText(a.t("visit.about", "size", a.bytes(res.Size), "date", a.moment(res.Issued), "owner", addressOf(res.Address).short()))
	p.drawKeep()
}

func (p *visitPage) keepCard() fyne.CanvasObject {
	a := p.app
	p.alive = widget.NewCheck(a.t("visit.keep"), nil)
	p.alive.Checked = p.site.Pinned
	p.alive.OnChanged = p.setAlive
	return card(p.alive, note(a.t("visit.keep.more")), p.keep)
}

// setAlive keeps the site here, or lets go of it.
func (p *visitPage) setAlive(on bool) {
	if on == (p.site.Pinned || p.browse.jobs[p.site.Address] != nil) {
		return // the box was set to what is so
	}
	if on {
		p.browse.pin(p.site, p.res.Size, p.pinned)
		p.drawKeep()
		return
	}
	p.browse.unpin(p.site, p.pinned)
}

// pinned shows how keeping, or letting go, ended.
func (p *visitPage) pinned(now bool, err error) {
	p.site.Pinned = now
	p.alive.SetChecked(now)
	p.drawKeep()
	if err != nil && !cancelled(err) {
		p.keep.Objects = []fyne.CanvasObject{p.app.problem(err)}
		p.keep.Refresh()
	}
}

// drawKeep shows how keeping the site stands.
func (p *visitPage) drawKeep() {
	a := p.app
	job := p.browse.jobs[p.site.Address]
	p.keep.RemoveAll()
	switch {
	case job != nil:
		p.alive.SetChecked(true)
		p.keep.Add(job.bar)
		p.keep.Add(job.text)
		p.keep.Add(actions(newButton(a.t("action.cancel"), theme.CancelIcon(), job.cancel)))
	case p.site.Pinned:
		p.keep.Add(note(a.t("visit.keep.is")))
	case p.res.Size > 0:
		p.keep.Add(note(a.t("visit.keep.size", "size", a.bytes(p.res.Size))))
	}
}

func (p *visitPage) followCard() fyne.CanvasObject {
	a, host := p.app, p.addr().host
	follow := widget.NewCheck(a.t("visit.follow"), nil)
	follow.Checked = slices.Contains(a.prefs.Followed, host)
	follow.OnChanged = func(on bool) { a.follows(host, on) }
	return card(follow, note(a.t("visit.follow.more")))
}

// follows remembers whether the person wants to hear of a site's updates.
func (a *App) follows(host string, on bool) {
	a.setPrefs(func(prefs *Prefs) {
		prefs.Followed = slices.DeleteFunc(slices.Clone(prefs.Followed), func(s string) bool { return s == host })
		if on {
			prefs.Followed = append(prefs.Followed, host)
		}
	})
}

func (p *visitPage) wrongCard() fyne.CanvasObject {
	a := p.app
	return card(subheading(a.t("visit.wrong")), note(a.t("visit.wrong.more")), actions(
		newButton(a.t("visit.report"), theme.MailComposeIcon(), func() { a.nav.open(newReportPage(a, p.site, p.res)) }),
		newButton(a.t("visit.block"), theme.CancelIcon(), func() { a.nav.open(newBlockPage(a, p.site)) })))
}

// pinJob is a site that is being fetched to be kept.
type pinJob struct {
	cancel context.CancelFunc
	bar    *widget.ProgressBar
	text   *widget.Label
	total  int64
	ended  func(pinned bool, err error)
}

// pin fetches a site and keeps it; ended hears how that went.
func (p *browsePage) pin(v control.Visited, size int64, ended func(bool, error)) {
	a := p.app
	ctx, cancel := context.WithCancel(a.ctx)
	job := &pinJob{cancel: cancel, bar: widget.NewProgressBar(), text: note(a.t("visit.keep.fetching")), total: size, ended: ended}
	p.jobs[v.Address] = job
	runIn(a, ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.ctl.SetPinned(ctx, addressOf(v.Name).host, true)
	}, func(_ struct{}, err error) {
		cancel()
		delete(p.jobs, v.Address)
		job.ended(err == nil, err)
		p.load()
	})
}

func (p *browsePage) unpin(v control.Visited, ended func(bool, error)) {
	a := p.app
	a.act(func(ctx context.Context) error { return a.ctl.SetPinned(ctx, addressOf(v.Name).host, false) }, func(err error) {
		ended(err != nil, err)
		p.load()
	})
}

// progress shows how far a site that is being kept has come.
func (p *browsePage) progress(e control.Progress) {
	a := p.app
	for addr, job := range p.jobs {
		if e.Task != "pin" && e.Task != "fetch" || addressOf(e.Name) != addressOf(addr) && e.Name != addr {
			continue
		}
		total := max(e.Total, job.total)
		if total > 0 {
			job.bar.SetValue(float64(e.Done) / float64(total))
		}
		job.text.SetText(a.t("visit.keep.progress", "done", a.bytes(e.Done), "total", a.bytes(total)))
	}
}

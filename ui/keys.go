package ui

import (
	"context"
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// keysPage is what owns the user's sites: whether it is backed up, and every
// way to make, try and use a backup.
type keysPage struct {
	app   *App
	body  *fyne.Container
	found keysFound
	err   error
	asked bool // the profile was read or is being read
}

// keysFound is what the page shows.
type keysFound struct {
	safety publisher.Safety
	sites  []publisher.Site
}

func newKeysPage(a *App) *keysPage { return &keysPage{app: a} }

func (p *keysPage) content() fyne.CanvasObject {
	p.body = container.NewVBox()
	return pageBody(heading(p.app.t("nav.keys")), note(p.app.t("keys.lead")), p.body)
}

func (p *keysPage) enter() { p.load() }
func (p *keysPage) leave() {}

func (p *keysPage) apply(control.Event) {}

// watch implements watcher: the badge has to be right before anybody looks.
func (p *keysPage) watch(e control.Event) {
	devices := e.Kind == control.EventNotice && e.Notice != nil && e.Notice.Kind == control.NoticeTwoDevices
	if devices || e.Kind == "" || e.Kind == control.EventSite || e.Kind == control.EventReceipt {
		p.load()
	}
}

// keysChanged tells everything that shows the state of the keys.
func (a *App) keysChanged() { a.nav.apply(control.Event{}) }

// load reads the profile, in view or not: the badge hangs on it.
func (p *keysPage) load() {
	p.asked = true
	run(p.app, func(context.Context) (keysFound, error) { return readKeys(p.app.profile) }, p.show)
}

func readKeys(profile *publisher.Profile) (keysFound, error) {
	safety, err := profile.Safety()
	if err != nil {
		return keysFound{}, err
	}
	sites, err := profile.Sites()
	return keysFound{safety, sites}, err
}

func (p *keysPage) show(found keysFound, err error) {
	p.found, p.err = found, err
	p.app.nav.refresh()
	if p.body != nil {
		p.draw()
	}
}

// badge stands beside the entry of the sidebar until a restore test passed.
func (p *keysPage) badge() string {
	if !p.asked {
		p.load()
	}
	switch {
	case p.err != nil:
		return p.app.t("keys.badge.broken")
	case p.found.safety.Risky():
		return p.app.t("keys.badge")
	case len(p.elsewhere()) > 0:
		return p.app.t("keys.badge.devices")
	}
	return ""
}

func (p *keysPage) elsewhere() []publisher.Site {
	var out []publisher.Site
	for _, s := range p.found.sites {
		if s.Elsewhere != nil {
			out = append(out, s)
		}
	}
	return out
}

func (p *keysPage) draw() {
	a := p.app
	p.body.RemoveAll()
	if p.err != nil {
		p.body.Add(a.problem(p.err, newButton(a.t("action.retry"), theme.ViewRefreshIcon(), p.load)))
		return
	}
	p.body.Add(p.state())
	for _, s := range p.elsewhere() {
		p.body.Add(p.deviceNotice(s))
	}
	if p.found.safety.Keys {
		p.body.Add(p.phraseCard())
		p.body.Add(p.fileCard())
		p.body.Add(p.deviceCard())
	}
	p.body.Add(p.restoreCard())
}

// state says how safe the keys are.
func (p *keysPage) state() fyne.CanvasObject {
	a, s := p.app, p.found.safety
	switch {
	case !s.Keys:
		return plain(a.t("keys.none"), a.t("keys.none.more"))
	case !s.Tested.IsZero():
		return good(a.t("keys.safe"), a.t("keys.safe."+string(s.How), "date", a.date(s.Tested)))
	case s.Needed:
		return warn(a.t("keys.risky"), a.t("keys.risky.more"))
	}
	return plain(a.t("keys.untested"), a.t("keys.untested.more"))
}

func (p *keysPage) phraseCard() fyne.CanvasObject {
	a := p.app
	show := newButton(a.t("keys.phrase.show"), theme.VisibilityIcon(), func() { a.nav.open(newPhrasePage(a, p.found.safety)) })
	if !p.found.safety.Phrase {
		show.Disable()
	}
	test := newButton(a.t("keys.phrase.test"), theme.ConfirmIcon(), func() { a.nav.open(newPhraseTestPage(a)) })
	text := a.t("keys.phrase.more")
	if !p.found.safety.Phrase {
		text = a.t("keys.phrase.away")
	}
	return card(subheading(a.t("keys.phrase")), note(text), actions(show, test))
}

func (p *keysPage) fileCard() fyne.CanvasObject {
	a := p.app
	text := a.t("keys.file.more")
	if saved := p.found.safety.Saved; !saved.IsZero() {
		text += " " + a.t("keys.file.saved", "date", a.date(saved))
	}
	save := newButton(a.t("keys.file.save"), theme.DocumentSaveIcon(), func() { a.nav.open(newBackupPage(a)) })
	test := newButton(a.t("keys.file.test"), theme.ConfirmIcon(), func() { a.nav.open(newFileTestPage(a, "")) })
	return card(subheading(a.t("keys.file")), note(text), actions(save, test))
}

func (p *keysPage) deviceCard() fyne.CanvasObject {
	a := p.app
	look := newButton(a.t("keys.device.look"), theme.SearchIcon(), nil)
	look.OnTapped = func() { p.lookForDevices(look) }
	return card(subheading(a.t("keys.device")), note(a.t("keys.device.more")), actions(look))
}

func (p *keysPage) restoreCard() fyne.CanvasObject {
	a := p.app
	return card(subheading(a.t("keys.restore")), note(a.t("keys.restore.more")), actions(
		newButton(a.t("keys.restore.phrase"), theme.DocumentCreateIcon(), func() { a.nav.open(newRestorePage(a, false)) }),
		newButton(a.t("keys.restore.file"), theme.FileIcon(), func() { a.nav.open(newRestorePage(a, true)) }),
	))
}

// lookForDevices asks the network what other devices published.
func (p *keysPage) lookForDevices(b *button) {
	a := p.app
	b.Disable()
	run(a, func(ctx context.Context) ([]publisher.Site, error) { return a.author.Devices(ctx) },
		func(found []publisher.Site, err error) {
			b.Enable()
			p.load()
			switch {
			case err != nil:
				a.fail("error.devices", err)
			case len(found) == 0:
				a.show(a.t("keys.device"), prose(a.t("keys.device.none")))
			}
		})
}

// deviceNotice tells of one site that another device published too.
func (p *keysPage) deviceNotice(s publisher.Site) fyne.CanvasObject {
	a := p.app
	key := "keys.elsewhere.renewed"
	if s.Elsewhere.Update {
		key = "keys.elsewhere.update"
	}
	head := a.t(key, "site", s.Bare(), "date", a.moment(s.Elsewhere.Signed), "device", s.Elsewhere.Device.String()[:8])
	return warn(head, a.t(key+".more"),
		newButton(a.t("keys.elsewhere.ok"), nil, func() { p.sawElsewhere(s) }),
		newButton(a.t("keys.elsewhere.out"), nil, func() { p.shutOut(s) }))
}

func (p *keysPage) sawElsewhere(s publisher.Site) {
	p.app.act(func(context.Context) error { return p.app.profile.SawElsewhere(s.Root) }, func(err error) {
		p.app.fail("error.devices", err)
		p.load()
	})
}

// shutOut takes every other device out of a site, after asking.
func (p *keysPage) shutOut(s publisher.Site) {
	a := p.app
	a.ask(a.t("keys.shutout.title", "site", s.Bare()), a.t("keys.shutout.text"), a.t("keys.shutout.yes"), true, func() {
		a.act(func(ctx context.Context) error {
			_, err := a.author.ShutOut(ctx, s.Bare())
			return errors.Join(err, a.profile.SawElsewhere(s.Root))
		}, func(err error) {
			a.fail("error.shutout", err)
			p.load()
		})
	})
}

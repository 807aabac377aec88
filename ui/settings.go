package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// settingsPage is what a person may change: of the node, and of the window.
type settingsPage struct {
	app  *App
	body *fyne.Container
	now  control.Settings
	auto *widget.Check
}

func newSettingsPage(a *App) *settingsPage { return &settingsPage{app: a} }

func (p *settingsPage) content() fyne.CanvasObject {
	p.body = container.NewVBox()
	return pageBody(heading(p.app.t("nav.settings")), p.body)
}

func (p *settingsPage) enter() { p.load() }
func (p *settingsPage) leave() {}

func (p *settingsPage) apply(control.Event) {}

func (p *settingsPage) load() {
	run(p.app, p.app.ctl.Settings, func(s control.Settings, err error) {
		p.body.RemoveAll()
		if err != nil {
			p.body.Add(p.app.problem(err, newButton(p.app.t("action.retry"), theme.ViewRefreshIcon(), p.load)))
		} else {
			p.now = s
			p.body.Add(newLimits(p).view())
			p.body.Add(p.pauses())
			p.body.Add(p.sharing())
			if !p.app.member() { // whom it is not told
				p.body.Add(p.data())
			}
		}
		p.body.Add(p.window())
		p.body.Add(actions(newButton(p.app.t("settings.advanced"), theme.SettingsIcon(), func() { p.app.nav.open(newAdvancedPage(p.app)) }),
			newButton(p.app.t("settings.quit"), theme.LogoutIcon(), p.app.quit)))
		p.body.Refresh()
	})
}

// change puts settings in force; failed hears of an error after it was shown.
func (p *settingsPage) change(change func(*control.Settings), ended func(err error)) {
	a, next := p.app, p.now
	change(&next)
	a.act(func(ctx context.Context) error { return a.ctl.SetSettings(ctx, next) }, func(err error) {
		if err == nil {
			p.now = next
		}
		ended(err)
	})
}

// check is a setting that is on or off, in force at once.
func (p *settingsPage) check(key string, field func(*control.Settings) *bool) fyne.CanvasObject {
	a := p.app
	box := widget.NewCheck(a.t(key), nil)
	box.Checked = *field(&p.now)
	box.OnChanged = func(on bool) {
		if on == *field(&p.now) {
			return // set back
		}
		p.change(func(s *control.Settings) { *field(s) = on }, func(err error) {
			a.fail("error.settings", err)
			box.SetChecked(*field(&p.now))
		})
	}
	return box
}

func (p *settingsPage) pauses() fyne.CanvasObject {
	a := p.app
	return card(subheading(a.t("settings.manners")),
		p.check("settings.volunteer", func(s *control.Settings) *bool { return &s.Volunteer }), note(a.t("settings.volunteer.more")),
		p.check("settings.battery", func(s *control.Settings) *bool { return &s.PauseOnBattery }),
		p.check("settings.metered", func(s *control.Settings) *bool { return &s.PauseOnMetered }))
}

// sharing is whether visited sites are handed on, which tells others of them.
func (p *settingsPage) sharing() fyne.CanvasObject {
	a := p.app
	choices := []control.Share{control.ShareNever, control.ShareVisiting, control.ShareAlways}
	texts := make([]string, len(choices))
	for i, c := range choices {
		texts[i] = a.t("settings.share." + string(c))
	}
	group := widget.NewRadioGroup(texts, nil)
	group.Required = true
	selected := func() string { return a.t("settings.share." + string(p.now.Share)) }
	group.Selected = selected()
	group.OnChanged = func(text string) {
		for i, t := range texts {
			if t == text && choices[i] != p.now.Share {
				p.change(func(s *control.Settings) { s.Share = choices[i] }, func(err error) {
					a.fail("error.settings", err)
					group.SetSelected(selected())
				})
			}
		}
	}
	return card(subheading(a.t("settings.share")), note(a.t("settings.share.more")), group)
}

// data says where the node's data lies, and moves it.
func (p *settingsPage) data() fyne.CanvasObject {
	a := p.app
	path := line(a.status.Data)
	path.Selectable = true
	return card(subheading(a.t("settings.data")), path,
		note(a.t("settings.data.more", "used", a.bytes(a.status.Store.Used))), actions(
			newButton(a.t("action.folder"), theme.FolderIcon(), func() { a.showFolder(a.status.Data) }),
			newButton(a.t("settings.data.move"), theme.MailForwardIcon(), func() {
				a.pickFolder(a.t("settings.data.pick"), func(dir string) { a.nav.open(newMovePage(a, dir)) })
			})))
}

// window is what concerns the window alone.
func (p *settingsPage) window() fyne.CanvasObject {
	a := p.app
	p.auto = widget.NewCheck(a.t("settings.autostart"), nil)
	p.auto.Disable()
	run(a, func(context.Context) (bool, error) { return a.desk.Autostart() }, p.autostartIs)
	return card(subheading(a.t("settings.window")), p.auto,
		field(a.t("settings.language"), p.languages()), field(a.t("settings.theme"), p.themes()))
}

func (p *settingsPage) autostartIs(on bool, err error) {
	if err != nil {
		p.app.log.Warn("ask about the start at login", "err", err)
		return // it stays greyed out
	}
	box := p.auto
	box.SetChecked(on)
	box.Enable()
	box.OnChanged = func(on bool) {
		p.app.act(func(context.Context) error { return p.app.desk.SetAutostart(on) }, func(err error) {
			if err != nil {
				p.app.fail("error.autostart", err)
				was := box.OnChanged
				box.OnChanged = nil
				box.SetChecked(!on)
				box.OnChanged = was
			}
		})
	}
}

// languages chooses among what the window is translated to. Every language is
// named in itself.
func (p *settingsPage) languages() *widget.Select {
	codes := append([]string{""}, p.app.catalog.Languages()...)
	return p.choice(codes, "settings.language.", p.app.prefs.Language, func(prefs *Prefs, v string) { prefs.Language = v })
}

func (p *settingsPage) themes() *widget.Select {
	return p.choice([]string{"", "light", "dark"}, "settings.theme.", p.app.prefs.Theme, func(prefs *Prefs, v string) { prefs.Theme = v })
}

// choice selects one of values, whose texts are prefix+value ("system" for
// the empty one), and draws the window anew.
func (p *settingsPage) choice(values []string, prefix, now string, set func(*Prefs, string)) *widget.Select {
	a := p.app
	texts, selected := make([]string, len(values)), 0
	for i, v := range values {
		if v == now {
			selected = i
		}
		if v == "" {
			v = "system"
		}
		texts[i] = a.t(prefix + v)
	}
	s := widget.NewSelect(texts, nil)
	s.PlaceHolder = texts[selected]
	s.SetSelectedIndex(selected)
	s.OnChanged = func(string) {
		a.setPrefs(func(prefs *Prefs) { set(prefs, values[s.SelectedIndex()]) })
		a.restyle()
	}
	return s
}

// quit ends the agent, and this window with it. Where the desktop has no tray
// there is no other way to in a window.
func (a *App) quit() {
	text := a.t("settings.quit.text")
	if a.status.Host == control.HostService {
		text = a.t("settings.quit.service")
	}
	a.ask(a.t("settings.quit.title"), text, a.t("settings.quit.do"), false, func() {
		a.act(a.desk.Quit, func(err error) {
			if err != nil {
				a.fail("error.quit", err)
				return
			}
			a.fyne.Quit()
		})
	})
}

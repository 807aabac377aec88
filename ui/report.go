package ui

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// reportPage writes a report about a site. Nobody is in charge of everything,
// so it goes where the person sends it.
type reportPage struct {
	app    *App
	site   control.Visited
	res    control.Resolution
	opened time.Time
	reason *widget.RadioGroup
	detail *entry
	text   *widget.Label
}

func newReportPage(a *App, v control.Visited, res control.Resolution) *reportPage {
	return &reportPage{app: a, site: v, res: res, opened: time.Now()}
}

func (p *reportPage) content() fyne.CanvasObject {
	a := p.app
	p.reason = widget.NewRadioGroup(a.reasons(), func(string) { p.compose() })
	p.detail = a.newTextEntry(3)
	p.detail.SetPlaceHolder(a.t("report.detail.hint"))
	p.detail.OnChanged = func(string) { p.compose() }
	p.text = prose("")
	p.text.Selectable = true
	copied := primaryButton(a.t("report.copy"), theme.ContentCopyIcon(), nil)
	copied.OnTapped = func() {
		a.fyne.Clipboard().SetContent(p.text.Text)
		copied.SetText(a.t("action.copied"))
	}
	mail := newButton(a.t("report.mail"), theme.MailComposeIcon(), func() { a.openURL(p.mailto()) })
	block := newButton(a.t("visit.block"), theme.CancelIcon(), func() { a.nav.open(newBlockPage(a, p.site)) })
	p.compose()
	return pageBody(a.titled(a.t("report.title", "site", addressOf(p.site.Name).short())), prose(a.t("report.lead")),
		field(a.t("report.reason"), p.reason), field(a.t("report.detail"), p.detail),
		card(subheading(a.t("report.text")), p.text), actions(copied, mail, block), note(a.t("report.after")))
}

func (p *reportPage) enter()              {}
func (p *reportPage) leave()              {}
func (p *reportPage) apply(control.Event) {}

// reasons are what people report sites for.
func (a *App) reasons() []string {
	return []string{a.t("report.reason.crime"), a.t("report.reason.fraud"), a.t("report.reason.private"), a.t("report.reason.copy"), a.t("report.reason.other")}
}

// compose writes the report anew.
func (p *reportPage) compose() {
	a := p.app
	reason := p.reason.Selected
	if reason == "" {
		reason = a.t("report.none")
	}
	if more := strings.TrimSpace(p.detail.Text); more != "" {
		reason += "\n" + more
	}
	p.text.SetText(a.t("report.body",
		"name", addressOf(p.site.Name).host, "address", p.site.Address, "owner", p.res.Owner, "root", p.site.Root,
		"version", seq(p.res.Seq), "network", a.status.Network, "time", p.opened.UTC().Format("2006-01-02 15:04 UTC"), "reason", reason))
}

// seq writes a sequence without separators, as other programs expect it.
func seq(n uint64) string {
	if n == 0 {
		return "–"
	}
	return strconv.FormatUint(n, 10)
}

// mailto is a mail with the report, to nobody yet.
func (p *reportPage) mailto() string {
	subject := p.app.t("report.subject", "name", addressOf(p.site.Name).host)
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return "mailto:?subject=" + escape(subject) + "&body=" + escape(p.text.Text)
}

// newBlockPage asks how much of a site is to be kept out of this computer.
func newBlockPage(a *App, v control.Visited) page {
	d := addressOf(v.Name)
	p := newFormPage(a, a.t("block.title", "site", d.short()), a.t("block.lead"), a.t("block.do"))
	p.submit.Importance = widget.DangerImportance
	options, targets := blockChoices(a, v)
	which := widget.NewRadioGroup(options, nil)
	which.Required = true
	which.Selected = options[0]
	p.fields = []fyne.CanvasObject{field(a.t("block.which"), which), note(a.t("block.note"))}
	p.begin = func() func(context.Context) error {
		target := targets[which.Selected]
		return func(ctx context.Context) error { return a.ctl.SetBlocked(ctx, target, true) }
	}
	p.done = func() []fyne.CanvasObject {
		return []fyne.CanvasObject{good(a.t("block.done", "site", d.short()), a.t("block.done.more")), p.closing()}
	}
	return p
}

// blockChoices are the ways to name a site, with what each means.
func blockChoices(a *App, v control.Visited) (options []string, targets map[string]string) {
	targets = map[string]string{}
	add := func(key, target string) {
		if target != "" {
			options = append(options, a.t(key))
			targets[a.t(key)] = target
		}
	}
	add("block.name", addressOf(v.Name).host)
	if v.Address != "" && addressOf(v.Address) != addressOf(v.Name) {
		add("block.owner", v.Address)
	}
	add("block.content", v.Root)
	return options, targets
}

// blockedPage lists what is kept out of this computer.
type blockedPage struct {
	app  *App
	list *fyne.Container
	add  *entry
}

func newBlockedPage(a *App) *blockedPage { return &blockedPage{app: a} }

func (p *blockedPage) content() fyne.CanvasObject {
	a := p.app
	p.list, p.add = container.NewVBox(), a.newEntry()
	p.add.label = a.t("blocked.add")
	p.add.SetPlaceHolder(a.t("blocked.placeholder"))
	p.add.OnSubmitted = func(string) { p.block() }
	button := newButton(a.t("block.do"), theme.CancelIcon(), p.block)
	return pageBody(a.titled(a.t("browse.blocked")), note(a.t("blocked.lead")), p.list, field(a.t("blocked.add"), row(p.add, button)))
}

func (p *blockedPage) enter()              { p.load() }
func (p *blockedPage) leave()              {}
func (p *blockedPage) apply(control.Event) {}

func (p *blockedPage) load() { run(p.app, p.app.ctl.Blocked, p.show) }

func (p *blockedPage) show(blocked []control.Blocked, err error) {
	a := p.app
	p.list.RemoveAll()
	switch {
	case err != nil:
		p.list.Add(a.problem(err))
	case len(blocked) == 0:
		p.list.Add(plain(a.t("blocked.none"), ""))
	}
	for _, b := range blocked {
		p.list.Add(p.row(b))
	}
}

func (p *blockedPage) row(b control.Blocked) fyne.CanvasObject {
	a := p.app
	name := b.Name
	if name == "" {
		name = b.Target
	}
	sub := line(b.Target + " · " + a.t("blocked.since", "date", a.date(b.Since)))
	sub.Importance = widget.LowImportance
	free := newButton(a.t("blocked.free"), nil, func() { p.set(b.Target, false) })
	free.label = a.t("blocked.free.name", "site", name)
	return card(row(container.New(tightLayout{}, strong(name), sub), container.NewCenter(free)))
}

func (p *blockedPage) block() {
	target := strings.ToLower(strings.TrimSpace(p.add.Text))
	if target == "" {
		return
	}
	if !isRoot(target) {
		host, _, err := publisher.Host(target)
		if err != nil {
			p.app.fail("error.block", err)
			return
		}
		target = host
	}
	p.set(target, true)
}

// isRoot reports whether a target is a content root in hex.
func isRoot(s string) bool {
	const digits = 64
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

func (p *blockedPage) set(target string, blocked bool) {
	a := p.app
	a.act(func(ctx context.Context) error { return a.ctl.SetBlocked(ctx, target, blocked) }, func(err error) {
		if err == nil && blocked {
			p.add.SetText("")
		}
		a.fail("error.block", err)
		p.load()
	})
}

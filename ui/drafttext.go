package ui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"altnet/engine/publisher"
)

// drawVerdict says whether the name can be had.
func (v *draftView) drawVerdict() {
	a := v.app
	if v.nameless {
		v.entry.Disable()
		v.verdict.Objects = []fyne.CanvasObject{note(a.t("publish.nameless.note"))}
		v.verdict.Refresh()
		return
	}
	v.entry.Enable()
	v.verdict.Objects = []fyne.CanvasObject{v.verdictLine()}
	if s := v.standing; !v.asking && s.Unicode != "" {
		v.verdict.Add(note(a.t("address.punycode", "host", s.Host)))
	} else if !v.asking && s.Warning != "" {
		v.verdict.Add(iconText(theme.NewWarningThemedResource(theme.WarningIcon()), a.t("verdict.lookalike", "host", s.Host)))
	}
	v.verdict.Refresh()
}

func (v *draftView) verdictLine() fyne.CanvasObject {
	a, s := v.app, v.standing
	yes := theme.NewSuccessThemedResource(theme.ConfirmIcon())
	no := theme.NewErrorThemedResource(theme.ErrorIcon())
	shown := address{host: s.Host, unicode: s.Unicode}.shown()
	switch {
	case v.asking:
		return iconText(theme.SearchIcon(), a.t("verdict.asking"))
	case v.page.named(v):
		return iconText(no, a.t("verdict.twice"))
	}
	switch s.Verdict {
	case publisher.Free:
		return iconText(yes, a.t("verdict.free", "name", shown))
	case publisher.Yours:
		return iconText(theme.InfoIcon(), a.t("verdict.yours", "name", shown))
	case publisher.Taken:
		return iconText(no, a.t("verdict.taken", "name", shown))
	case publisher.Invalid:
		return iconText(no, a.t("verdict."+string(s.Reason)))
	}
	return iconText(theme.NewWarningThemedResource(theme.WarningIcon()), a.t("verdict.unsure"))
}

// failure is what went wrong, and the ways on that there are.
func (v *draftView) failure() fyne.CanvasObject {
	a := v.app
	buttons := []fyne.CanvasObject{newButton(a.t("action.retry"), theme.ViewRefreshIcon(), v.rescan)}
	if path := v.unreadable(); path != "" {
		buttons = append([]fyne.CanvasObject{
			primaryButton(a.t("publish.leaveout", "path", path), nil, func() { v.leaveOut(path) }),
		}, buttons...)
	}
	return a.problem(v.err, buttons...)
}

// drawRunning shows how far it is.
func (v *draftView) drawRunning() {
	a := v.app
	cancel := newButton(a.t("action.cancel"), theme.CancelIcon(), v.cancel)
	if len(v.body.Objects) != 3 || v.body.Objects[1] != fyne.CanvasObject(v.running) {
		v.body.Objects = []fyne.CanvasObject{v.head(), v.running, actions(cancel)}
	}
	m := v.meter.now()
	if m.total == 0 {
		m.total = v.look.Size // nothing was read yet
	}
	v.endless.Hide()
	v.bar.Show()
	switch {
	case v.stage == confirming && m.copying > 0:
		v.bar.SetValue(min(1, float64(m.copied)/float64(m.copying)))
		v.pace.SetText(a.t("publish.copying", "done", a.bytes(m.copied), "total", a.bytes(m.copying)))
	case v.stage == confirming:
		v.bar.Hide()
		v.endless.Show()
		v.pace.SetText(a.t("publish.confirming"))
	case v.stage == claiming:
		v.bar.SetValue(min(1, float64(m.tries)/float64(max(1, m.about))))
		v.pace.SetText(a.t("publish.claiming"))
	default:
		v.bar.SetValue(min(1, float64(m.done)/float64(max(1, m.total))))
		v.pace.SetText(a.paceLine(m, v.meter.spent()))
	}
}

// result is what came of it: published only once another peer confirmed it.
func (v *draftView) result() []fyne.CanvasObject {
	a, r := v.app, v.receipt
	d := addressOf(siteOf(r, v.site))
	var head fyne.CanvasObject
	if r.Copies > 0 {
		head = good(a.t("result.published"), a.copiesLine(r.Copies, r.Sleeps))
	} else {
		head = warn(a.t("result.waiting"), a.t("result.waiting.do"))
	}
	out := append([]fyne.CanvasObject{v.head(), head}, a.addressLines(d, v.base())...)
	open := primaryButton(a.t("action.open"), openIcon(), func() { a.open(d) })
	out = append(out, actions(open, a.copyButton(a.t("action.copy"), d.url()),
		newButton(a.t("result.details"), theme.NavigateNextIcon(), func() { a.nav.replace(newSitePage(a, siteOf(r, v.site))) })))
	if door := a.door(d); door != "" && !a.prefs.Browsing {
		out = append(out, note(a.t("result.door", "door", door)))
	}
	return append(out, a.watchCheck(v.dir))
}

// copiesLine is the live receipt.
func (a *App) copiesLine(copies int, sleeps bool) string {
	text := a.tn("result.confirmed", copies, "copies", a.number(int64(copies+1)))
	if sleeps {
		text += " " + a.t("result.sleeps")
	}
	return text
}

// paceLine says how much is done, how fast, and how long it still takes.
func (a *App) paceLine(m measured, spent time.Duration) string {
	parts := []string{a.t("publish.reading", "done", a.bytes(m.done), "total", a.bytes(m.total))}
	if speed, left := m.pace(spent); speed > 0 {
		parts = append(parts, a.speed(speed), a.t("publish.left", "d", a.duration(left)))
	}
	return strings.Join(parts, " · ")
}

// changesLine counts what an update changes.
func (a *App) changesLine(c publisher.Changes) string {
	var parts []string
	for _, kind := range []struct {
		key string
		t   publisher.Tally
	}{{"changes.added", c.Added}, {"changes.changed", c.Changed}, {"changes.removed", c.Removed}} {
		if kind.t.Files > 0 {
			parts = append(parts, a.tn(kind.key, kind.t.Files, "size", a.bytes(kind.t.Size)))
		}
	}
	return strings.Join(parts, ", ")
}

// changedPaths lists them.
func (a *App) changedPaths(c publisher.Changes) []fyne.CanvasObject {
	const most = 100
	var rows []fyne.CanvasObject
	for i, p := range c.Paths {
		if i == most {
			all := c.Added.Files + c.Changed.Files + c.Removed.Files
			rows = append(rows, note(a.tn("publish.more", all-most)))
			break
		}
		rows = append(rows, noteLine(a.t("change."+string(p.Kind), "path", p.Path)))
	}
	return rows
}

// someNames names the first few things that are left out.
func (a *App) someNames(skipped []publisher.Skip) string {
	const most = 3
	var names []string
	for i, s := range skipped {
		if i == most {
			names = append(names, "…")
			break
		}
		names = append(names, s.Path)
	}
	return strings.Join(names, ", ")
}

// skipReason says in the person's language why something is left out; the
// publisher knows it in English.
func (a *App) skipReason(reason string) string {
	for _, r := range []struct{ english, key string }{
		{"hidden", "skip.hidden"}, {"excluded", "skip.excluded"}, {"looks like a private key", "skip.key"},
		{"looks like a password store", "skip.passwords"}, {"packages a build needs", "skip.packages"},
		{"compiled Python", "skip.compiled"}, {"the recycle bin", "skip.bin"}, {"an editor's", "skip.editor"},
		{"Windows keeps", "skip.system"}, {"macOS keeps", "skip.system"}, {"a log", "skip.log"},
		{"cannot be read", "skip.unreadable"}, {"a link to", "skip.link"}, {"neither a file", "skip.special"},
	} {
		if strings.HasPrefix(reason, r.english) {
			return a.t(r.key)
		}
	}
	return a.t("skip.other")
}

// problemReason says in the person's language what is wrong with a name; the
// publisher knows it in English.
func (a *App) problemReason(reason string) string {
	for _, r := range []struct{ english, key string }{
		{"longer than", "name.long"}, {"path longer", "name.long"}, {"more than", "name.deep"}, {"not UTF-8", "name.encoding"},
		{"has a control character", "name.control"}, {"has one of", "name.signs"}, {"ends in a dot", "name.end"},
		{"is a device", "name.device"}, {"is the same name", "name.same"},
	} {
		if strings.HasPrefix(reason, r.english) {
			return a.t(r.key)
		}
	}
	return reason
}

// unliteral takes back what literal did.
func unliteral(pattern string) string {
	return strings.NewReplacer(`\\`, `\`, `\*`, `*`, `\?`, `?`, `\[`, `[`).Replace(pattern)
}

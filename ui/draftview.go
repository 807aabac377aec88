package ui

import (
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/publisher"
)

// draftView draws a draft as a card. The field for the name is kept while the
// rest is drawn anew, so that typing is never disturbed.
type draftView struct {
	*draft
	page    *publishPage
	root    *fyne.Container
	body    *fyne.Container
	entry   *entry
	verdict *fyne.Container
	naming  *fyne.Container
	rest    *fyne.Container
	bar     *widget.ProgressBar
	endless *widget.ProgressBarInfinite
	pace    *widget.Label
	running *fyne.Container
	leftOut *disclosure
	diff    *disclosure
}

func newDraftView(p *publishPage, dir string, site *publisher.Site) *draftView {
	v := &draftView{page: p}
	v.draft = newDraft(p.app, dir, site, func() { v.update() })
	return v
}

func (v *draftView) view() fyne.CanvasObject {
	a := v.app
	v.entry = a.newEntry()
	v.entry.label = a.t("publish.name")
	v.entry.SetPlaceHolder(a.t("publish.name.hint"))
	v.entry.SetText(v.name)
	v.entry.OnChanged = v.rename
	v.entry.OnSubmitted = func(string) {
		if v.can() && len(v.page.drafts) == 1 {
			v.page.start()
		}
	}
	v.verdict, v.rest = container.NewVBox(), container.NewVBox()
	v.naming = v.nameForm()
	v.bar, v.endless, v.pace = widget.NewProgressBar(), widget.NewProgressBarInfinite(), note("")
	v.bar.TextFormatter = func() string { return "" } // the line below says it in words
	v.running = container.NewVBox(v.bar, v.endless, v.pace)
	v.leftOut = newDisclosure(a)
	v.diff = newDisclosure(a)
	v.body = container.NewVBox()
	v.root = container.NewStack(newSurface(colorCard, colorOutline, cardRadius), inset(14, v.body))
	v.update()
	return v.root
}

// nameForm is the field for the name and what is known of it.
func (v *draftView) nameForm() *fyne.Container {
	a := v.app
	end := widget.NewLabel(suffix)
	end.TextStyle.Bold = true
	nameless := widget.NewCheck(a.t("publish.nameless"), nil)
	nameless.SetChecked(v.nameless)
	nameless.OnChanged = v.setNameless
	label := widget.NewLabel(a.t("publish.name"))
	label.TextStyle.Bold = true
	return container.NewVBox(label, container.NewBorder(nil, nil, nil, end, v.entry), v.verdict, nameless)
}

// head is the folder, and the way to take it out again.
func (v *draftView) head() fyne.CanvasObject {
	title := strong(v.base())
	path := noteLine(v.dir)
	text := container.New(tightLayout{}, title, path)
	icon := container.NewHBox(spacerWide(textEdge-5), widget.NewIcon(theme.FolderIcon()))
	if len(v.page.drafts) < 2 || v.stage == ended || v.stage >= queued && v.stage != failed {
		return container.NewBorder(nil, nil, icon, nil, text)
	}
	out := iconButton(v.app.t("publish.remove", "folder", v.base()), theme.CancelIcon(), func() { v.page.remove(v) })
	return container.NewBorder(nil, nil, icon, container.NewCenter(out), text)
}

// update draws the card as the draft stands.
func (v *draftView) update() {
	if v.body == nil {
		return
	}
	switch {
	case v.stage == ended:
		v.body.Objects = v.result()
	case v.stage == queued:
		v.body.Objects = []fyne.CanvasObject{v.head(), note(v.app.t("publish.queued"))}
	case v.stage >= reading && v.stage <= confirming:
		v.drawRunning()
	default:
		v.drawReady()
	}
	v.body.Refresh()
	v.page.update()
}

// drawReady shows what would be published, and what stands in the way.
func (v *draftView) drawReady() {
	objects := []fyne.CanvasObject{v.head()}
	if v.site == nil {
		v.drawVerdict()
		objects = append(objects, v.naming)
	} else {
		objects = append(objects, prose(v.app.t("publish.updates", "name", addressOf(v.site.Bare()).short())))
	}
	v.rest.Objects = v.facts()
	v.body.Objects = append(objects, v.rest)
}

// facts are what the look at the folder found.
func (v *draftView) facts() []fyne.CanvasObject {
	a := v.app
	switch {
	case v.stage == looking:
		return []fyne.CanvasObject{note(a.t("publish.looking"))}
	case v.stage == failed:
		return []fyne.CanvasObject{v.failure()}
	}
	out := []fyne.CanvasObject{}
	if len(v.look.Problems) > 0 {
		out = append(out, v.problems())
	}
	if v.look.Files == 0 {
		again := newButton(a.t("action.retry"), theme.ViewRefreshIcon(), v.rescan)
		return append(append(out, warn(a.t("cause.empty"), a.t("cause.empty.do"), again)), v.drawLeftOut()...)
	}
	out = append(out, note(a.t("publish.size", "files", a.tn("count.files", v.look.Files), "size", a.bytes(v.look.Size))))
	if holdsHome(v.dir) {
		out = append(out, warn(a.t("publish.home"), a.t("publish.home.do")))
	}
	if !v.look.Index {
		out = append(out, iconText(theme.NewWarningThemedResource(theme.WarningIcon()), a.t("publish.noindex")))
	}
	out = append(out, v.drawChanges()...)
	return append(out, v.drawLeftOut()...)
}

// problems lists what keeps the folder from being published.
func (v *draftView) problems() fyne.CanvasObject {
	a := v.app
	const most = 5
	var lines []string
	for i, p := range v.look.Problems {
		if i == most {
			lines = append(lines, a.tn("publish.more", len(v.look.Problems)-most))
			break
		}
		lines = append(lines, a.t("publish.problem", "path", p.Path, "why", a.problemReason(p.Reason)))
	}
	return warn(a.tn("publish.problems", len(v.look.Problems)), strings.Join(lines, "\n"),
		newButton(a.tn("publish.drop", len(v.look.Problems)), nil, v.dropProblems))
}

// drawLeftOut shows what is left out, and lets the person publish it anyway.
func (v *draftView) drawLeftOut() []fyne.CanvasObject {
	a := v.app
	if len(v.look.Skipped) == 0 && len(v.scan.Include) == 0 {
		return nil
	}
	const most = 60
	var rows []fyne.CanvasObject
	for i, s := range v.look.Skipped {
		if i == most {
			rows = append(rows, note(a.tn("publish.more", len(v.look.Skipped)-most)))
			break
		}
		text := a.t("publish.skip", "path", s.Path, "why", a.skipReason(s.Reason))
		if !s.Default {
			rows = append(rows, container.NewBorder(nil, nil, spacerWide(28), nil, noteLine(text)))
			continue
		}
		check := widget.NewCheck(text, func(bool) { v.include(s.Path, true) })
		rows = append(rows, check)
	}
	for _, p := range v.scan.Include {
		check := widget.NewCheck(a.t("publish.included", "path", unliteral(p)), nil)
		check.SetChecked(true)
		check.OnChanged = func(bool) { v.include(unliteral(p), false) }
		rows = append(rows, check)
	}
	head := a.tn("publish.leftout", len(v.look.Skipped), "names", a.someNames(v.look.Skipped))
	v.leftOut.set(head, a.t("publish.leftout.note"), rows)
	return []fyne.CanvasObject{v.leftOut.root}
}

// drawChanges shows what an update changes.
func (v *draftView) drawChanges() []fyne.CanvasObject {
	a := v.app
	s := v.updates()
	switch {
	case s == nil:
		return nil
	case v.compErr != nil:
		return []fyne.CanvasObject{note(a.t("publish.nocompare"))}
	case !v.compared:
		m := measured{}
		if v.comparing != nil {
			m = v.comparing.now()
		}
		return []fyne.CanvasObject{note(a.t("publish.comparing", "done", a.bytes(m.done)))}
	case v.unchanged():
		return []fyne.CanvasObject{iconText(theme.InfoIcon(), a.t("publish.nochange"))}
	case v.changes.None():
		return nil // withdrawn, and comes back as it was
	}
	v.diff.set(a.changesLine(v.changes), "", a.changedPaths(v.changes))
	return []fyne.CanvasObject{v.diff.root}
}

// holdsHome reports whether all that a person has would be published with dir.
func holdsHome(dir string) bool {
	home, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, home)
	return err == nil && filepath.IsLocal(rel)
}

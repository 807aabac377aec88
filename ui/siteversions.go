package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// showVersions lists what was published, newest first.
func (p *sitePage) showVersions(versions []control.Version) {
	a := p.app
	rows := []fyne.CanvasObject{subheading(a.t("versions.title")), note(a.t("versions.note"))}
	for i, v := range versions {
		if i > 0 {
			rows = append(rows, widget.NewSeparator())
		}
		rows = append(rows, p.versionRow(v))
	}
	p.versions.Objects = []fyne.CanvasObject{card(rows...)}
	p.versions.Refresh()
}

func (p *sitePage) versionRow(v control.Version) fyne.CanvasObject {
	a := p.app
	when := strong(a.moment(v.Time))
	about := a.bytes(v.Size)
	if v.Note != "" {
		about += " · " + v.Note
	}
	if v.Current {
		about = a.t("versions.current") + " · " + about
	}
	text := container.New(tightLayout{}, when, noteLine(about))
	preview := newButton(a.t("versions.preview"), theme.VisibilityIcon(), func() { p.preview(v.Seq) })
	preview.label = a.t("versions.preview.of", "when", a.moment(v.Time))
	if v.Current || p.site == nil {
		return row(text, container.NewCenter(preview))
	}
	back := newButton(a.t("versions.back"), theme.HistoryIcon(), func() {
		a.ask(a.t("versions.back.title"), a.t("versions.back.text", "when", a.moment(v.Time)), a.t("versions.back.yes"), false,
			func() { p.rollback(v.Seq) })
	})
	back.label = a.t("versions.back.of", "when", a.moment(v.Time))
	drop := iconButton(a.t("versions.drop.of", "when", a.moment(v.Time)), theme.DeleteIcon(), func() {
		a.ask(a.t("versions.drop.title"), a.t("versions.drop.text", "when", a.moment(v.Time)), a.t("versions.drop.yes"), true,
			func() { p.drop(v.Seq) })
	})
	return row(text, container.NewCenter(preview), container.NewCenter(back), container.NewCenter(drop))
}

// preview opens a version for the author alone.
func (p *sitePage) preview(seq uint64) {
	a, name := p.app, p.name
	run(a, func(ctx context.Context) (string, error) { return a.ctl.Preview(ctx, name, seq) },
		func(url string, err error) {
			if err != nil {
				a.fail("error.preview", err)
				return
			}
			a.openURL(url)
		})
}

// rollback serves a version again.
func (p *sitePage) rollback(seq uint64) {
	a, name := p.app, p.name
	run(a, func(ctx context.Context) (control.Receipt, error) {
		return a.author.Rollback(ctx, name, seq, publisher.Options{})
	}, func(_ control.Receipt, err error) {
		a.fail("error.rollback", err)
		p.load()
	})
}

// drop forgets a version.
func (p *sitePage) drop(seq uint64) {
	a, name := p.app, p.name
	a.act(func(ctx context.Context) error { return a.ctl.DropVersion(ctx, name, seq) }, func(err error) {
		a.fail("error.drop", err)
		p.load()
	})
}

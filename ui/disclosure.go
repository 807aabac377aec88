package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// disclosure is a line that unfolds what is behind it. It stays as it is, open
// or not, when its content changes.
type disclosure struct {
	app  *App
	head *button
	note *widget.Label
	body *fyne.Container
	root *fyne.Container
}

func newDisclosure(a *App) *disclosure {
	d := &disclosure{app: a, note: note(""), body: container.NewVBox()}
	d.head = quietButton("", theme.MenuExpandIcon(), d.toggle)
	d.head.Alignment = widget.ButtonAlignLeading
	d.body.Hide()
	d.root = container.NewVBox(d.head, d.body)
	return d
}

// set changes the line and what is behind it.
func (d *disclosure) set(head, text string, rows []fyne.CanvasObject) {
	d.head.SetText(head)
	d.note.SetText(text)
	d.body.Objects = rows
	if text != "" {
		d.body.Objects = append([]fyne.CanvasObject{d.note}, rows...)
	}
	d.body.Refresh()
}

func (d *disclosure) toggle() {
	if d.body.Visible() {
		d.body.Hide()
		d.head.SetIcon(theme.MenuExpandIcon())
	} else {
		d.body.Show()
		d.head.SetIcon(theme.MenuDropDownIcon())
	}
	d.root.Refresh()
	d.app.fit()
}

// sign is an icon that stands beside the first line of a text, where texts
// begin.
func sign(icon fyne.Resource) fyne.CanvasObject {
	return container.NewHBox(spacerWide(textEdge-5), container.NewVBox(spacer(3), widget.NewIcon(icon)))
}

// iconText is a sign and a text beside it.
func iconText(icon fyne.Resource, text string) fyne.CanvasObject {
	return container.NewBorder(nil, nil, sign(icon), nil, prose(text))
}

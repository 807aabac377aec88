package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// heading is a page's title.
func heading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.SizeName = theme.SizeNameHeadingText
	l.Wrapping = fyne.TextWrapWord
	return l
}

// subheading is the title of a part of a page.
func subheading(text string) *widget.Label {
	l := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	l.SizeName = theme.SizeNameSubHeadingText
	l.Wrapping = fyne.TextWrapWord
	return l
}

// prose is running text.
func prose(text string) *widget.Label {
	l := widget.NewLabel(text)
	l.Wrapping = fyne.TextWrapWord
	return l
}

// note is secondary text.
func note(text string) *widget.Label {
	l := prose(text)
	l.Importance = widget.LowImportance
	return l
}

// line is text on one line, cut with an ellipsis where there is no room: for
// names and paths, which are whole in a tooltip or on the next page.
func line(text string) *widget.Label {
	l := widget.NewLabel(text)
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}

// strong is line in bold.
func strong(text string) *widget.Label {
	l := line(text)
	l.TextStyle.Bold = true
	return l
}

// row puts things side by side; the first takes what room there is.
func row(first fyne.CanvasObject, rest ...fyne.CanvasObject) fyne.CanvasObject {
	return container.NewBorder(nil, nil, nil, container.NewHBox(rest...), first)
}

// actions are buttons in a line that wraps where it must.
func actions(buttons ...fyne.CanvasObject) fyne.CanvasObject {
	return container.New(&flowLayout{gap: theme.Padding() + 2}, buttons...)
}

// flowLayout lays out from left to right and goes on below where the width
// ends, so that no button is cut at a large scale or in a long language.
type flowLayout struct {
	gap   float32
	width float32 // given last: what MinSize counts the lines by
}

// Layout implements fyne.Layout.
func (l *flowLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	l.width = size.Width
	l.flow(objects, size.Width, func(o fyne.CanvasObject, at fyne.Position, room fyne.Size) {
		o.Move(at)
		o.Resize(room)
	})
}

// MinSize implements fyne.Layout.
func (l *flowLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var widest float32
	for _, o := range objects {
		if o.Visible() {
			widest = max(widest, o.MinSize().Width)
		}
	}
	width := l.width
	if width == 0 {
		width = 600 // before the first layout
	}
	return fyne.NewSize(widest, l.flow(objects, max(width, widest), func(fyne.CanvasObject, fyne.Position, fyne.Size) {}))
}

// flow places the objects and returns the height they take.
func (l *flowLayout) flow(objects []fyne.CanvasObject, width float32, place func(fyne.CanvasObject, fyne.Position, fyne.Size)) float32 {
	var x, y, high float32
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		size := o.MinSize()
		if x > 0 && x+size.Width > width {
			x, y, high = 0, y+high+l.gap, 0
		}
		place(o, fyne.NewPos(x, y), size)
		x += size.Width + l.gap
		high = max(high, size.Height)
	}
	return y + high
}

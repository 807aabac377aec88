package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// wrapAnywhere keeps long addresses whole: they have no spaces to break at.
const wrapAnywhere = fyne.TextWrapBreak

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
	flow := container.New(&flowLayout{gap: theme.Padding() + 2}, buttons...)
	return container.New(&insetLayout{x: textEdge, y: 3}, flow)
}

// textEdge is how far the text of a label stands from its edge: what is not
// text begins there too.
const textEdge = 9

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

// strongProse is running text in bold.
func strongProse(text string) *widget.Label {
	l := prose(text)
	l.TextStyle.Bold = true
	return l
}

// noteLine is secondary text on one line.
func noteLine(text string) *widget.Label {
	l := line(text)
	l.Importance = widget.LowImportance
	return l
}

// tightLayout stacks labels that belong together: without it every label keeps
// the room of a paragraph around itself.
type tightLayout struct{}

// overlap is how much of the room between two labels goes away.
const overlap = 15

// MinSize implements fyne.Layout.
func (tightLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	size := fyne.Size{}
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		least := o.MinSize()
		if size.Height > 0 {
			size.Height -= overlap
		}
		size = fyne.NewSize(max(size.Width, least.Width), size.Height+least.Height)
	}
	return size
}

// Layout implements fyne.Layout.
func (l tightLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := max(0, (size.Height-l.MinSize(objects).Height)/2)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		high := o.MinSize().Height
		o.Move(fyne.NewPos(0, y))
		o.Resize(fyne.NewSize(size.Width, high))
		y += high - overlap
	}
}

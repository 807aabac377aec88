package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// share is one part of a storageBar.
type share struct {
	name   string
	bytes  int64
	colour fyne.ThemeColorName
}

// storageBar shows how a budget is used, part by part. The same is said in
// words beside it: colour alone tells nobody anything.
type storageBar struct {
	widget.BaseWidget
	shares []share
	budget int64  // bytes
	label  string // for assistive technology
}

var _ fyne.Accessible = (*storageBar)(nil)

func newStorageBar() *storageBar {
	b := &storageBar{}
	b.ExtendBaseWidget(b)
	return b
}

func (b *storageBar) set(shares []share, budget int64, label string) {
	b.shares, b.budget, b.label = shares, budget, label
	b.Refresh()
}

// AccessibilityLabel implements fyne.Accessible.
func (b *storageBar) AccessibilityLabel() string { return b.label }

// AccessibilityRole implements fyne.Accessible.
func (b *storageBar) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// CreateRenderer implements fyne.Widget.
func (b *storageBar) CreateRenderer() fyne.WidgetRenderer {
	r := &storageBarRenderer{bar: b, track: canvas.NewRectangle(nil)}
	r.Refresh()
	return r
}

type storageBarRenderer struct {
	bar   *storageBar
	track *canvas.Rectangle
	parts []*canvas.Rectangle
}

const storageBarHeight = 18

func (r *storageBarRenderer) Destroy()           {}
func (r *storageBarRenderer) MinSize() fyne.Size { return fyne.NewSize(80, storageBarHeight) }

func (r *storageBarRenderer) Objects() []fyne.CanvasObject {
	out := []fyne.CanvasObject{r.track}
	for _, p := range r.parts {
		out = append(out, p)
	}
	return out
}

// Layout gives every part its width; what is there at all stays visible.
func (r *storageBarRenderer) Layout(size fyne.Size) {
	r.track.Resize(size)
	const least = 3
	whole := r.bar.budget
	for _, s := range r.bar.shares {
		whole = max(whole, s.bytes)
	}
	var x float32
	for i, s := range r.bar.shares {
		var width float32
		if s.bytes > 0 && whole > 0 {
			width = max(least, size.Width*float32(s.bytes)/float32(whole))
		}
		width = min(width, max(0, size.Width-x))
		r.parts[i].Move(fyne.NewPos(x, 0))
		r.parts[i].Resize(fyne.NewSize(width, size.Height))
		x += width
	}
}

func (r *storageBarRenderer) Refresh() {
	for len(r.parts) < len(r.bar.shares) {
		r.parts = append(r.parts, canvas.NewRectangle(nil))
	}
	r.parts = r.parts[:len(r.bar.shares)]
	r.track.FillColor, r.track.CornerRadius = theme.Color(theme.ColorNameButton), 4
	for i, s := range r.bar.shares {
		r.parts[i].FillColor = theme.Color(s.colour)
	}
	r.Layout(r.bar.Size())
	canvas.Refresh(r.bar)
}

// newSwatch is the spot of colour in front of a part's name.
func newSwatch(colour fyne.ThemeColorName) fyne.CanvasObject {
	return newSurface(colour, colorOutline, 3)
}

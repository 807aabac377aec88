package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// toggle is a switch that is on or off.
type toggle struct {
	widget.DisableableWidget
	on      bool
	label   string // for assistive technology: what it switches
	state   func(on bool) string
	changed func(on bool)
	focused bool
}

var (
	_ fyne.Accessible  = (*toggle)(nil)
	_ fyne.Focusable   = (*toggle)(nil)
	_ fyne.Tappable    = (*toggle)(nil)
	_ fyne.Disableable = (*toggle)(nil)
)

// newToggle makes a switch; state says in words how it stands.
func newToggle(label string, state func(on bool) string, changed func(on bool)) *toggle {
	t := &toggle{label: label, state: state, changed: changed}
	t.ExtendBaseWidget(t)
	return t
}

// set shows a state without telling changed.
func (t *toggle) set(on bool) {
	t.on = on
	t.Refresh()
}

// AccessibilityLabel implements fyne.Accessible.
func (t *toggle) AccessibilityLabel() string { return t.label + ": " + t.state(t.on) }

// AccessibilityRole implements fyne.Accessible.
func (t *toggle) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// Tapped implements fyne.Tappable.
func (t *toggle) Tapped(*fyne.PointEvent) {
	if t.Disabled() {
		return
	}
	t.set(!t.on)
	t.changed(t.on)
}

// FocusGained implements fyne.Focusable.
func (t *toggle) FocusGained() { t.focused = true; t.Refresh() }

// FocusLost implements fyne.Focusable.
func (t *toggle) FocusLost() { t.focused = false; t.Refresh() }

// TypedRune implements fyne.Focusable.
func (t *toggle) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (t *toggle) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		t.Tapped(nil)
	case fyne.KeyEscape:
		escape(t, e)
	}
}

// Cursor implements desktop.Cursorable.
func (t *toggle) Cursor() desktop.Cursor { return desktop.PointerCursor }

// CreateRenderer implements fyne.Widget.
func (t *toggle) CreateRenderer() fyne.WidgetRenderer {
	r := &toggleRenderer{t: t, track: canvas.NewRectangle(nil), knob: canvas.NewCircle(nil), ring: newRing(15)}
	r.Refresh()
	return r
}

type toggleRenderer struct {
	t     *toggle
	track *canvas.Rectangle
	knob  *canvas.Circle
	ring  *canvas.Rectangle
}

// The switch's measures.
const (
	toggleWidth  = 46
	toggleHeight = 26
	toggleEdge   = 4 // room for the ring
)

func (r *toggleRenderer) Destroy() {}

func (r *toggleRenderer) MinSize() fyne.Size {
	return fyne.NewSize(toggleWidth+2*toggleEdge, toggleHeight+2*toggleEdge)
}

func (r *toggleRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.track, r.knob, r.ring}
}

func (r *toggleRenderer) Layout(size fyne.Size) {
	const gap = 3
	top := (size.Height - toggleHeight) / 2
	r.track.Move(fyne.NewPos(toggleEdge, top))
	r.track.Resize(fyne.NewSize(toggleWidth, toggleHeight))
	r.ring.Move(fyne.NewPos(toggleEdge-3, top-3))
	r.ring.Resize(fyne.NewSize(toggleWidth+6, toggleHeight+6))
	x := float32(toggleEdge + gap)
	if r.t.on {
		x = toggleEdge + toggleWidth - toggleHeight + gap
	}
	r.knob.Move(fyne.NewPos(x, top+gap))
	r.knob.Resize(fyne.NewSquareSize(toggleHeight - 2*gap))
}

func (r *toggleRenderer) Refresh() {
	r.track.CornerRadius, r.track.StrokeWidth = toggleHeight/2, 2
	r.track.FillColor, r.track.StrokeColor = theme.Color(theme.ColorNameButton), theme.Color(theme.ColorNameInputBorder)
	r.knob.FillColor = theme.Color(theme.ColorNameInputBorder)
	if r.t.on {
		r.track.FillColor, r.track.StrokeColor = theme.Color(theme.ColorNamePrimary), theme.Color(theme.ColorNamePrimary)
		r.knob.FillColor = theme.Color(theme.ColorNameForegroundOnPrimary)
	}
	setRing(r.ring, r.t.focused)
	r.Layout(r.t.Size())
	r.track.Refresh()
	r.knob.Refresh()
}

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// button is Fyne's, with a ring around it while it has the focus: Fyne only
// tints the background, which on a primary button nobody sees.
type button struct {
	widget.Button
	ring  *canvas.Rectangle
	label string // for assistive technology, where the text does not say enough
}

func newButton(text string, icon fyne.Resource, tapped func()) *button {
	b := &button{Button: widget.Button{Text: text, Icon: icon, OnTapped: tapped}}
	b.ExtendBaseWidget(b)
	return b
}

// primaryButton is the one thing to do on a page.
func primaryButton(text string, icon fyne.Resource, tapped func()) *button {
	b := newButton(text, icon, tapped)
	b.Importance = widget.HighImportance
	return b
}

// quietButton stands without a background until it is pointed at.
func quietButton(text string, icon fyne.Resource, tapped func()) *button {
	b := newButton(text, icon, tapped)
	b.Importance = widget.LowImportance
	return b
}

// dangerButton is for what cannot be undone.
func dangerButton(text string, icon fyne.Resource, tapped func()) *button {
	b := newButton(text, icon, tapped)
	b.Importance = widget.DangerImportance
	return b
}

// iconButton has a symbol alone, and label for those who do not see it.
func iconButton(label string, icon fyne.Resource, tapped func()) *button {
	b := quietButton("", icon, tapped)
	b.label = label
	return b
}

// AccessibilityLabel implements fyne.Accessible.
func (b *button) AccessibilityLabel() string {
	if b.label != "" {
		return b.label
	}
	return b.Text
}

// FocusGained implements fyne.Focusable.
func (b *button) FocusGained() {
	b.Button.FocusGained()
	b.showRing(true)
}

// FocusLost implements fyne.Focusable.
func (b *button) FocusLost() {
	b.Button.FocusLost()
	b.showRing(false)
}

// TypedKey implements fyne.Focusable: Return presses too, as people expect, and
// Escape is the window's.
func (b *button) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeyReturn, fyne.KeyEnter:
		b.Button.TypedKey(&fyne.KeyEvent{Name: fyne.KeySpace})
	case fyne.KeyEscape:
		escape(b, e)
	default:
		b.Button.TypedKey(e)
	}
}

// escape hands a key on to the window of what has the focus.
func escape(o fyne.CanvasObject, e *fyne.KeyEvent) {
	c := fyne.CurrentApp().Driver().CanvasForObject(o)
	if c != nil && c.OnTypedKey() != nil {
		c.OnTypedKey()(e)
	}
}

func (b *button) showRing(on bool) {
	if b.ring != nil {
		setRing(b.ring, on)
	}
}

// CreateRenderer implements fyne.Widget.
func (b *button) CreateRenderer() fyne.WidgetRenderer {
	b.ExtendBaseWidget(b)
	b.ring = newRing(theme.Size(theme.SizeNameButtonRadius))
	return &ringed{WidgetRenderer: b.Button.CreateRenderer(), ring: b.ring}
}

// newRing makes the outline that shows the focus.
func newRing(radius float32) *canvas.Rectangle {
	ring := canvas.NewRectangle(theme.Color(colorNone))
	ring.CornerRadius = radius
	ring.Hide()
	return ring
}

func setRing(ring *canvas.Rectangle, on bool) {
	ring.StrokeColor, ring.StrokeWidth = theme.Color(theme.ColorNameForeground), 2
	if on {
		ring.Show()
	} else {
		ring.Hide()
	}
	ring.Refresh()
}

// ringed draws a ring over what another renderer draws.
type ringed struct {
	fyne.WidgetRenderer
	ring *canvas.Rectangle
}

// Layout implements fyne.WidgetRenderer.
func (r *ringed) Layout(size fyne.Size) {
	r.WidgetRenderer.Layout(size)
	r.ring.Resize(size)
}

// Refresh implements fyne.WidgetRenderer.
func (r *ringed) Refresh() {
	r.WidgetRenderer.Refresh()
	r.ring.StrokeColor = theme.Color(theme.ColorNameForeground)
	r.ring.Refresh()
}

// Objects implements fyne.WidgetRenderer.
func (r *ringed) Objects() []fyne.CanvasObject {
	return append(r.WidgetRenderer.Objects(), r.ring)
}

// tappable makes whatever it holds one thing to press, by mouse and keyboard:
// a row of a list, an entry of the navigation.
type tappable struct {
	widget.BaseWidget
	content  fyne.CanvasObject
	label    string // for assistive technology
	tapped   func()
	back     *surface
	ring     *canvas.Rectangle
	selected bool
	hovered  bool
}

var (
	_ fyne.Accessible   = (*tappable)(nil)
	_ fyne.Focusable    = (*tappable)(nil)
	_ desktop.Hoverable = (*tappable)(nil)
)

func newTappable(label string, content fyne.CanvasObject, tapped func()) *tappable {
	t := &tappable{content: content, label: label, tapped: tapped}
	t.back, t.ring = newSurface(colorNone, "", 8), newRing(8)
	t.ExtendBaseWidget(t)
	return t
}

// selectIt marks it as the one that is shown.
func (t *tappable) selectIt(on bool) {
	t.selected = on
	t.paint()
}

func (t *tappable) paint() {
	switch {
	case t.selected:
		t.back.recolour(colorAccent, "")
	case t.hovered:
		t.back.recolour(theme.ColorNameHover, "")
	default:
		t.back.recolour(colorNone, "")
	}
}

// CreateRenderer implements fyne.Widget.
func (t *tappable) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewStack(t.back, t.content, t.ring))
}

// AccessibilityLabel implements fyne.Accessible.
func (t *tappable) AccessibilityLabel() string { return t.label }

// AccessibilityRole implements fyne.Accessible.
func (t *tappable) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// Tapped implements fyne.Tappable.
func (t *tappable) Tapped(*fyne.PointEvent) { t.tapped() }

// MouseIn implements desktop.Hoverable.
func (t *tappable) MouseIn(*desktop.MouseEvent) { t.hovered = true; t.paint() }

// MouseMoved implements desktop.Hoverable.
func (t *tappable) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (t *tappable) MouseOut() { t.hovered = false; t.paint() }

// FocusGained implements fyne.Focusable.
func (t *tappable) FocusGained() { setRing(t.ring, true) }

// FocusLost implements fyne.Focusable.
func (t *tappable) FocusLost() { setRing(t.ring, false) }

// TypedRune implements fyne.Focusable.
func (t *tappable) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (t *tappable) TypedKey(e *fyne.KeyEvent) {
	switch e.Name {
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		t.tapped()
	case fyne.KeyEscape:
		escape(t, e)
	}
}

// Cursor implements desktop.Cursorable.
func (t *tappable) Cursor() desktop.Cursor { return desktop.PointerCursor }

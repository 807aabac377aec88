package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// entry is Fyne's field that leaves the window's own shortcuts to the window:
// Fyne's swallows every key while it has the focus.
type entry struct {
	widget.Entry
	app   *App
	label string // for assistive technology, where no placeholder says it
}

var _ fyne.Accessible = (*entry)(nil)

// newEntry makes a field of one line.
func (a *App) newEntry() *entry {
	e := &entry{app: a}
	e.ExtendBaseWidget(e)
	return e
}

// newTextEntry makes a field of several lines.
func (a *App) newTextEntry(rows int) *entry {
	e := a.newEntry()
	e.MultiLine, e.Wrapping = true, fyne.TextWrapWord
	e.SetMinRowsVisible(rows)
	return e
}

// newSecretEntry makes a field that hides what is typed.
func (a *App) newSecretEntry() *entry {
	e := a.newEntry()
	e.Password = true
	return e
}

// AccessibilityLabel implements fyne.Accessible.
func (e *entry) AccessibilityLabel() string {
	if e.label != "" {
		return e.label
	}
	return e.PlaceHolder
}

// AccessibilityRole implements fyne.Accessible.
func (e *entry) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// TypedShortcut implements fyne.Shortcutable.
func (e *entry) TypedShortcut(s fyne.Shortcut) {
	if custom, ok := s.(*desktop.CustomShortcut); ok {
		e.app.shortcuts.TypedShortcut(custom)
		return
	}
	e.Entry.TypedShortcut(s)
}

// TypedKey implements fyne.Focusable.
func (e *entry) TypedKey(k *fyne.KeyEvent) {
	if k.Name == fyne.KeyEscape {
		e.app.nav.back()
		return
	}
	e.Entry.TypedKey(k)
}

// MinSize implements fyne.CanvasObject.
func (e *entry) MinSize() fyne.Size {
	e.ExtendBaseWidget(e)
	return e.Entry.MinSize()
}

package ui

import (
	"context"
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// banner stands above every page while something is wrong with the node
// itself: not running, of another version, not permitted.
type banner struct {
	app  *App
	text *widget.Label
	fix  *button
	root *fyne.Container
	key  string
	said string
	busy bool
}

func newBanner(a *App) *banner {
	b := &banner{app: a, text: prose("")}
	b.fix = newButton("", theme.ViewRefreshIcon(), b.act)
	icon := widget.NewIcon(theme.WarningIcon())
	content := container.NewBorder(nil, nil, container.NewHBox(spacerWide(8), icon), container.NewCenter(b.fix), b.text)
	b.root = container.NewStack(newSurface(colorWarnBg, "", 0), inset(6, content))
	b.root.Hide()
	return b
}

func (b *banner) view() fyne.CanvasObject { return b.root }

// update says what is wrong, or hides.
func (b *banner) update() {
	key := b.app.trouble()
	words := b.words(key)
	if b.busy && key != "" || key == b.key && words == b.said && !b.busy {
		return
	}
	b.key, b.said, b.busy = key, words, false
	b.say(key)
	b.app.frame.Refresh()
}

// words is what the banner says.
func (b *banner) words(key string) string {
	a := b.app
	if key == "" {
		return ""
	}
	text := a.t("trouble."+key, "theirs", a.status.Version, "ours", a.version)
	if key != "stopped" || a.why == nil {
		return text
	}
	if causeOf(a.why) == "cause.other" {
		return a.t("trouble.stopped.why", "why", verbatim(a.why))
	}
	what, do := a.explain(a.why)
	return a.t("trouble.stopped.cause", "what", what, "do", do)
}

func (b *banner) say(key string) {
	if key == "" {
		b.root.Hide()
		return
	}
	b.text.SetText(b.said)
	if key == "denied" { // nothing that this person could do
		b.fix.Hide()
	} else {
		b.fix.SetText(b.app.t("trouble." + key + ".fix"))
		b.fix.Enable()
		b.fix.Show()
	}
	b.root.Show()
}

// act does what the button offers.
func (b *banner) act() {
	if b.app.moved != "" && b.key == "moved."+string(b.app.moved) {
		b.app.moved = "" // it was read
		b.app.askAnew()
		b.update()
		return
	}
	b.restart()
}

// trouble names what is wrong with the node, "" for nothing.
func (a *App) trouble() string {
	switch {
	case !a.known:
		return ""
	case errors.Is(a.down, control.ErrDenied):
		return "denied"
	case a.down != nil && (a.status.Host == control.HostService || a.service()): // it may never have answered
		return "service"
	case a.down != nil:
		return "stopped"
	case a.status.NodeID == "": // shown to somebody who is no operator
		return "denied"
	case a.version != "" && a.status.Version != a.version:
		return "version"
	case a.moved != "":
		return "moved." + string(a.moved)
	}
	return ""
}

func (b *banner) restart() {
	b.busy = true
	b.fix.Disable()
	b.text.SetText(b.app.t("trouble.starting"))
	b.app.act(func(ctx context.Context) error { return b.app.desk.Restart(ctx) }, func(err error) {
		b.busy, b.key = false, ""
		b.root.Hide()
		b.update()
		if err != nil {
			b.app.fail("error.restart", err)
		}
	})
}

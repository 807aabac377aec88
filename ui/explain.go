package ui

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// causes maps errors to the catalogue: KEY is what happened in a person's
// words, KEY.do what to do about it. The first that fits counts.
func causes() []cause {
	return []cause{
		{publisher.ErrTaken, "cause.taken"},
		{publisher.ErrExists, "cause.exists"},
		{publisher.ErrBadName, "cause.badname"},
		{publisher.ErrEmpty, "cause.empty"},
		{publisher.ErrRejected, "cause.rejected"},
		{publisher.ErrChanged, "cause.changed"},
		{publisher.ErrTooBig, "cause.toobig"},
		{publisher.ErrNoPhrase, "cause.nophrase"},
		{publisher.ErrShutOut, "cause.shutout"},
		{publisher.ErrOtherKeys, "cause.otherkeys"},
		{publisher.ErrBadPhrase, "cause.badphrase"},
		{publisher.ErrBadBackup, "cause.badbackup"},
		{publisher.ErrShortPassphrase, "cause.shortpass"},
		{publisher.ErrNewer, "cause.newer"},
		{publisher.ErrDamaged, "cause.damaged"},
		{publisher.ErrPassphrase, "cause.passphrase"},
		{publisher.ErrHasKeys, "cause.haskeys"},
		{publisher.ErrNoVersion, "cause.noversion"},
		{publisher.ErrNoFolder, "cause.nofolder"},
		{publisher.ErrClock, "cause.clock"},
		{control.ErrClock, "cause.clock"},
		{control.ErrFull, "cause.full"},
		{syscall.ENOSPC, "cause.full"},
		{control.ErrNotRunning, "cause.stopped"},
		{control.ErrClosed, "cause.stopped"},
		{control.ErrOffline, "cause.offline"},
		{control.ErrUnreachable, "cause.unreachable"},
		{control.ErrDenied, "cause.denied"},
		{control.ErrUnknown, "cause.unknown"},
		{control.ErrConflict, "cause.conflict"},
		{control.ErrOwnerChanged, "cause.owner"},
		{control.ErrWithdrawn, "cause.withdrawn"},
		{control.ErrExpired, "cause.expired"},
		{control.ErrBlocked, "cause.blocked"},
		{control.ErrStale, "cause.stale"},
		{control.ErrMissing, "cause.missing"},
		{control.ErrNotFound, "cause.notfound"},
		{control.ErrInvalid, "cause.invalid"},
		{publisher.ErrUnasked, "cause.unasked"},
		{ErrNoAuthentication, "cause.noauth"},
		{ErrRefused, "cause.refused"},
		{ErrDataAway, "cause.away"},
		{ErrDataTaken, "cause.datataken"},
		{ErrDataClosed, "cause.dataclosed"},
		{fs.ErrNotExist, "cause.vanished"},
		{fs.ErrExist, "cause.fileexists"},
		{fs.ErrPermission, "cause.unreadable"},
		{context.DeadlineExceeded, "cause.timeout"},
		{os.ErrDeadlineExceeded, "cause.timeout"},
	}
}

type cause struct {
	err error
	key string
}

// causeOf returns the catalogue's key for an error.
func causeOf(err error) string {
	for _, c := range causes() {
		if errors.Is(err, c.err) {
			return c.key
		}
	}
	return "cause.other"
}

// explain says in a person's words what went wrong and what to do.
func (a *App) explain(err error) (what, do string) {
	key := causeOf(err)
	if key == "cause.offline" && a.status.Online && a.status.Paused == nil { // the switch is on: nobody is there
		key = "cause.nopeers"
	}
	do = key + ".do"
	switch {
	case key == "cause.full" && a.member():
		do = "cause.full.member"
	case key == "cause.noauth" && a.down != nil && a.trouble() == "service":
		do = "cause.noauth.service"
	}
	return a.t(key), a.t(do)
}

// problem is an error as it stands on a page: what happened, what to do, and
// the words of the program for whoever wants them.
func (a *App) problem(err error, buttons ...fyne.CanvasObject) fyne.CanvasObject {
	what, do := a.explain(err)
	head := prose(what)
	head.TextStyle.Bold = true
	box := container.NewVBox(container.New(tightLayout{}, head, prose(do)))
	if len(buttons) > 0 {
		box.Add(actions(buttons...))
	}
	box.Add(a.details(err))
	icon := sign(theme.NewErrorThemedResource(theme.ErrorIcon()))
	return container.NewStack(newSurface(colorErrorBg, theme.ColorNameError, cardRadius),
		inset(10, container.NewBorder(nil, nil, icon, nil, box)))
}

// details folds away what the program itself says of an error.
func (a *App) details(err error) fyne.CanvasObject {
	text := note(verbatim(err))
	text.Selectable = true
	text.Hide()
	var toggle *button
	toggle = quietButton(a.t("error.details"), nil, func() {
		if text.Visible() {
			text.Hide()
			toggle.SetText(a.t("error.details"))
		} else {
			text.Show()
			toggle.SetText(a.t("error.details.hide"))
		}
	})
	return container.NewVBox(actions(toggle), text)
}

// verbatim is an error's own words, kept short.
func verbatim(err error) string {
	const most = 600
	text := strings.TrimSpace(err.Error())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// fail shows an error in a dialog; key is what was being done.
func (a *App) fail(key string, err error) {
	if err == nil || cancelled(err) {
		return
	}
	a.log.Warn("show an error", "doing", key, "err", err)
	a.show(a.t(key), a.problem(err))
}

// show opens a dialog with one button that closes it.
func (a *App) show(title string, content fyne.CanvasObject) dialog.Dialog {
	d := dialog.NewCustom(title, a.t("action.close"), content, a.win)
	d.Resize(a.dialogSize())
	d.Show()
	return d
}

// dialogSize keeps dialogs readable and inside the window.
func (a *App) dialogSize() fyne.Size {
	const width, height, margin = 520, 260, 40
	size := a.win.Canvas().Size()
	return fyne.NewSize(min(width, max(200, size.Width-margin)), min(height, max(120, size.Height-margin)))
}

// ask opens a dialog with a question; yes runs when it is answered so.
func (a *App) ask(title, text, confirm string, danger bool, yes func()) {
	d := dialog.NewCustomWithoutButtons(title, container.NewVScroll(prose(text)), a.win)
	ok := primaryButton(confirm, nil, func() { d.Hide(); yes() })
	if danger {
		ok.Importance = widget.DangerImportance
	}
	d.SetButtons([]fyne.CanvasObject{newButton(a.t("action.cancel"), nil, d.Hide), ok})
	d.Resize(a.dialogSize())
	d.Show()
}

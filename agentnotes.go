package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"altnet/assets"
	"altnet/engine/control"
	"altnet/platform/notify"
	"altnet/ui/tray"
)

// noteOf puts a notice of the node into a notification.
func noteOf(n control.Notice, texts assets.Texts) notify.Note {
	key := "note." + string(n.Kind)
	note := notify.Note{Subject: tray.Subject(n.Kind, n.Name), Title: texts.Get(key+".title", "name", n.Name), Body: n.Text}
	if n.Kind == control.NoticeOther || !texts.Has(key+".title") {
		note.Title = texts.Get("note.other.title")
		return note
	}
	note.Body = texts.Get(key+".body", "name", n.Name)
	note.Urgent = alerting(n.Kind)
	return note
}

// alerting reports whether a notice stays in the tray until the person has
// looked.
func alerting(kind control.NoticeKind) bool {
	return slices.Contains([]control.NoticeKind{control.NoticeCopiesLow, control.NoticeExpiring, control.NoticeOwnerChanged,
		control.NoticeTwoDevices, control.NoticeDiskFull, control.NoticeMonthLimit}, kind)
}

// notice shows a notice of the node.
func (a *agent) notice(ctx context.Context, n control.Notice) {
	note := noteOf(n, a.texts)
	if alerting(n.Kind) {
		a.state = a.state.WithAlert(note.Subject, note.Title)
	}
	a.notify(ctx, note)
}

// notify shows a notification where the desktop has any.
func (a *agent) notify(ctx context.Context, note notify.Note) {
	if a.notes == nil {
		return
	}
	a.tasks.Go(func() { a.show(ctx, note) })
}

func (a *agent) show(ctx context.Context, note notify.Note) error {
	if a.notes == nil {
		return notify.ErrUnavailable
	}
	err := a.notes.Show(ctx, note)
	if err != nil {
		a.log.Info("a notification was not shown", "title", note.Title, "err", err)
	}
	return err
}

// changedSubject is the subject of a notification about a watched folder.
const changedSubject = "changed "

// noteClicked opens the window at what the notification was about.
func (a *agent) noteClicked(ctx context.Context, subject string) {
	if folder, ok := strings.CutPrefix(subject, changedSubject); ok && filepath.IsAbs(folder) {
		a.openWindow(ctx, show{window: true, folders: []string{folder}}.request())
		return
	}
	_, name, _ := strings.Cut(subject, " ")
	a.openWindow(ctx, show{window: true, site: name}.request())
}

// attended takes the alerts out of the tray: the person has the window.
func (a *agent) attended() { a.state.Alerts = nil }

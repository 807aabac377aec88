// Package notify shows notifications of the desktop: over the session bus on
// Linux, in the notification area on Windows, by osascript on macOS.
package notify

import (
	"context"
	"errors"
	"log/slog"
)

// ErrUnavailable reports a desktop that shows no notifications.
var ErrUnavailable = errors.New("this desktop shows no notifications")

// Note is one notification. One with the same Subject takes its place where
// the system can do that.
type Note struct {
	Subject string
	Title   string
	Body    string // plain text
	Urgent  bool
}

// Notifier shows notes. It is safe for concurrent use.
type Notifier struct {
	show  func(ctx context.Context, n Note) error
	close func()
}

// Open reaches the desktop. clicked is called with the Subject of a note that
// the person clicked, where the system tells (not on macOS); it must not
// block. icon is a PNG or, on Windows, an ICO. It returns ErrUnavailable where
// there is nobody to show notes.
func Open(icon []byte, clicked func(subject string), log *slog.Logger) (*Notifier, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return open(icon, clicked, log)
}

// Show shows a note.
func (n *Notifier) Show(ctx context.Context, note Note) error { return n.show(ctx, note) }

// Close ends listening for clicks. Notes on the screen stay there.
func (n *Notifier) Close() { n.close() }

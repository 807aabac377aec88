package notify

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"

	"altnet/platform/sessionbus"
)

// The desktop notifications specification.
const (
	busName = "org.freedesktop.Notifications"
	busPath = "/org/freedesktop/Notifications"
)

// desk is the connection to whoever shows notifications. Nobody need be there
// yet: the bus starts a server where one is installed.
type desk struct {
	conn    *dbus.Conn
	log     *slog.Logger
	clicked func(string)
	icon    string // path of the picture's file, "" for none

	mu       sync.Mutex
	subjects map[uint32]string // of the notes on the screen
	done     sync.WaitGroup
}

func open(icon []byte, clicked func(string), log *slog.Logger) (*Notifier, error) {
	conn, err := sessionbus.Connect(context.Background())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	d := &desk{conn: conn, log: log, clicked: clicked, subjects: map[uint32]string{}}
	if err := conn.AddMatchSignal(dbus.WithMatchInterface(busName), dbus.WithMatchObjectPath(busPath)); err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen for clicks on notifications: %w", err)
	}
	d.icon = keepIcon(icon, log)
	signals := make(chan *dbus.Signal, 16)
	conn.Signal(signals)
	d.done.Go(func() { d.listen(signals) })
	return &Notifier{show: d.show, close: d.close}, nil
}

// keepIcon writes the picture to a file: servers take a path, and raw pixels
// each in their own way.
func keepIcon(icon []byte, log *slog.Logger) string {
	f, err := os.CreateTemp("", "altnet-*.png")
	if err != nil || len(icon) == 0 {
		return ""
	}
	if _, err := f.Write(icon); err != nil {
		log.Warn("write the icon of notifications", "err", err)
	}
	f.Close()
	return filepath.Clean(f.Name())
}

func (d *desk) close() {
	d.conn.Close() // closes the channel of signals
	d.done.Wait()
	if d.icon != "" {
		os.Remove(d.icon)
	}
}

func (d *desk) show(ctx context.Context, n Note) error {
	urgency := byte(1)
	if n.Urgent {
		urgency = 2
	}
	hints := map[string]dbus.Variant{"urgency": dbus.MakeVariant(urgency), "desktop-entry": dbus.MakeVariant("altnet")}
	actions := []string{"default", n.Title}
	var id uint32
	err := d.conn.Object(busName, busPath).CallWithContext(ctx, busName+".Notify", 0, "AltNet", d.shown(n.Subject), d.icon,
		n.Title, html.EscapeString(n.Body), actions, hints, int32(-1)).Store(&id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subjects[id] = n.Subject
	return nil
}

// shown returns the note that a new one of the subject replaces, 0 for none.
func (d *desk) shown(subject string) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, s := range d.subjects {
		if s == subject && subject != "" {
			return id
		}
	}
	return 0
}

// listen passes clicks on. Every program on the bus hears of every click: only
// ids of our own count.
func (d *desk) listen(signals <-chan *dbus.Signal) {
	for s := range signals {
		id, clicked, closed := event(s)
		if !clicked && !closed {
			continue
		}
		d.mu.Lock()
		subject, ours := d.subjects[id]
		if closed {
			delete(d.subjects, id)
		}
		d.mu.Unlock()
		if clicked && ours && d.clicked != nil {
			d.clicked(subject)
		}
	}
}

// event reads a signal of the server.
func event(s *dbus.Signal) (id uint32, clicked, closed bool) {
	if len(s.Body) != 2 {
		return 0, false, false
	}
	id, ok := s.Body[0].(uint32)
	if !ok || !slices.Contains([]string{busName + ".ActionInvoked", busName + ".NotificationClosed"}, s.Name) {
		return 0, false, false
	}
	if s.Name == busName+".NotificationClosed" {
		return id, false, true
	}
	return id, s.Body[1] == "default", false
}

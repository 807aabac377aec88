//go:build !darwin || cgo

package tray

import (
	"context"

	"fyne.io/systray"
)

// Available reports whether this build can show a tray at all.
const Available = true

// Config is what Run needs.
type Config struct {
	Icons   map[Icon][]byte      // PNG, or ICO on Windows
	Views   <-chan View          // what to show, newest last; the first is drawn at once
	Clicked func(Action, string) // must not block
}

// Run shows the tray until ctx ends. It must be called from the program's main
// goroutine, once: the systems' tray libraries insist on both. On Linux a
// session bus must be there (see Watch); where nobody shows icons, the icon
// waits for somebody to come.
func Run(ctx context.Context, c Config) {
	done := make(chan struct{})
	started := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		<-started
		systray.Quit()
	})
	defer stop()
	systray.SetOnTapped(func() { c.Clicked(OpenWindow, "") })
	ready := func() {
		d := drawer{bar: library{}, config: c}
		select { // the first picture before the icon appears
		case v := <-c.Views:
			d.draw(v)
		case <-ctx.Done():
		}
		go func() {
			defer close(done)
			for {
				select {
				case v := <-c.Views:
					d.draw(v)
				case <-ctx.Done():
					return
				}
			}
		}()
		close(started)
	}
	systray.Run(ready, func() {})
	<-done
}

// library is the real tray.
type library struct{}

func (library) icon(data []byte) { systray.SetIcon(data) }
func (library) tooltip(text string) {
	systray.SetTitle("AltNet")
	systray.SetTooltip(text)
}
func (library) reset() { systray.ResetMenu() }
func (library) rule()  { systray.AddSeparator() }

func (library) add(parent line, label string) line {
	if parent == nil {
		return entry{systray.AddMenuItem(label, "")}
	}
	return entry{parent.(entry).AddSubMenuItem(label, "")}
}

// entry is a line of the real menu.
type entry struct{ *systray.MenuItem }

func (e entry) clicks() <-chan struct{} { return e.ClickedCh }
func (e entry) title(s string)          { e.SetTitle(s) }
func (e entry) enable(on bool) {
	if on {
		e.Enable()
	} else {
		e.Disable()
	}
}

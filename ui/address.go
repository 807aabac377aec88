package ui

import (
	"context"
	"net"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"altnet/engine/publisher"
)

// suffix ends every name.
const suffix = ".alt"

// address is a site's name in its forms.
type address struct {
	host    string // as browsers spell it: "xn--bcher-kva.alt"
	unicode string // as people read it, "" where that is the same or could deceive
}

// addressOf reads what the node or the profile calls a site.
func addressOf(name string) address {
	host, unicode, err := publisher.Host(name)
	if err != nil {
		return address{host: strings.TrimSuffix(name, suffix) + suffix}
	}
	return address{host: host, unicode: unicode}
}

// shown is the address for people.
func (d address) shown() string {
	if d.unicode != "" {
		return d.unicode
	}
	return d.host
}

// short is shown with a long key address cut in its middle.
func (d address) short() string {
	const most, head, tail = 40, 12, 8
	label := strings.TrimSuffix(d.shown(), suffix)
	if len(label) <= most {
		return d.shown()
	}
	return label[:head] + "…" + label[len(label)-tail:] + suffix
}

// url is what a browser opens where .alt works in it.
func (d address) url() string { return "http://" + d.host + "/" }

// door is the second door, which any browser opens on this computer; "" while
// the gateway is closed.
func (a *App) door(d address) string {
	_, port, err := net.SplitHostPort(a.status.Doors.Gateway)
	if err != nil {
		return ""
	}
	return "http://" + strings.TrimSuffix(d.host, suffix) + "-alt.localhost:" + port + "/"
}

// exampleDoor shows what second doors look like.
func (a *App) exampleDoor() string {
	example := addressOf(a.t("address.example"))
	if door := a.door(example); door != "" {
		return door
	}
	return "http://" + strings.TrimSuffix(example.host, suffix) + "-alt.localhost/"
}

// link is the URL that opens a site in this person's browser.
func (a *App) link(d address) string {
	if door := a.door(d); !a.prefs.Browsing && door != "" {
		return door
	}
	return d.url()
}

// open opens a site in the person's browser.
func (a *App) open(d address) { a.openURL(a.link(d)) }

// openURL opens a page in the person's browser.
func (a *App) openURL(url string) {
	a.act(func(context.Context) error { return a.desk.OpenURL(url) }, func(err error) { a.fail("error.browser", err) })
}

// copyButton copies a text, and says for a moment that it did.
func (a *App) copyButton(label, text string) *button {
	var b *button
	b = newButton(label, theme.ContentCopyIcon(), func() {
		a.fyne.Clipboard().SetContent(text)
		b.SetText(a.t("action.copied"))
		b.SetIcon(theme.ConfirmIcon())
		a.after(2*time.Second, func() {
			b.SetText(label)
			b.SetIcon(theme.ContentCopyIcon())
		})
	})
	return b
}

// after draws something later, unless the window closed meanwhile.
func (a *App) after(wait time.Duration, draw func()) (stop func()) {
	ctx, cancel := context.WithCancel(a.ctx)
	a.tasks.Go(func() {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			a.do(func() {
				if ctx.Err() == nil {
					draw()
				}
			})
		case <-ctx.Done():
		}
	})
	return cancel
}

// addressLines show an address below a title, as far as that does not say it:
// large, and below it the spelling that browsers show, where that is another.
func (a *App) addressLines(d address, title string) []fyne.CanvasObject {
	var out []fyne.CanvasObject
	if d.shown() != title {
		main := subheading(d.shown())
		main.Wrapping, main.Selectable = wrapAnywhere, true
		out = append(out, main)
	}
	if d.unicode != "" {
		also := note(a.t("address.punycode", "host", d.host))
		also.Selectable = true
		out = append(out, also)
	}
	return out
}

// showFolder opens the person's file manager.
func (a *App) showFolder(path string) {
	a.act(func(context.Context) error { return a.desk.ShowFolder(path) }, func(err error) { a.fail("error.folder", err) })
}

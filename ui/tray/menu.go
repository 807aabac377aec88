package tray

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"altnet/engine/control"
)

// Action is what a click asks for.
type Action string

// The actions. OpenSite comes with an address.
const (
	Nothing      Action = ""
	OpenWindow   Action = "open"
	GoOnline     Action = "online"
	GoOffline    Action = "offline"
	Publish      Action = "publish"
	OpenSite     Action = "site"
	PauseHour    Action = "pause"
	Resume       Action = "resume"
	StartService Action = "start"
	Quit         Action = "quit"
)

// Item is one line of the menu; one without a label is a rule between lines.
type Item struct {
	Action   Action
	Arg      string // of OpenSite: the address
	Label    string
	Disabled bool
	Items    []Item
}

// View is all that the tray shows.
type View struct {
	Icon    Icon
	Tooltip string
	Menu    []Item
}

// Texts are the translated texts, {placeholders} and all.
type Texts interface {
	Get(key string, args ...string) string
}

// mostSites is how many sites the menu lists: a longer menu does not fit every
// screen. The window shows all of them.
const mostSites = 20

// ViewOf decides what the tray shows.
func ViewOf(s State, t Texts, now time.Time) View {
	line := s.Line(t, now)
	return View{Icon: s.Icon(now), Tooltip: "AltNet: " + line, Menu: menu(s, t, line, now)}
}

func menu(s State, t Texts, line string, now time.Time) []Item {
	items := []Item{{Label: line, Disabled: true}}
	for _, alert := range s.alerts() {
		items = append(items, Item{Action: OpenWindow, Label: alert})
	}
	items = append(items, Item{}, Item{Action: OpenWindow, Label: t.Get("menu.open")})
	if s.Link == ServiceDown {
		items = append(items, Item{Action: StartService, Label: t.Get("menu.start")})
	}
	if s.Link == Up && !s.asking() {
		items = append(items, Item{Action: Publish, Label: t.Get("menu.publish")}, sites(s, t), Item{})
		items = append(items, network(s, t, now)...)
	}
	quit := "menu.quit"
	if s.Service {
		quit = "menu.quit.service"
	}
	return append(items, Item{}, Item{Action: Quit, Label: t.Get(quit)})
}

// network are the switches of the connection.
func network(s State, t Texts, now time.Time) []Item {
	switch {
	case !s.Status.Online:
		return []Item{{Action: GoOnline, Label: t.Get("menu.online")}}
	case s.paused(now):
		return []Item{{Action: GoOffline, Label: t.Get("menu.offline")}, {Action: Resume, Label: t.Get("menu.resume")}}
	}
	return []Item{{Action: GoOffline, Label: t.Get("menu.offline")}, {Action: PauseHour, Label: t.Get("menu.pause")}}
}

// sites is the submenu of sites to open.
func sites(s State, t Texts) Item {
	item := Item{Label: t.Get("menu.sites")}
	for _, site := range s.Sites {
		if site.Withdrawn || s.Open == nil {
			continue
		}
		if len(item.Items) == mostSites {
			item.Items = append(item.Items, Item{Action: OpenWindow, Label: t.Get("menu.sites.more")})
			break
		}
		item.Items = append(item.Items, Item{Action: OpenSite, Arg: s.Open(site.Name), Label: siteLabel(site, t)})
	}
	if len(item.Items) == 0 {
		item.Items = []Item{{Label: t.Get("menu.sites.none"), Disabled: true}}
	}
	return item
}

func siteLabel(site control.Site, t Texts) string {
	name := shorten(site.Name)
	if site.Own && site.Sleeps {
		return t.Get("site.sleeps", "name", name)
	}
	return name
}

// shorten keeps a key address from widening the menu over the whole screen.
func shorten(name string) string {
	const most, head, tail = 40, 16, 12
	if len(name) <= most {
		return name
	}
	return name[:head] + "…" + name[len(name)-tail:]
}

// alerts are the texts of what needs the person, in a steady order.
func (s State) alerts() []string {
	var texts []string
	for _, text := range s.Alerts {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	const most = 3
	return texts[:min(len(texts), most)]
}

// paused reports whether there is no traffic until a later time.
func (s State) paused(now time.Time) bool {
	p := s.Status.Paused
	return p != nil && (p.Until.IsZero() || p.Until.After(now))
}

// Line says in a few words how the node is doing.
func (s State) Line(t Texts, now time.Time) string {
	switch {
	case s.Link == Starting:
		return t.Get("state.starting")
	case s.Link == ServiceDown:
		return t.Get("state.service-down")
	case s.Link == Down:
		return t.Get("state.down")
	case s.asking():
		return t.Get("state.asking")
	case !s.Status.Online:
		return t.Get("state.offline")
	case s.paused(now):
		return pausedLine(*s.Status.Paused, t)
	case !s.Status.Connected:
		return t.Get("state.searching")
	}
	return s.onlineLine(t)
}

func pausedLine(p control.Paused, t Texts) string {
	switch p.Reason {
	case control.PauseBattery, control.PauseMetered, control.PauseMonth:
		return t.Get("state.paused." + string(p.Reason))
	}
	return t.Get("state.paused.until", "time", p.Until.Local().Format("15:04"))
}

func (s State) onlineLine(t Texts) string {
	line := t.Get("state.peers", "n", fmt.Sprint(s.Status.Peers))
	if s.Status.Peers == 1 {
		line = t.Get("state.peer")
	}
	if s.Status.Reach == control.ReachRelay {
		line += ", " + t.Get("state.relay")
	}
	return strings.TrimSpace(line)
}

// Package tray is the icon in the notification area and its menu. What it
// shows is decided by a pure model (State to View); Run draws that with
// fyne.io/systray. It needs neither Fyne nor, on Linux and Windows, C.
package tray

import (
	"cmp"
	"slices"
	"time"

	"altnet/engine/control"
)

// Link says how the agent stands to its node.
type Link int

// The ways an agent stands to a node.
const (
	Starting    Link = iota // not known yet
	Up                      // the node answers
	Down                    // no node answers
	ServiceDown             // a service is installed and does not run
)

// State is everything the tray shows of a node.
type State struct {
	Link    Link
	Service bool // the node is a service that outlives the agent
	Status  control.Status
	Sites   []control.Site       // the person's own and pinned ones
	Open    func(string) string  // the address of a site for a browser; nil: none can be opened
	Tasks   map[string]time.Time // what is under way, and when it was last heard of
	Alerts  map[string]string    // by site or other subject: what the person should look at
}

// taskSilence is how long a task counts as under way without a word of it: its
// end may have been among the events that a slow reader misses.
const taskSilence = 30 * time.Second

// With returns the state after an event. It leaves the maps of s alone.
func (s State) With(e control.Event) State {
	switch {
	case e.Kind == control.EventStatus && e.Status != nil:
		s.Link, s.Status = Up, *e.Status
	case e.Kind == control.EventProgress && e.Progress != nil:
		s.Tasks = with(s.Tasks, e.Progress.Task+" "+e.Progress.Name+e.Progress.Root, e.Time, !ended(*e.Progress))
	case e.Kind == control.EventSite && e.Site != nil:
		s.Sites = withSite(s.Sites, *e.Site)
	case e.Kind == control.EventReceipt && e.Receipt != nil:
		s.Sites = withReceipt(s.Sites, *e.Receipt)
		if !e.Receipt.Sleeps {
			s.Alerts = with(s.Alerts, Subject(control.NoticeCopiesLow, e.Receipt.Name), "", false)
		}
	}
	return s
}

func ended(p control.Progress) bool { return p.Error != "" || p.Total > 0 && p.Done >= p.Total }

// with returns a copy of m in which key has the value, or is missing.
func with[V any](m map[string]V, key string, value V, present bool) map[string]V {
	out := make(map[string]V, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	if delete(out, key); present {
		out[key] = value
	}
	return out
}

// WithAlert returns the state with something that the person should look at,
// or without it where text is empty.
func (s State) WithAlert(subject, text string) State {
	s.Alerts = with(s.Alerts, subject, text, text != "")
	return s
}

// withSite replaces a site, adds it, or takes it out where it is neither
// published nor pinned any longer.
func withSite(sites []control.Site, site control.Site) []control.Site {
	out := slices.DeleteFunc(slices.Clone(sites), func(x control.Site) bool { return x.Address == site.Address })
	if !site.Own && !site.Pinned || site.Withdrawn {
		return out
	}
	out = append(out, site)
	slices.SortFunc(out, func(a, b control.Site) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func withReceipt(sites []control.Site, r control.Receipt) []control.Site {
	out := slices.Clone(sites)
	for i := range out {
		if out[i].Address == r.Address {
			out[i].Copies, out[i].Sleeps = r.Copies, r.Sleeps
		}
	}
	return out
}

// working reports whether something long is under way.
func (s State) working(now time.Time) bool {
	for _, heard := range s.Tasks {
		if now.Sub(heard) < taskSilence {
			return true
		}
	}
	return false
}

// Icon is one of the tray's pictures.
type Icon string

// The pictures.
const (
	Online    Icon = "online"
	Offline   Icon = "offline"
	Working   Icon = "working"
	Attention Icon = "attention"
)

// Icon picks the picture: what needs the person comes first.
func (s State) Icon(now time.Time) Icon {
	switch {
	case s.Link == Down, s.Link == ServiceDown, len(s.Alerts) > 0:
		return Attention
	case s.Link == Starting, !s.Status.Online, s.asking(), s.Status.Paused != nil:
		return Offline
	case s.working(now), !s.Status.Connected:
		return Working
	}
	return Online
}

// asking reports whether the node waits for the person to agree to be a peer.
func (s State) asking() bool { return s.Link == Up && !s.Status.Accepted }

// Subject names what an alert or a notification is about, so that a later one
// takes its place.
func Subject(kind control.NoticeKind, name string) string { return string(kind) + " " + name }

package ui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
)

// peersEvery is how often the list is asked for while somebody looks.
const peersEvery = 5 * time.Second

// peersPage lists the other nodes that this one knows.
type peersPage struct {
	app   *App
	peers []control.Peer
	list  *widget.List
	state *widget.Label
	stop  func()
}

func newPeersPage(a *App) *peersPage { return &peersPage{app: a, stop: func() {}} }

func (p *peersPage) content() fyne.CanvasObject {
	a := p.app
	p.state = note("")
	p.list = widget.NewList(func() int { return len(p.peers) }, p.blank, p.fill)
	p.list.OnSelected = func(i widget.ListItemID) {
		p.list.Unselect(i)
		p.detail(p.peers[i])
	}
	again := newButton(a.t("action.reload"), theme.ViewRefreshIcon(), p.load)
	head := container.NewVBox(a.titled(a.t("peers.title"), again), p.state)
	return container.New(columnLayout{measure}, inset(20, container.NewBorder(head, nil, nil, nil, p.list)))
}

func (p *peersPage) enter() { p.load() }

func (p *peersPage) leave() { p.stop() }

func (p *peersPage) apply(control.Event) {}

// load asks for the peers, and again while the page is in view.
func (p *peersPage) load() {
	p.stop()
	left := false
	p.stop = func() { left = true }
	run(p.app, p.app.ctl.Peers, func(peers []control.Peer, err error) {
		if left {
			return
		}
		p.show(peers, err)
		p.stop = p.app.after(peersEvery, p.load)
	})
}

func (p *peersPage) show(peers []control.Peer, err error) {
	a := p.app
	if err != nil {
		what, do := a.explain(err)
		p.state.SetText(what + ". " + do)
		return
	}
	slices.SortStableFunc(peers, comparePeers)
	p.peers = peers
	p.state.SetText(a.t("peers.lead"))
	if len(peers) == 0 {
		p.state.SetText(a.t("peers.none"))
	}
	p.list.Refresh()
}

// comparePeers puts those in session first, then the nearest by time.
func comparePeers(x, y control.Peer) int {
	if x.Connected != y.Connected {
		if x.Connected {
			return -1
		}
		return 1
	}
	far := func(p control.Peer) time.Duration {
		if p.RTT <= 0 {
			return time.Hour
		}
		return p.RTT
	}
	return cmp.Or(cmp.Compare(far(x), far(y)), strings.Compare(x.ID, y.ID))
}

// blank is one line of the list: who, where, how far, how much.
func (p *peersPage) blank() fyne.CanvasObject {
	return container.New(tightLayout{}, strong(""), noteLine(""), noteLine(""))
}

func (p *peersPage) fill(i widget.ListItemID, o fyne.CanvasObject) {
	if i >= len(p.peers) {
		return
	}
	a, peer := p.app, p.peers[i]
	labels := labelsIn(o)
	labels[0].SetText(peerName(peer))
	labels[1].SetText(a.peerLine(peer))
	labels[2].SetText(a.t("peers.bytes", "up", a.bytes(int64(peer.Up)), "down", a.bytes(int64(peer.Down))))
	o.Refresh()
}

// labelsIn lists the labels of a line, in order.
func labelsIn(o fyne.CanvasObject) []*widget.Label {
	switch o := o.(type) {
	case *widget.Label:
		return []*widget.Label{o}
	case *fyne.Container:
		var out []*widget.Label
		for _, child := range o.Objects {
			out = append(out, labelsIn(child)...)
		}
		return out
	}
	return nil
}

// peerName is what a peer calls itself and the beginning of its identity.
func peerName(p control.Peer) string {
	const shown = 8
	name := plainText(p.Agent)
	id := p.ID[:min(len(p.ID), shown)]
	if name == "" {
		return id
	}
	return name + "  " + id
}

// peerLine says where a peer is and how it is connected.
func (a *App) peerLine(p control.Peer) string {
	parts := []string{a.t("peers.known")}
	switch {
	case p.Connected && p.Inbound:
		parts[0] = a.t("peers.inbound")
	case p.Connected:
		parts[0] = a.t("peers.outbound")
	}
	if len(p.Addresses) > 0 {
		parts = append(parts, p.Addresses[0])
	}
	if p.RTT > 0 {
		parts = append(parts, a.t("peers.rtt", "ms", a.number(p.RTT.Milliseconds())))
	}
	if p.Volunteer {
		parts = append(parts, a.t("peers.volunteer"))
	}
	return strings.Join(parts, " · ")
}

// detail shows one peer whole.
func (p *peersPage) detail(peer control.Peer) {
	a := p.app
	since := "–"
	if !peer.Since.IsZero() {
		since = a.moment(peer.Since)
	}
	text := prose(a.t("peers.detail", "id", peer.ID, "addresses", strings.Join(peer.Addresses, "\n"), "agent", plainText(peer.Agent),
		"since", since, "state", a.peerLine(peer)))
	text.Wrapping = wrapAnywhere
	text.Selectable = true
	a.show(peerName(peer), container.NewVScroll(text))
}

// connect joins the network through an address that the person was given.
func (a *App) connect(addr string, done func(error)) {
	a.act(func(ctx context.Context) error {
		ctx, cancel := withTimeout(ctx)
		defer cancel()
		_, err := a.ctl.Connect(ctx, addr)
		return err
	}, done)
}

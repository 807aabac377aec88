package ui

import (
	"context"
	"errors"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// errNotAlt reports an address that is none of AltNet's.
var errNotAlt = errors.New("the address does not end in .alt")

// typedAddress reads what a person typed or pasted: a name, an address of
// this network, or one of the second door. rest is path and query.
func typedAddress(typed string) (d address, rest string, err error) {
	s := strings.TrimSpace(typed)
	for _, scheme := range []string{"http://", "https://", "alt://"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
		}
	}
	host := s
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		host, rest = s[:i], strings.TrimPrefix(s[i:], "/")
	}
	host, port, _ := strings.Cut(strings.ToLower(host), ":")
	host = strings.TrimSuffix(host, ".")
	if name, ok := strings.CutSuffix(host, "-alt.localhost"); ok {
		host = name + suffix
	}
	if host == "" || strings.Contains(host, ".") && !strings.HasSuffix(host, suffix) || strings.ContainsAny(host, " @") || strings.Trim(port, "0123456789") != "" {
		return address{}, "", errNotAlt
	}
	if _, _, err := publisher.Host(host); err != nil {
		return address{}, "", err
	}
	return addressOf(host), rest, nil
}

// goTo opens what was typed, once it is known what that is.
func (p *browsePage) goTo(typed string) {
	a := p.app
	if strings.TrimSpace(typed) == "" {
		return
	}
	d, rest, err := typedAddress(typed)
	switch {
	case errors.Is(err, errNotAlt):
		p.say(warn(a.t("browse.notalt"), a.t("browse.notalt.do")))
		return
	case err != nil:
		p.say(a.problem(err))
		return
	}
	p.asked++
	asked := p.asked
	p.say(prose(a.t("browse.looking", "site", d.shown())), widget.NewProgressBarInfinite())
	run(a, func(ctx context.Context) (control.Resolution, error) {
		ctx, cancel := withTimeout(ctx)
		defer cancel()
		return a.ctl.Resolve(ctx, d.host)
	}, func(res control.Resolution, err error) {
		if asked == p.asked {
			p.resolved(d, rest, res, err)
		}
	})
}

func (p *browsePage) say(objects ...fyne.CanvasObject) {
	p.state.Objects = objects
	p.state.Refresh()
}

func (p *browsePage) resolved(d address, rest string, res control.Resolution, err error) {
	a := p.app
	switch {
	case errors.Is(err, control.ErrOwnerChanged):
		p.ownerChanged(d, rest)
	case errors.Is(err, control.ErrConflict):
		p.conflict(d, res)
	case err != nil:
		p.say(a.problem(err, newButton(a.t("action.retry"), theme.ViewRefreshIcon(), func() { p.goTo(d.host + "/" + rest) })))
	case res.Warning != "":
		p.say(warn(a.t("browse.deceives"), a.deception(d, res.Warning),
			newButton(a.t("browse.anyway"), nil, func() { p.arrive(d, rest, res) }), newButton(a.t("browse.leave"), nil, func() { p.say() })))
	default:
		p.arrive(d, rest, res)
	}
}

// deception says why a name may be meant to be taken for another.
func (a *App) deception(d address, warning string) string {
	key := "browse.deceives.other"
	switch {
	case strings.Contains(warning, "different scripts"):
		key = "browse.deceives.mixed"
	case strings.Contains(warning, "look like"):
		key = "browse.deceives.alike"
	}
	return a.t(key, "host", d.host)
}

// arrive opens the browser, and says what it opened.
func (p *browsePage) arrive(d address, rest string, res control.Resolution) {
	a := p.app
	a.openURL(a.link(d) + rest)
	text := a.t("browse.opened.more", "size", a.bytes(res.Size), "date", a.date(res.Issued))
	if res.Stale {
		text = a.t("browse.opened.stale", "date", a.date(res.Issued))
	}
	v := control.Visited{Name: d.host, Address: res.Address, Root: res.Root}
	p.say(good(a.t("browse.opened", "site", d.shown()), text,
		newButton(a.t("browse.more"), nil, func() { a.nav.open(newVisitPage(p, v)) })))
}

// ownerChanged asks whether the new owner of a known name is trusted.
func (p *browsePage) ownerChanged(d address, rest string) {
	a := p.app
	p.say(warn(a.t("browse.owner", "site", d.shown()), a.t("browse.owner.more"),
		newButton(a.t("browse.leave"), nil, func() { p.say() }),
		newButton(a.t("browse.owner.trust"), nil, func() {
			a.act(func(ctx context.Context) error { return a.ctl.Accept(ctx, d.host) }, func(err error) {
				if err != nil {
					p.say(a.problem(err))
					return
				}
				p.goTo(d.host + "/" + rest)
			})
		})))
}

// conflict lets the person choose between owners who claim the same name, by
// the addresses that nobody can dispute.
func (p *browsePage) conflict(d address, res control.Resolution) {
	a := p.app
	var choices []fyne.CanvasObject
	for _, r := range res.Rivals {
		rival := addressOf(r.Address)
		label := a.t("browse.conflict.open", "site", rival.short(), "date", a.date(r.FirstSeen))
		choices = append(choices, newButton(label, nil, func() { a.open(rival) }))
	}
	p.say(warn(a.t("browse.conflict", "site", d.shown()), a.t("browse.conflict.more"), choices...))
}

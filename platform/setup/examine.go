package setup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"altnet/platform/browser"
	"altnet/platform/splitdns"
	"altnet/platform/trust"
)

var errNotAsked = errors.New("this program does not know how to find out here")

func (e *examination) checkNode(context.Context) []Check {
	if e.Node == nil {
		return unknown("node", errNotAsked)
	}
	switch n := e.node; {
	case n.Failed != "":
		return []Check{check("", "node", "failed", Bad, "why", n.Failed)}
	case !n.Running:
		c := check("", "node", "down", Bad)
		c.Fix = e.StartNode
		return []Check{c}
	case !n.Online:
		return []Check{check("", "node", "offline", Warn)}
	case !n.Connected:
		return []Check{check("", "node", "alone", Warn)}
	}
	return []Check{check("", "node", "ok", OK)}
}

// checkPorts asks the gateway itself, past every proxy.
func (e *examination) checkPorts(ctx context.Context) []Check {
	switch {
	case !e.node.Running || e.Get == nil:
		return unknown("ports", errNotAsked)
	case e.node.Gateway == "":
		return []Check{check("", "ports", "closed", Bad)}
	}
	status, err := e.Get(ctx, "http://"+e.node.Gateway+"/proxy.pac")
	switch {
	case err != nil:
		return []Check{check("", "ports", "silent", Bad, "address", e.node.Gateway, "why", err.Error())}
	case status != http.StatusOK:
		return []Check{check("", "ports", "other", Bad, "address", e.node.Gateway)}
	}
	if e.cfg.Prove != nil {
		err = e.cfg.Prove(ctx)
	}
	switch {
	case errors.Is(err, splitdns.ErrImpostor):
		return []Check{check("", "ports", "other", Bad, "address", e.node.Gateway)}
	case err != nil:
		return []Check{check("", "ports", "unproved", Warn, "address", e.node.Gateway, "why", err.Error())}
	}
	return []Check{check("", "ports", "ok", OK, "address", e.node.Gateway)}
}

// checkDoors goes through every door that this machine gets.
func (e *examination) checkDoors(ctx context.Context) []Check {
	d, err := e.cfg.Decide(ctx)
	if err != nil {
		return unknown("door", err)
	}
	choice, err := e.Choice()
	if err != nil {
		return unknown("door", err)
	}
	var list []Check
	works := false
	for _, c := range d.Doors {
		if c.Door == splitdns.Localhost || c.Fallback && works {
			continue
		}
		one := e.checkDoor(ctx, c.Door, choice.Browsing)
		works = works || one.State == OK
		list = append(list, one)
	}
	for i, c := range list {
		if works && c.State == Warn {
			list[i].State = OK // one way in is enough
		}
	}
	for _, r := range d.Not {
		list = append(list, inTheWay(r, works))
	}
	return append(list, notes(d, works)...)
}

func (e *examination) checkDoor(ctx context.Context, name splitdns.Name, agreed bool) Check {
	id := "door:" + string(name)
	off := false
	door, err := e.cfg.Open(name, nil)
	if err == nil {
		err = door.Verify(ctx)
	}
	if errors.Is(err, splitdns.ErrTurnedOff) {
		off, _ = e.isOff(ctx, name) // where that cannot be read it counts as closed
	}
	var c Check
	switch {
	case err == nil:
		c = check(id, "door", "ok", OK)
	case !agreed:
		c = check(id, "door", "unset", Warn)
	case off: // by the person: there is nothing to mend
		c = check(id, "door", "off", Warn)
	default:
		c = check(id, "door", "closed", Bad, "why", err.Error())
	}
	if c.Title = way(name); off {
		return c
	}
	if c.State != OK && MaySet(string(name), e.cfg.Actor) && e.node.Running {
		c.Fix = func(ctx context.Context) error { return e.mendDoors(ctx) }
	}
	return c
}

// way names a door in few words.
func way(name splitdns.Name) Text { return say("doctor.way." + string(name)) }

// mendDoors agrees to browsing, which asking for a fix does, and sets the
// doors.
func (e *examination) mendDoors(ctx context.Context) error {
	choice, err := e.Choice()
	if err != nil {
		return err
	}
	choice.Browsing = true
	if err := e.choose(choice); err != nil {
		return err
	}
	r, err := e.Start(ctx)
	if err == nil && !r.Browsing {
		err = fmt.Errorf("%w: %s", splitdns.ErrClosed, r.Why)
	}
	return err
}

// inTheWay shows a door that cannot be used: no harm where another works.
func inTheWay(r splitdns.Refusal, works bool) Check {
	c := Check{ID: "door:" + string(r.Door), Title: way(r.Door), State: OK, Found: reason(r.Why, r.What), Remedy: advice(r.Do)}
	if !works {
		c.State, c.Means = Warn, say("doctor.door.refused.means")
	}
	return c
}

// notes are the decision's own remarks: other proxies, sandboxed browsers.
// They do no harm where names get in.
func notes(d splitdns.Decision, works bool) []Check {
	var list []Check
	state := Warn
	if works {
		state = OK
	}
	for _, n := range d.Notes {
		if n.About == splitdns.VPNActive || n.About == splitdns.BrowserDoH || n.About == splitdns.BrowserOwnProxy {
			continue // looked at by themselves
		}
		list = append(list, Check{ID: "note:" + string(n.About), Title: say("doctor.note"), State: state, Found: reason(n.About, n.What), Remedy: advice(n.Do)})
	}
	return list
}

// checkResolver asks for an ordinary name, which must resolve whatever we do,
// and for one of ours.
func (e *examination) checkResolver(ctx context.Context) []Check {
	if e.Lookup == nil {
		return unknown("resolver", errNotAsked)
	}
	if _, err := e.Lookup(ctx, "localhost"); err != nil {
		return []Check{check("", "resolver", "broken", Bad, "why", err.Error())}
	}
	addresses, err := e.Lookup(ctx, "altnet-doctor."+e.cfg.Trust.Suffix)
	switch {
	case err != nil || len(addresses) == 0:
		return []Check{check("", "resolver", "scriptonly", OK)}
	case slices.ContainsFunc(addresses, func(a string) bool { return !strings.HasPrefix(a, "127.") && a != "::1" }):
		return []Check{check("", "resolver", "leaks", Bad, "address", strings.Join(addresses, ", "))}
	}
	return []Check{check("", "resolver", "ok", OK)}
}

// checkBrowsers reads each profile for what passes by our doors.
func (e *examination) checkBrowsers(context.Context) []Check {
	if e.Browsers == nil {
		return unknown("browser", errNotAsked)
	}
	script := e.usesScript()
	var list []Check
	for _, b := range e.Browsers() {
		for _, p := range b.Profiles {
			list = append(list, e.checkProfile(b, p, script))
		}
	}
	return list
}

// usesScript reports whether names get in by a proxy script, which encrypted
// DNS does not touch.
func (e *examination) usesScript() bool {
	d, err := e.cfg.Decide(context.Background())
	return err == nil && slices.ContainsFunc(d.Doors, func(c splitdns.Choice) bool { return c.Door.Proxy() && !c.Fallback })
}

func (e *examination) checkProfile(b browser.Browser, p browser.Profile, script bool) Check {
	id, args := "browser:"+p.Dir, []string{"browser", b.Name, "profile", p.Name}
	settings := b.Effective(e.cfg.Trust.Env, p)
	switch {
	case settings.Proxy == browser.ProxyOwn && script:
		return check(id, "browser", "proxy", Bad, append(args, "pac", settings.PAC)...)
	case settings.Proxy == browser.ProxyNone && script:
		return check(id, "browser", "noproxy", Bad, args...)
	case settings.DoH == browser.DoHForced && !script:
		return check(id, "browser", string(b.Family)+"doh", Bad, args...)
	case settings.DoH == browser.DoHForced:
		return check(id, "browser", "dohharmless", OK, args...)
	}
	return check(id, "browser", "ok", OK, args...)
}

// checkTrust looks into every store.
func (e *examination) checkTrust(ctx context.Context) []Check {
	root, err := e.root()
	if err != nil {
		return unknown("trust", err)
	}
	choice, err := e.Choice()
	if err != nil {
		return unknown("trust", err)
	}
	var list []Check
	for _, store := range e.stores() {
		list = append(list, e.checkStore(ctx, store, root, choice.Trust))
	}
	return list
}

func (e *examination) checkStore(ctx context.Context, store trust.Store, root trust.Root, agreed bool) Check {
	id, args := "trust:"+store.ID, []string{"name", store.Name}
	if store.Blocked != "" {
		c := check(id, "trust", "blocked", Unknown, args...)
		c.Found, c.Remedy = blocked(store).Why, blocked(store).Do
		return c
	}
	err := e.trusts(ctx, store, root)
	switch {
	case err == nil:
		return check(id, "trust", "ok", OK, args...)
	case !errors.Is(err, errUntrusted):
		return check(id, "trust", "unknown", Unknown, append(args, "why", err.Error())...)
	case !agreed:
		return check(id, "trust", "declined", OK, args...)
	}
	c := check(id, "trust", "gone", Bad, args...)
	who, ok := e.actor(string(store.Kind))
	if ok {
		c.Prompt = who == Helper && e.cfg.Actor == User
		c.Fix = func(ctx context.Context) error { return e.mendStore(ctx, store, root, who) }
	}
	return c
}

func (e *examination) mendStore(ctx context.Context, store trust.Store, root trust.Root, who Actor) error {
	if who == e.cfg.Actor {
		return e.install(ctx, store, root)
	}
	if err := e.elevate(ctx, Request{Root: root.PEM(), Stores: []string{store.ID}}); err != nil {
		return err
	}
	return e.trusts(ctx, store, root)
}

// checkClock: certificates and records are worth nothing on a wrong clock.
func (e *examination) checkClock(ctx context.Context) []Check {
	if now := time.Now(); now.Before(e.node.Built) {
		return []Check{check("", "clock", "past", Bad, "now", now.Format("2006-01-02"))}
	}
	if e.Clock == nil {
		return unknown("clock", errNotAsked)
	}
	synchronised, err := e.Clock(ctx)
	switch {
	case err != nil:
		return unknown("clock", err)
	case !synchronised:
		return []Check{check("", "clock", "free", Warn)}
	}
	return []Check{check("", "clock", "ok", OK)}
}

func (e *examination) checkVPN(ctx context.Context) []Check {
	if e.Tunnels == nil {
		return unknown("vpn", errNotAsked)
	}
	tunnels, err := e.Tunnels(ctx)
	switch {
	case err != nil:
		return unknown("vpn", err)
	case len(tunnels) > 0:
		return []Check{check("", "vpn", "on", Warn, "interface", strings.Join(tunnels, ", "))}
	}
	return []Check{check("", "vpn", "ok", OK)}
}

// leastFree is what any disk should have left.
const leastFree = 1 << 30

func (e *examination) checkDisk(context.Context) []Check {
	if e.Free == nil || e.node.Data == "" {
		return unknown("disk", errNotAsked)
	}
	free, err := e.Free(e.node.Data)
	if err != nil {
		return unknown("disk", err)
	}
	args := []string{"free", humanize.Bytes(uint64(max(free, 0))), "folder", e.node.Data}
	switch {
	case free < leastFree:
		return []Check{check("", "disk", "full", Bad, args...)}
	case free < e.node.Needs:
		return []Check{check("", "disk", "tight", Warn, append(args, "needs", humanize.Bytes(uint64(e.node.Needs)))...)}
	}
	return []Check{check("", "disk", "ok", OK, args...)}
}

// checkAntivirus only reports: what such programs do to a node differs.
func (e *examination) checkAntivirus(ctx context.Context) []Check {
	if e.Antivirus == nil {
		return unknown("antivirus", errNotAsked)
	}
	names, err := e.Antivirus(ctx)
	switch {
	case err != nil:
		return unknown("antivirus", err)
	case len(names) == 0:
		return []Check{check("", "antivirus", "none", OK)}
	}
	return []Check{check("", "antivirus", "some", OK, "names", strings.Join(names, ", "))}
}

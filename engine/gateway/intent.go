package gateway

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// intent is what a request is for, as far as the browser tells.
//
// Browsers send Sec-Fetch-Site only to https and to localhost. To plain http
// under .alt they send less, and a page elsewhere can leave out the Referer
// and, with fetch, choose Accept. What it cannot do is run a script of this
// origin in a tab of its own without the reader seeing it. So a request that
// might be an embed (unsure) gets the waiting page, which refuses to be framed
// and whose script then asks again with a token.
type intent int

const (
	intentOwn    intent = iota // by the reader, the site itself, or a program that is no browser
	intentLink                 // a link from elsewhere, in a tab of its own
	intentUnsure               // a page, but nobody knows in what
	intentHidden               // part of a page, but nobody knows of which
	intentEmbed                // part of somebody else's page
)

// intentOf classifies a request for a site named name.
func intentOf(r *http.Request, name, suffix string) intent {
	speculative := strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch")
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case site == "none" || site == "same-origin" || site == "same-site":
		return intentOwn
	case site != "" && !speculative && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document":
		return intentLink
	case site != "" || speculative:
		return intentEmbed
	case !isBrowser(r):
		return intentOwn
	}
	page := wantsPage(r)
	switch from := origin(r); {
	case from == "" && page:
		return intentUnsure
	case from == "":
		return intentHidden
	case sameSite(from, name, suffix):
		return intentOwn
	case page && r.Header.Get("Origin") == "":
		return intentUnsure
	}
	return intentEmbed
}

// isBrowser reports whether a page could have made the request: no page can
// take these headers away.
func isBrowser(r *http.Request) bool {
	return strings.HasPrefix(r.UserAgent(), "Mozilla/") || r.Header.Get("Accept-Language") != ""
}

// wantsPage reports whether the answer will be shown as a page, so that a page
// can stand for it.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// origin is where the browser says the request comes from, "" where it does
// not say.
func origin(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "" {
		return o
	}
	return r.Referer()
}

// sameSite reports whether a URL belongs to the owner of name. The port and
// the door do not matter: all are this gateway's.
func sameSite(from, name, suffix string) bool {
	u, err := url.Parse(from)
	if err != nil || u.Host == "" {
		return false
	}
	at := locate(u.Host, suffix, netip.AddrPort{})
	return at.kind == hostSite && !at.bad && ownerName(at.name) == ownerName(name)
}

// familiar reports whether the reader opened the name before, so that another
// request makes the node fetch and hold nothing new.
func (g *Gateway) familiar(name string) bool {
	owner := ownerName(name)
	if g.known.Contains(owner) {
		return true
	}
	_, ok := g.cfg.Local(owner)
	return ok
}

func (g *Gateway) opened(name string) { g.known.Add(ownerName(name), struct{}{}) }

// knowsNoDoor reports whether a browser is a Safari before 26, which looks for
// *.localhost in the DNS and does not find it.
func knowsNoDoor(agent string) bool {
	_, version, ok := strings.Cut(agent, " Version/")
	if !ok || !strings.Contains(agent, " Safari/") || strings.Contains(agent, "Chrome/") || !strings.Contains(agent, "Mac OS X") {
		return false
	}
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n < 26
}

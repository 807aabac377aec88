package gateway

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// site answers a request for a site's host.
func (g *Gateway) site(w http.ResponseWriter, r *request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		g.fail(w, r, &Problem{Kind: kindMethod, Name: r.name})
		return
	}
	if r.TLS != nil && ownerName(strings.ToLower(r.TLS.ServerName)) != ownerName(r.name) {
		// The browser reused a connection made for another site.
		g.fail(w, r, &Problem{Kind: kindMisdirected, Name: r.name})
		return
	}
	if g.unsafe(r) && !g.trusted(r) && knowsNoDoor(r.UserAgent()) {
		g.fail(w, r, &Problem{Kind: kindNoDoor, Name: r.name})
		return
	}
	if to := g.elsewhere(r); to != "" {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r.Request, to, http.StatusTemporaryRedirect)
		return
	}
	r.intent = intentOf(r.Request, r.name, g.cfg.Suffix)
	switch {
	case r.Header.Get("Accept") == progressType:
		g.progress(w, r)
	case g.spendToken(w, r):
	case r.intent == intentEmbed, r.intent == intentHidden && !g.familiar(r.name):
		g.fail(w, r, &Problem{Kind: kindEmbed, Name: r.name})
	case r.intent == intentUnsure && !g.familiar(r.name):
		g.waiting(w, r, Progress{Stage: StageStart})
	default:
		g.opened(r.name)
		g.answer(w, r)
	}
}

// elsewhere returns the URL that a request has to go to, "" where it is right.
// All of it is asked about again each time: trust can be taken back.
func (g *Gateway) elsewhere(r *request) string {
	u := url.URL{Scheme: "http", Host: r.name, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	port := r.port
	trusted := g.trusted(r)
	switch {
	case r.TLS != nil:
		u.Scheme = "https"
	case trusted && (r.onDNS() || r.proxied && wantsPage(r.Request)):
		u.Scheme, port = "https", ""
		if g.cfg.TLSPort != 443 && !r.proxied {
			port = itoa(g.cfg.TLSPort)
		}
	case g.unsafe(r):
		u.Host, port = doorHost(r.name, g.cfg.Suffix), g.doorPort()
	case !r.moved:
		return ""
	case r.door:
		u.Host = doorHost(r.name, g.cfg.Suffix)
	}
	if r.TLS != nil && !r.moved {
		return ""
	}
	if port != "" {
		u.Host += ":" + port
	}
	return u.String()
}

// trusted reports whether https would open without a warning, and at all.
func (g *Gateway) trusted(r *request) bool {
	return g.cfg.CA != nil && (r.proxied || g.cfg.TLSPort != 0) && g.cfg.Trusted()
}

// unsafe reports whether a browser must not show a site at this address: over
// plain http and DNS a page counts as one of this machine's own, without a way
// to tell the browser otherwise, and could reach the reader's local services.
// The second door can say so. Other machines have no second door here.
func (g *Gateway) unsafe(r *request) bool {
	return r.onDNS() && isBrowser(r.Request) && fromHere(r.Request) && g.doorPort() != ""
}

// spendToken acts on the links of this gateway's pages, which carry a token in
// the query, and reports whether it answered.
func (g *Gateway) spendToken(w http.ResponseWriter, r *request) bool {
	if !strings.Contains(r.URL.RawQuery, "altnet-") {
		return false
	}
	q := r.URL.Query()
	for _, purpose := range []string{tokenOpen, tokenCopy, tokenClean} {
		if !q.Has(purpose) || !g.tokens.valid(purpose, ownerName(r.name), q.Get(purpose), time.Now()) {
			continue
		}
		g.opened(r.name)
		switch purpose {
		case tokenCopy:
			g.waits.preferCopy(ownerName(r.name), time.Now())
		case tokenClean:
			g.markClean(w, r, q.Get(cleanCookie))
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r.Request, withoutTokens(r.URL), http.StatusSeeOther)
		return true
	}
	return false
}

// withoutTokens is the path and query the reader asked for in the first place.
func withoutTokens(u *url.URL) string {
	var kept []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name != "" && !slices.Contains([]string{tokenOpen, tokenCopy, tokenClean, cleanCookie}, name) {
			kept = append(kept, pair)
		}
	}
	clean := url.URL{Path: localPath(u.Path), RawQuery: strings.Join(kept, "&")}
	return clean.String()
}

// withToken is the link that spends a token on the same page.
func (g *Gateway) withToken(r *request, purpose string, more ...string) string {
	u := url.URL{Path: localPath(r.URL.Path), RawQuery: r.URL.RawQuery}
	q := url.Values{purpose: {g.tokens.mint(purpose, ownerName(r.name), time.Now())}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+q.Encode(), "&")
	return u.String()
}

// localPath keeps "//other.host/" from being read as another host.
func localPath(p string) string { return "/" + strings.TrimLeft(p, "/\\") }

// answer looks the site up and serves it, or the page that stands for it.
func (g *Gateway) answer(w http.ResponseWriter, r *request) {
	page := wantsPage(r.Request)
	if page && !g.warm(r) {
		f, waiting, err := g.await(r)
		if waiting {
			g.waiting(w, r, g.cfg.Progress(r.name))
			return
		}
		g.finish(w, r, f, err)
		return
	}
	ctx, settle, cancel := g.patience(r.Context())
	defer cancel()
	f, err := g.lookup(ctx, r.name, r.URL.Path, page)
	settle()
	if err != nil {
		err = g.asProblem(ctx, err, r.name)
	}
	g.finish(w, r, f, err)
}

// finish serves the outcome of a look-up.
func (g *Gateway) finish(w http.ResponseWriter, r *request, f *found, err error) {
	if f != nil {
		defer f.Close()
	}
	if err != nil {
		g.fail(w, r, g.asProblem(r.Context(), err, r.name))
		return
	}
	g.deliver(w, r, f)
}

// patience bounds the time to a first byte but not what follows: settle stops
// the clock.
func (g *Gateway) patience(parent context.Context) (ctx context.Context, settle, cancel func()) {
	ctx, cause := context.WithCancelCause(parent)
	clock := time.AfterFunc(g.cfg.Timeout, func() { cause(errTimeout) })
	return ctx, func() { clock.Stop() }, func() { clock.Stop(); cause(nil) }
}

// lookup resolves the name and opens the path, up to the first byte.
func (g *Gateway) lookup(ctx context.Context, name, urlPath string, page bool) (*found, error) {
	s, err := g.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := g.openPath(ctx, s, urlPath, page)
	if err != nil {
		return f, g.asProblem(ctx, err, name)
	}
	return f, nil
}

// openPath opens what a site has at a path, up to the first byte.
func (g *Gateway) openPath(ctx context.Context, s Site, urlPath string, page bool) (*found, error) {
	f, err := find(ctx, s, urlPath, page)
	if err == nil && f.file != nil {
		err = f.load(g.cfg.Section != nil, &g.buffers)
	}
	if err != nil {
		f.Close()
		return &found{site: s}, err
	}
	return f, nil
}

// resolve prefers the local copy where the reader said so.
func (g *Gateway) resolve(ctx context.Context, name string) (Site, error) {
	if g.waits.prefersCopy(ownerName(name), time.Now()) {
		if s, ok := g.cfg.Local(name); ok {
			s.Stale = true
			return s, nil
		}
	}
	return g.cfg.Resolve(ctx, name)
}

// deliver sends what was found.
func (g *Gateway) deliver(w http.ResponseWriter, r *request, f *found) {
	if g.needsCleaning(r, f.site) {
		if isWorker(r.Request) {
			g.retire(w, r)
			return
		}
		if wantsPage(r.Request) {
			g.clean(w, r, f.site)
			return
		}
	}
	if f.redirect != "" {
		to := url.URL{Path: f.redirect, RawQuery: r.URL.RawQuery}
		w.Header().Set("Cache-Control", "no-cache")
		http.Redirect(w, r.Request, to.String(), http.StatusTemporaryRedirect)
		return
	}
	g.send(w, r, f)
}

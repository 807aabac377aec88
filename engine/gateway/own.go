package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"altnet/engine/record"
)

// ownPages serves the gateway's own address: what a browser needs to be set
// up, and the question about a new owner. Nothing here may be fetched by
// another page: that would tell it that AltNet runs here.
func (g *Gateway) ownPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", g.home)
	mux.HandleFunc("GET "+plainPAC, g.pac)
	mux.HandleFunc("GET "+g.PACPath(), g.pac)
	mux.HandleFunc("GET "+ProvePath, g.prove)
	mux.HandleFunc("GET /open", g.open)
	mux.HandleFunc("GET /ca.pem", g.certificate)
	mux.HandleFunc("GET /accept", g.ask)
	mux.HandleFunc("POST /accept", g.accept)
	mux.HandleFunc("/", g.nowhere)
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.pages.head(w.Header(), "text/plain; charset=utf-8")
		if foreign(r) || cross.Check(r) != nil {
			http.Error(w, "Not for other pages.", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// plainPAC is the path of the proxy configuration for people and scripts, who
// can read where it comes from. What is set in a browser has PACPath.
const plainPAC = "/proxy.pac"

// nowhere answers for addresses that the gateway does not have.
func (g *Gateway) nowhere(w http.ResponseWriter, r *http.Request) {
	p := &Problem{Kind: kindNowhere}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		p.Kind = kindMethod
	}
	g.fail(w, &request{Request: r, place: place{kind: hostOwn}}, p)
}

// pac is the proxy configuration: names under the suffix, and nothing else,
// come here.
func (g *Gateway) pac(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
	fmt.Fprintf(w, `function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\.$/, "");
  if (host === %[1]q || dnsDomainIs(host, %[2]q)) return "PROXY %[3]s";
  return "DIRECT";
}
`, g.cfg.Suffix, "."+g.cfg.Suffix, g.address(r))
}

// address is where this gateway is reached, as seen by the connection: the
// Host header is the client's word and decides nothing.
func (g *Gateway) address(r *http.Request) string {
	if local := localAddr(r); local.IsValid() && r.TLS == nil {
		return local.String()
	}
	return strings.TrimPrefix(g.homeURL(), "http://")
}

// homeURL is the URL of the gateway's own pages, "" where none is known.
func (g *Gateway) homeURL() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.origin
}

func (g *Gateway) home(w http.ResponseWriter, r *http.Request) { g.showHome(w, r, "") }

func (g *Gateway) showHome(w http.ResponseWriter, r *http.Request, complaint string) {
	t := g.pages.texts(r)
	say := func(key string) string { return g.pages.say(t, key, "") }
	v := view{
		Title: say("home.title"), Lead: say("home.lead"), State: complaint,
		Placeholder: say("home.placeholder"), Setup: say("home.setup"), PACText: say("home.pac"),
		PAC:  "http://" + g.address(r) + plainPAC,
		Door: g.doorURL(r, "name."+g.cfg.Suffix),
	}
	if g.cfg.CA != nil {
		v.CAText, v.Fingerprint = say("home.ca"), g.cfg.CA.FingerprintText()
	}
	if err := g.pages.show(w, r, http.StatusOK, "home", v); err != nil {
		g.log.Error("page not shown", "err", err)
	}
}

// open sends the reader to a site by the door that needs no setup.
func (g *Gateway) open(w http.ResponseWriter, r *http.Request) {
	typed := strings.TrimSpace(r.FormValue("name"))
	name := strings.ToLower(typed)
	if u, err := url.Parse(name); err == nil && u.Host != "" {
		name = u.Host
	}
	parsed, err := record.ParseName(strings.TrimSuffix(name, "/"), g.cfg.Suffix)
	if err != nil {
		g.showHome(w, r, g.pages.say(g.pages.texts(r), "home.badname", typed))
		return
	}
	http.Redirect(w, r, g.doorURL(r, parsed.Host(g.cfg.Suffix)), http.StatusSeeOther)
}

// doorURL is the second door of a name, which needs no setup.
func (g *Gateway) doorURL(r *http.Request, name string) string {
	u := url.URL{Scheme: "http", Host: doorHost(name, g.cfg.Suffix), Path: "/"}
	port := g.doorPort()
	if local := localAddr(r); port == "" && local.IsValid() {
		port = itoa(local.Port())
	}
	if port != "" {
		u.Host += ":" + port
	}
	return u.String()
}

func (g *Gateway) certificate(w http.ResponseWriter, r *http.Request) {
	if g.cfg.CA == nil {
		g.nowhere(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Header().Set("Content-Disposition", `attachment; filename="altnet-ca.pem"`)
	_, _ = w.Write(g.cfg.CA.PEM())
}

// reviewLink leads from the warning on the site's address, which the former
// owner's scripts may reach, to the question on the gateway's own, which they
// may not. "" where it cannot be asked.
func (g *Gateway) reviewLink(r *request, p *Problem) string {
	origin := g.homeURL()
	if local := localAddr(r.Request); origin == "" && local.IsValid() && r.TLS == nil {
		origin = "http://" + local.String()
	}
	if g.cfg.Accept == nil || origin == "" || p.Owner == "" || !fromHere(r.Request) {
		return ""
	}
	back := url.URL{Scheme: "http", Host: r.Host, Path: localPath(r.URL.Path), RawQuery: r.URL.RawQuery}
	if r.TLS != nil {
		back.Scheme = "https"
	}
	q := url.Values{"name": {p.Name}, "owner": {p.Owner}, "known": {p.Pinned}, "back": {back.String()}}
	q.Set("token", g.tokens.mint(tokenReview, question(q), time.Now()))
	return origin + "/accept?" + q.Encode()
}

// question is all that the tokens of one question are bound to.
func question(q url.Values) string {
	return strings.Join([]string{q.Get("name"), q.Get("owner"), q.Get("known"), q.Get("back")}, "\x00")
}

// ask shows the question. Only a link of this gateway's own opens it, so that
// no page can put up a question of its making.
func (g *Gateway) ask(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	t := g.pages.texts(r)
	if !fromHere(r) || g.cfg.Accept == nil || !g.tokens.valid(tokenReview, question(q), q.Get("token"), time.Now()) {
		http.Error(w, t.Get("accept.stale"), http.StatusForbidden)
		return
	}
	name := q.Get("name")
	v := view{
		Title: g.pages.say(t, "accept.title", name), Lead: g.pages.say(t, "accept.lead", name), Name: name,
		Owner: q.Get("owner"), Known: q.Get("known"), Back: q.Get("back"),
		Token: g.tokens.mint(tokenAccept, name+"\x00"+q.Get("owner")+"\x00"+q.Get("back"), time.Now()),
	}
	if err := g.pages.show(w, r, http.StatusOK, "accept", v); err != nil {
		g.log.Error("page not shown", "err", err)
	}
}

// accept does what the button says and goes back to the site.
func (g *Gateway) accept(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	name, owner, back := r.PostFormValue("name"), r.PostFormValue("owner"), r.PostFormValue("back")
	t := g.pages.texts(r)
	subject := name + "\x00" + owner + "\x00" + back
	if !fromHere(r) || g.cfg.Accept == nil || !g.tokens.valid(tokenAccept, subject, r.PostFormValue("token"), time.Now()) {
		http.Error(w, t.Get("accept.stale"), http.StatusForbidden)
		return
	}
	if err := g.cfg.Accept(r.Context(), name, owner); err != nil {
		g.log.Error("new owner not accepted", "name", name, "err", err)
		http.Error(w, t.Get("accept.failed"), http.StatusInternalServerError)
		return
	}
	g.log.Info("new owner accepted", "name", name, "owner", owner)
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// fromHere reports whether a request was made on this machine.
func fromHere(r *http.Request) bool {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

func (r *request) local() netip.AddrPort { return localAddr(r.Request) }

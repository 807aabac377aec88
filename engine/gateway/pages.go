package gateway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"altnet/assets"
	"altnet/engine/record"

	"github.com/dustin/go-humanize"
)

// pages renders the gateway's own pages in the reader's language.
type pages struct {
	suffix  string
	base    *template.Template
	catalog *assets.Catalog
	policy  string // Content-Security-Policy of every page
}

// view is what the templates are given.
type view struct {
	Lang, Title, Lead, Name, Tone string
	ASCII, Caution                string // the name as computers write it, where people read another
	Problem                       string // kind of a page that goes on trying
	State, Refresh, Token         string
	OpenLink, Back, Owner, Known  string
	Hints                         []string
	Claims                        []claimView
	Actions                       []action
	Details                       []detail
	Style                         template.CSS
	Script                        template.JS

	Placeholder, Setup, PAC, PACText, Door, CAText, Fingerprint string // home
}

type claimView struct{ Address, Link, Note string }

type action struct {
	Link, Text string
	Main       bool
}

type detail struct{ Key, Value string }

func newPages(suffix string) (*pages, error) {
	base, err := assets.Pages()
	if err != nil {
		return nil, err
	}
	catalog, err := assets.OpenCatalog()
	if err != nil {
		return nil, err
	}
	p := &pages{suffix: suffix, base: base, catalog: catalog}
	// Nothing may load or run in these pages but what they carry themselves. A
	// form's answer may redirect to a site, which Chromium counts as its action.
	p.policy = fmt.Sprintf("default-src 'none'; style-src %[1]s; script-src %[2]s %[3]s; img-src data:; connect-src 'self'; "+
		"form-action 'self' http://*.localhost:* http://*.%[4]s:* https://*.%[4]s:*; base-uri 'none'; frame-ancestors 'none'",
		source(string(assets.Style())), source(string(assets.Script("waiting"))), source(string(assets.Script("cleaning"))), suffix)
	return p, nil
}

func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p *pages) texts(r *http.Request) assets.Texts {
	return p.catalog.For(r.Header.Get("Accept-Language"))
}

// say returns a text with the names that most texts use filled in.
func (p *pages) say(t assets.Texts, key, name string) string {
	shown, _, _ := p.display(name)
	return t.Get(key, "name", shown, "suffix", p.suffix)
}

// display returns a name as people read it and, where that differs, as
// computers write it. One that is dressed up as another stays as it is, with
// the key of a warning.
func (p *pages) display(name string) (shown, ascii, caution string) {
	n, err := record.ParseName(name, p.suffix)
	if err != nil {
		return name, "", ""
	}
	shown, warning := n.Display(p.suffix)
	switch warning {
	case record.MixedScripts:
		return name, "", "caution.mixed"
	case record.LookAlike:
		return name, "", "caution.lookalike"
	}
	if shown == name {
		return name, "", ""
	}
	return shown, name, ""
}

// show renders one page. The request is a GET or HEAD by a browser.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, page string, v view) error {
	t := p.texts(r)
	name := v.Name
	v.Lang, v.Style = t.Lang, assets.Style()
	if v.Name, v.ASCII, v.Caution = p.display(name); v.Caution != "" {
		v.Caution = t.Get(v.Caution)
	}
	tmpl, err := p.base.Clone()
	if err != nil {
		return fmt.Errorf("render the page %s: %w", page, err)
	}
	tmpl.Funcs(template.FuncMap{"t": func(key string) string { return p.say(t, key, name) }})
	var buf bytes.Buffer
	if err := tmpl.ExecuteTemplate(&buf, page, v); err != nil {
		return fmt.Errorf("render the page %s: %w", page, err)
	}
	p.head(w.Header(), "text/html; charset=utf-8")
	w.Header().Set("Content-Language", t.Lang)
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = buf.WriteTo(w) // the browser went away
	}
	return nil
}

// head sets the headers of everything that is the gateway's and not a site's.
func (p *pages) head(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", p.policy)
}

// state is the line of the waiting page that says what is going on.
func (p *pages) state(t assets.Texts, now Progress) string {
	key := "waiting." + string(now.Stage)
	if now.Stage == StageFetching {
		switch {
		case now.Peers == 1:
			key += ".one"
		case now.Peers <= 0:
			key = "waiting." + string(StageConnecting)
		}
	}
	line := t.Get(key, "peers", strconv.Itoa(now.Peers))
	switch {
	case now.Total > 0:
		line += " · " + t.Get("waiting.bytes", "done", size(t, now.Done), "total", size(t, now.Total))
	case now.Done > 0:
		line += " · " + size(t, now.Done)
	}
	return line
}

func size(t assets.Texts, n int64) string {
	return strings.Replace(humanize.Bytes(uint64(max(0, n))), ".", t.Get("decimal"), 1)
}

// fail answers with a problem: a page where one can be shown, else a line.
func (g *Gateway) fail(w http.ResponseWriter, r *request, p *Problem) {
	look := looksOf(p.Kind)
	g.note(r, p, look)
	if look.gone && isWorker(r.Request) {
		g.retire(w, r)
		return
	}
	h := w.Header()
	h.Set("Altnet-Problem", string(p.Kind))
	if look.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", cmp.Or(look.refresh, "30"))
	}
	t := g.pages.texts(r.Request)
	title, lead := g.pages.say(t, string(p.Kind)+".title", p.Name), g.pages.say(t, string(p.Kind)+".lead", p.Name)
	if !p.Since.IsZero() {
		shown, _, _ := g.pages.display(p.Name)
		lead = t.Get("blocked.here", "name", shown, "date", date(p.Since))
	}
	if !wantsPage(r.Request) {
		g.pages.head(h, "text/plain; charset=utf-8")
		h.Set("Content-Language", t.Lang)
		w.WriteHeader(look.status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "%s\n%s\n", title, lead)
		}
		return
	}
	v := view{
		Title: title, Lead: lead, Name: p.Name, Tone: look.tone, Refresh: look.refresh,
		Claims: g.claims(t, r, p), Actions: g.actions(t, r, p, look), Details: details(t, r, p),
	}
	v.Hints = g.hints(t, p, look)
	if look.live && r.kind == hostSite {
		v.Problem, v.Script, v.State = string(p.Kind), assets.Script("waiting"), t.Get("waiting.again")
		v.Token = g.tokens.mint(tokenOpen, ownerName(r.name), time.Now())
	}
	if err := g.pages.show(w, r.Request, look.status, "problem", v); err != nil {
		g.log.Error("page not shown", "err", err)
		http.Error(w, title, look.status)
	}
}

// hints are what a reader can do.
func (g *Gateway) hints(t assets.Texts, p *Problem, look looks) []string {
	if !p.Since.IsZero() {
		return []string{g.pages.say(t, "blocked.here.hint", p.Name)}
	}
	var out []string
	if p.Reason != "" {
		out = append(out, t.Get("detail.reason")+": "+p.Reason)
	}
	for i := range look.hints {
		out = append(out, g.pages.say(t, fmt.Sprintf("%s.hint.%d", p.Kind, i+1), p.Name))
	}
	return out
}

func (g *Gateway) note(r *request, p *Problem, look looks) {
	if look.status == http.StatusInternalServerError {
		g.log.Error("site not shown", "name", p.Name, "path", r.URL.Path, "err", p)
		return
	}
	g.log.Debug("site not shown", "name", p.Name, "kind", p.Kind, "err", p.Err)
}

func (g *Gateway) claims(t assets.Texts, r *request, p *Problem) []claimView {
	var out []claimView
	for _, c := range p.Claims {
		v := claimView{Address: c.Address}
		if at := locate(c.Address, g.cfg.Suffix, r.local()); at.kind == hostSite && !at.bad {
			v.Link = r.siteURL(c.Address, g.cfg.Suffix)
		}
		if c.Total > 0 {
			v.Note = t.Get("conflict.groups", "n", strconv.Itoa(c.Groups), "total", strconv.Itoa(c.Total))
		}
		if !c.Since.IsZero() {
			v.Note = strings.TrimPrefix(v.Note+", "+t.Get("detail.since", "date", date(c.Since)), ", ")
		}
		out = append(out, v)
	}
	return out
}

func (g *Gateway) actions(t assets.Texts, r *request, p *Problem, look looks) []action {
	var out []action
	add := func(key, link string) {
		out = append(out, action{Link: link, Text: g.pages.say(t, key, p.Name), Main: len(out) == 0})
	}
	switch p.Kind {
	case kindNotFound, kindNoIndex:
		if localPath(r.URL.Path) != "/" {
			add(string(p.Kind)+".home", "/")
		}
	case kindNowhere:
		add("nowhere.home", "/")
	case kindEmbed:
		add("embed.open", r.siteURL(r.name, g.cfg.Suffix))
	case OwnerChanged:
		if link := g.reviewLink(r, p); link != "" {
			add("ownerchanged.review", link)
		}
	}
	if look.retry {
		again := url.URL{Path: localPath(r.URL.Path), RawQuery: r.URL.RawQuery}
		add("retry", again.String())
	}
	if p.Kind == NoPeer || p.Kind == kindTimeout {
		if s, ok := g.cfg.Local(r.name); ok {
			out = append(out, action{Link: g.withToken(r, tokenCopy), Text: t.Get("waiting.copy", "date", date(s.Date))})
		}
	}
	return out
}

func details(t assets.Texts, r *request, p *Problem) []detail {
	var out []detail
	add := func(key, value string) {
		if value != "" {
			out = append(out, detail{t.Get("detail." + key), value})
		}
	}
	if r.kind == hostSite {
		add("path", r.URL.Path)
	}
	add("owner", p.Owner)
	add("pinned", p.Pinned)
	if p.Err != nil {
		add("problem", p.Err.Error())
	}
	return out
}

func date(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// siteURL opens another name by the door this request came through.
func (r *request) siteURL(name, suffix string) string {
	u := url.URL{Scheme: "http", Host: name, Path: "/"}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	if r.door {
		u.Host = doorHost(name, suffix)
	}
	if r.port != "" {
		u.Host += ":" + r.port
	}
	return u.String()
}

// waiting shows that a site is on its way. It is never framed (its policy says
// so), and its script asks with the token.
func (g *Gateway) waiting(w http.ResponseWriter, r *request, now Progress) {
	t := g.pages.texts(r.Request)
	v := view{
		Name: r.name, Title: g.pages.say(t, "waiting.title", r.name), Lead: g.pages.say(t, "waiting.lead", r.name),
		State: g.pages.state(t, now), Script: assets.Script("waiting"),
		Token:    g.tokens.mint(tokenOpen, ownerName(r.name), time.Now()),
		OpenLink: g.withToken(r, tokenOpen),
	}
	if s, ok := g.cfg.Local(r.name); ok {
		v.Actions = []action{{Link: g.withToken(r, tokenCopy), Text: t.Get("waiting.copy", "date", date(s.Date))}}
	}
	w.Header().Set("Altnet-Problem", "waiting")
	if err := g.pages.show(w, r.Request, http.StatusOK, "waiting", v); err != nil {
		g.log.Error("page not shown", "err", err)
	}
}

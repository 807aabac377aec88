package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"altnet/assets"
)

// When the reader accepted another owner of a name, every browser on this
// machine may still hold what the former owner's pages stored under it:
// cookies, databases, a service worker that answers in the site's stead. A
// browser shows by a cookie that it was cleared; without it, its first page
// under the name is one that clears and then sets it. No site's files but the
// new owner's are ever seen by it afterwards.

const (
	// cleanCookie holds a mark of the owner for whom the browser was cleared.
	cleanCookie = "altnet-owner"
	// wipeGrace is how long a browser that was just cleared may come without
	// the cookie, once: it keeps none, and would be cleared for ever.
	wipeGrace = 10 * time.Second
	// clearAll is heeded over https and by localhost; the page's script does
	// the same where it is not.
	clearAll = `"cache", "cookies", "storage"`
)

// ownerMark is what a browser shows that was cleared for owner. It is a secret
// of this node: the former owner's pages could set a cookie that they can
// compute, before they lose the name.
func (g *Gateway) ownerMark(name, owner string) string {
	m := hmac.New(sha256.New, g.marks[:])
	m.Write([]byte("owner mark\x00" + name + "\x00" + owner))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// needsCleaning reports whether the browser may hold a former owner's data.
func (g *Gateway) needsCleaning(r *request, s Site) bool {
	if !s.OwnerChanged || !isBrowser(r.Request) {
		return false
	}
	mark := g.ownerMark(s.Name, s.Owner)
	for _, c := range r.CookiesNamed(cleanCookie) {
		if c.Value == mark {
			g.wiped.Remove(wipeKey(r))
			return false
		}
	}
	if !wantsPage(r.Request) {
		return true
	}
	at, ok := g.wiped.Get(wipeKey(r))
	g.wiped.Remove(wipeKey(r))
	return !ok || time.Since(at) > wipeGrace
}

// wipeKey is one page in one kind of browser.
func wipeKey(r *request) string { return shortKey(r.Host, r.URL.Path, r.UserAgent()) }

// clean shows the page that clears what the browser holds.
func (g *Gateway) clean(w http.ResponseWriter, r *request, s Site) {
	t := g.pages.texts(r.Request)
	v := view{
		Name: r.name, Title: g.pages.say(t, "cleaning.title", r.name), Lead: g.pages.say(t, "cleaning.lead", r.name),
		State: g.pages.say(t, "cleaning.continue", r.name), Script: assets.Script("cleaning"),
		OpenLink: g.withToken(r, tokenClean, cleanCookie, g.ownerMark(s.Name, s.Owner)),
	}
	w.Header().Set("Clear-Site-Data", clearAll)
	if err := g.pages.show(w, r.Request, http.StatusOK, "cleaning", v); err != nil {
		g.log.Error("page not shown", "err", err)
	}
}

// markClean notes in the browser that it was cleared. A header that clears in
// the same answer would take this cookie along, so it comes by the next one.
func (g *Gateway) markClean(w http.ResponseWriter, r *request, mark string) {
	if raw, err := hex.DecodeString(mark); err != nil || len(raw) != 16 {
		return
	}
	g.wiped.Add(wipeKey(r), time.Now())
	http.SetCookie(w, &http.Cookie{
		Name: cleanCookie, Value: mark, Path: "/", MaxAge: 400 * 24 * 3600,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}

// isWorker reports whether a browser asks for the script of a service worker.
func isWorker(r *http.Request) bool { return r.Header.Get("Service-Worker") == "script" }

// retire answers with a worker that removes itself, so that an owner who must
// not speak for the name any more does not go on answering in the browser.
func (g *Gateway) retire(w http.ResponseWriter, r *request) {
	g.pages.head(w.Header(), "text/javascript; charset=utf-8")
	w.Header().Set("Altnet-Problem", "retired")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(assets.Script("retire")))
	}
}

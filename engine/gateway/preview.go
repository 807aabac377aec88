package gateway

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A preview shows an author a version of their site that readers may never
// see. It has an origin of its own, http://TOKEN.localhost:PORT/, which nobody
// can guess, answers to this machine alone, is not embedded anywhere, leaves
// nothing in caches and tells no other site where the reader came from.

// maxPreviews bounds what is open at a time; the oldest makes room.
const maxPreviews = 32

// ErrNoPreview is returned where a browser has no way to a preview.
var ErrNoPreview = errors.New("the gateway has no http address on this computer")

// tokens of previews are 128 bits.
var previewText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const previewLen = 26

// isPreview reports whether a label has the form of a preview's token.
func isPreview(label string) bool {
	return len(label) == previewLen && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// previews are the versions that are open, by token.
type previews struct {
	mu   sync.Mutex
	open map[string]*preview
}

type preview struct {
	site  Site
	began time.Time
	clock *time.Timer
	end   func()
}

// Preview opens a version for life and returns its URL. end, which may be nil,
// is called once when nobody can read it any more. ErrNoPreview is returned
// where no http address of this computer is served.
func (g *Gateway) Preview(s Site, life time.Duration, end func()) (url string, err error) {
	port := g.doorPort()
	if port == "" {
		return "", ErrNoPreview
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	token := previewText.EncodeToString(raw[:])
	p := &preview{site: s, began: time.Now(), end: end}
	g.looked.mu.Lock()
	defer g.looked.mu.Unlock()
	if g.looked.open == nil {
		g.looked.open = map[string]*preview{}
	}
	if len(g.looked.open) >= maxPreviews {
		g.looked.dropLocked(g.looked.oldestLocked())
	}
	g.looked.open[token] = p
	p.clock = time.AfterFunc(life, func() {
		g.looked.mu.Lock()
		defer g.looked.mu.Unlock()
		g.looked.dropLocked(token)
	})
	return "http://" + net.JoinHostPort(token+".localhost", port) + "/", nil
}

// EndPreviews ends those of the sites that match; nil matches all.
func (g *Gateway) EndPreviews(match func(Site) bool) {
	g.looked.mu.Lock()
	defer g.looked.mu.Unlock()
	for token, p := range g.looked.open {
		if match == nil || match(p.site) {
			g.looked.dropLocked(token)
		}
	}
}

func (ps *previews) get(token string) (Site, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p, ok := ps.open[token]
	if !ok {
		return Site{}, false
	}
	return p.site, true
}

func (ps *previews) oldestLocked() (oldest string) {
	for token, p := range ps.open {
		if oldest == "" || p.began.Before(ps.open[oldest].began) {
			oldest = token
		}
	}
	return oldest
}

func (ps *previews) dropLocked(token string) {
	p, ok := ps.open[token]
	if !ok {
		return
	}
	delete(ps.open, token)
	p.clock.Stop()
	if p.end != nil {
		p.end()
	}
}

// preview answers a request for a preview's host.
func (g *Gateway) preview(w http.ResponseWriter, r *request) {
	s, ok := g.looked.get(r.name)
	switch {
	case !fromHere(r.Request), foreign(r.Request), isWorker(r.Request):
		g.fail(w, r, &Problem{Kind: kindMisdirected})
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		g.fail(w, r, &Problem{Kind: kindMethod})
		return
	case !ok:
		g.fail(w, r, &Problem{Kind: kindPreviewOver})
		return
	}
	ctx, settle, cancel := g.patience(r.Context())
	defer cancel()
	f, err := g.openPath(ctx, s, r.URL.Path, wantsPage(r.Request))
	settle()
	if err != nil {
		err = g.asProblem(ctx, err, s.Name)
	}
	g.finish(w, r, f, err)
}

// foreign reports whether another page asks, other than by a link.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "none" && site != "same-origin" &&
		(r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document")
}

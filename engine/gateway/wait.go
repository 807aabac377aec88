package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// progressType is what the waiting page's script asks for.
	progressType = "application/vnd.altnet.progress+json"
	// pollHold is how long one of its questions is held.
	pollHold = time.Second
	// maxWaits bounds the look-ups that go on without a request.
	maxWaits = 128
	// outcomeLife is how long a failed look-up waits for the page to ask.
	outcomeLife = 10 * time.Second
	// copyLife is how long the local copy is shown after the reader chose it.
	copyLife = 5 * time.Minute
	// warmWithin and warmLife: a page that was there within the one is taken
	// to be there for the other, and is looked up without being watched.
	warmWithin = 20 * time.Millisecond
	warmLife   = 30 * time.Second
)

// waits holds the look-ups that outlive the request which began them: it got
// the waiting page, whose script asks for the outcome.
type waits struct {
	mu      sync.Mutex
	running map[string]*wait
	ended   map[string]outcome
	copies  map[string]time.Time // by owner's name: until when the copy is preferred
}

// wait is one look-up. Its flags are guarded by the lock of waits.
type wait struct {
	done  chan struct{} // closed at the end; then f and err are set
	f     *found
	err   error
	free  func() // ends its context
	over  bool   // ended
	alone bool   // left without its request: nobody takes f
}

type outcome struct {
	err   error
	until time.Time
}

func newWaits() *waits {
	return &waits{running: map[string]*wait{}, ended: map[string]outcome{}, copies: map[string]time.Time{}}
}

// find returns the look-up under way for a page, or how it failed just now.
func (ws *waits) find(key string, now time.Time) (*wait, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if e, ok := ws.ended[key]; ok {
		delete(ws.ended, key)
		if now.Before(e.until) {
			return nil, e.err
		}
	}
	return ws.running[key], nil
}

// leave keeps a look-up going without its request. over: it has just ended.
// full: too many go on already.
func (ws *waits) leave(key string, w *wait) (over, full bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w.over {
		return true, false
	}
	w.alone = true
	if _, ok := ws.running[key]; !ok && len(ws.running) >= maxWaits {
		return false, true
	}
	ws.running[key] = w
	return false, false
}

// end notes that a look-up came out, and how, for the page that asks. It
// reports whether it was left alone.
func (ws *waits) end(key string, w *wait, now time.Time) (alone bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.over = true
	if !w.alone {
		return false
	}
	if ws.running[key] == w {
		delete(ws.running, key)
	}
	for k, e := range ws.ended {
		if !now.Before(e.until) {
			delete(ws.ended, k)
		}
	}
	if w.err != nil && len(ws.ended) < maxWaits {
		ws.ended[key] = outcome{w.err, now.Add(outcomeLife)}
	}
	return true
}

func (ws *waits) preferCopy(name string, now time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for k, until := range ws.copies {
		if !now.Before(until) {
			delete(ws.copies, k)
		}
	}
	ws.copies[name] = now.Add(copyLife)
}

func (ws *waits) prefersCopy(name string, now time.Time) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	until, ok := ws.copies[name]
	return ok && now.Before(until)
}

func waitKey(r *request) string { return shortKey(r.name, r.URL.Path) }

// shortKey is one key of several texts. Pages choose their paths, which may be
// as long as a request's head: a map of thousands must not hold them.
func shortKey(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return string(sum[:])
}

// await looks a page up for as long as a reader looks at nothing, then leaves
// the look-up running and reports waiting.
func (g *Gateway) await(r *request) (f *found, waiting bool, err error) {
	key := waitKey(r)
	running, err := g.waits.find(key, time.Now())
	if err != nil {
		return nil, false, err
	}
	if running != nil {
		return nil, true, nil
	}
	began := time.Now()
	w := g.begin(key, r)
	clock := time.NewTimer(g.cfg.WaitAfter)
	defer clock.Stop()
	select {
	case <-w.done:
		if now := time.Now(); w.err == nil && now.Sub(began) < warmWithin {
			g.quick.Add(key, now)
		}
		return g.take(w, r)
	case <-clock.C:
	case <-r.Context().Done():
	}
	return g.abandon(key, w, r)
}

// warm reports whether the page was there at once a moment ago.
func (g *Gateway) warm(r *request) bool {
	at, ok := g.quick.Get(waitKey(r))
	return ok && time.Since(at) < warmLife
}

// take hands the outcome to the request, whose end then ends its reading.
func (g *Gateway) take(w *wait, r *request) (*found, bool, error) {
	context.AfterFunc(r.Context(), w.free)
	return w.f, false, w.err
}

func (g *Gateway) abandon(key string, w *wait, r *request) (*found, bool, error) {
	switch over, full := g.waits.leave(key, w); {
	case over:
		<-w.done
		return g.take(w, r)
	case full:
		w.free()
		return nil, false, &Problem{Kind: kindBusy, Name: r.name}
	}
	return nil, true, nil
}

// begin starts a look-up that does not depend on the request.
func (g *Gateway) begin(key string, r *request) *wait {
	ctx, settle, cancel := g.patience(g.base)
	w := &wait{done: make(chan struct{}), free: cancel}
	name, path := r.name, r.URL.Path
	g.running.Go(func() {
		defer close(w.done)
		w.f, w.err = g.lookup(ctx, name, path, true)
		settle()
		if w.err != nil {
			w.err = g.asProblem(ctx, w.err, name)
		}
		if g.waits.end(key, w, time.Now()) {
			if w.f != nil {
				w.f.Close()
			}
			cancel()
		}
	})
	return w
}

// progress answers the waiting page's script. Asking with its token proves
// that the page is shown in a tab of its own, which opens the site.
func (g *Gateway) progress(w http.ResponseWriter, r *request) {
	w.Header().Set("Content-Type", progressType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !g.tokens.valid(tokenOpen, ownerName(r.name), r.Header.Get("Altnet-Open"), time.Now()) {
		// Shown before a restart, or for more than an hour: load it again.
		writeJSON(w, progressReply{Ready: true})
		return
	}
	g.opened(r.name)
	t := g.pages.texts(r.Request)
	shown := Kind(r.Header.Get("Altnet-Shown"))
	running, ready := g.join(r, shown)
	if !ready {
		ready = running.hold(r.Context(), shown)
	}
	if running == nil && !ready {
		writeJSON(w, progressReply{Text: t.Get("waiting.again")})
		return
	}
	p := g.cfg.Progress(r.name)
	writeJSON(w, progressReply{Ready: ready, Text: g.pages.state(t, p), Done: p.Done, Total: p.Total, Peers: p.Peers})
}

// hold keeps a question for a moment and reports whether the page has something
// new to show by then: another outcome than the problem that it shows already.
func (w *wait) hold(ctx context.Context, shown Kind) (ready bool) {
	var done <-chan struct{}
	if w != nil {
		done = w.done
	}
	clock := time.NewTimer(pollHold)
	defer clock.Stop()
	select {
	case <-done:
		return w.err == nil || !sameProblem(w.err, shown)
	case <-clock.C:
	case <-ctx.Done():
	}
	return false
}

// sameProblem reports whether an outcome is a problem that the page shows
// already while it goes on trying.
func sameProblem(err error, shown Kind) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Kind == shown && looksOf(p.Kind).live
}

// join finds the look-up of a page or begins one. ready: the page need not
// wait. Neither: it failed as the page says already, and rests for a while.
func (g *Gateway) join(r *request, shown Kind) (running *wait, ready bool) {
	key := waitKey(r)
	g.waits.mu.Lock()
	ended, failed := g.waits.ended[key]
	failed = failed && time.Now().Before(ended.until)
	running = g.waits.running[key]
	g.waits.mu.Unlock()
	if failed {
		return nil, !sameProblem(ended.err, shown)
	}
	if running != nil {
		return running, false
	}
	running = g.begin(key, r)
	if f, waiting, _ := g.abandon(key, running, r); !waiting {
		if f != nil {
			f.Close()
		}
		return nil, true
	}
	return running, false
}

type progressReply struct {
	Ready bool   `json:"ready"`
	Text  string `json:"text"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Peers int    `json:"peers"`
}

func writeJSON(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // the browser went away
}

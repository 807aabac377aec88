package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"altnet/engine"
	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/publisher"
	"altnet/platform"
	"altnet/platform/notify"
)

// home is the node that the agent of a profile has, and what is still to be
// done since it took the place of another one: a service that was installed has
// nothing of what the agent's own node had, and the other way round.
type home struct {
	Node   string       `json:"node"`             // ID
	Host   control.Host `json:"host"`             //
	Former string       `json:"former,omitempty"` // ID of the node before; "" for none
	Owed   bool         `json:"owed,omitempty"`   // something of the person's is not here yet
	// Settings are the last that were seen of a node that may be a peer, the one
	// before while something is owed.
	Settings *control.Settings `json:"settings,omitempty"`
	Offline  bool              `json:"offline,omitempty"` // the person switched it off
}

// homeFile is where an agent remembers its node.
func homeFile(profile string) string { return filepath.Join(agentDir(profile), "home.json") }

// loadHome returns what was remembered; nothing is no error.
func loadHome(profile string) (home, error) {
	h, err := loadJSON[home](homeFile(profile))
	if err != nil {
		return h, fmt.Errorf("read which node was here: %w", err)
	}
	return h, nil
}

func (h home) save(profile string) error {
	if err := platform.Private(agentDir(profile)); err != nil {
		return err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(homeFile(profile)+".new", text, 0o600); err != nil {
		return fmt.Errorf("remember the node: %w", err)
	}
	return os.Rename(homeFile(profile)+".new", homeFile(profile))
}

// next is the home after a node was met. moved says that it took the place of
// another one, own is the ID of the agent's own node where one ever ran.
func (h home) next(st control.Status, own string) (now home, moved bool) {
	if st.NodeID == h.Node {
		return h, false
	}
	former := h.Node
	if former == "" && st.Host == control.HostService && own != st.NodeID {
		former = own // of an agent that remembered nothing
	}
	return home{Node: st.NodeID, Host: st.Host, Former: former, Owed: former != "", Settings: h.Settings, Offline: h.Offline}, former != ""
}

// settleIn notices that the node is another one than before, tells the person
// and sees to it that nothing of theirs is left behind.
func (a *agent) settleIn(ctx context.Context) {
	st := a.state.Status
	if st.NodeID == "" || a.opts.fixedData() {
		return
	}
	before := a.home
	now, moved := before.next(st, a.host.ownNode())
	if a.home = now; now != before {
		a.saveHome()
	}
	if moved && before.Host != st.Host {
		key := "note.to-agent"
		if st.Host == control.HostService {
			key = "note.to-service"
		}
		a.log.Info("another node has taken the place of the one before", "node", st.NodeID, "host", st.Host)
		a.notify(ctx, notify.Note{Subject: "home", Title: a.texts.Get(key + ".title"), Body: a.texts.Get(key + ".body")})
	}
	if now.Owed && !a.fetching {
		a.fetching = true
		a.tasks.Go(func() { a.fetchAll(ctx, now) })
	}
}

func (a *agent) saveHome() {
	if err := a.home.save(a.profile); err != nil {
		a.log.Warn("a change of the node will not be noticed at the next start", "err", err)
	}
}

// noteAgain is how old the settings may be that are remembered, noteSoon where
// an event tells of a change.
const (
	noteAgain = 10 * time.Minute
	noteSoon  = 5 * time.Second
)

// noteSettings remembers what the person agreed to, for a node that may take
// this one's place. What somebody else decided for a service is not theirs.
func (a *agent) noteSettings(ctx context.Context) {
	st := a.state.Status
	same := (st.Accepted && st.Operator) == (a.home.Settings != nil) && (st.Accepted && !st.Online) == a.home.Offline
	if since := time.Since(a.noted); a.home.Owed || a.opts.fixedData() || since < noteSoon || same && since < noteAgain {
		return
	}
	a.noted = time.Now()
	node := a.home.Node
	a.tasks.Go(func() {
		s, err := a.host.client.Settings(ctx)
		if err != nil {
			return // a stranger to the node
		}
		a.post(ctx, func() { a.remember(node, s) })
	})
}

func (a *agent) remember(node string, s control.Settings) {
	if node != a.home.Node || a.home.Owed {
		return
	}
	a.home.Offline = a.state.Status.Accepted && !a.state.Status.Online
	if a.home.Settings = &s; s.Accepted.IsZero() || !a.state.Status.Operator {
		a.home.Settings = nil
	}
	a.saveHome()
}

// fetchWaits are the waits between attempts at what is not here yet; the last
// one goes on.
var fetchWaits = [...]time.Duration{20 * time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute}

// saySoon is after how many attempts the person is told what is missing.
const saySoon = 2

// fetchAll brings what the person had on the former node to the present one,
// until all of it is here or the node is another one.
func (a *agent) fetchAll(ctx context.Context, h home) {
	defer a.post(context.WithoutCancel(ctx), func() { a.fetching = false })
	for i := 0; ctx.Err() == nil; i++ {
		missing, err := a.fetchOnce(ctx, h)
		switch {
		case errors.Is(err, errMoved):
			return
		case err != nil:
			a.log.Warn("bring to this node what was on the one before", "err", err)
		case len(missing) == 0:
			a.post(ctx, func() { a.arrived(h) })
			return
		case i+1 == saySoon:
			a.post(ctx, func() { a.sayMissing(ctx, missing) })
		}
		select {
		case <-time.After(fetchWaits[min(i, len(fetchWaits)-1)]):
		case <-ctx.Done():
		}
	}
}

// arrived notes that nothing is owed any more.
func (a *agent) arrived(h home) {
	if a.home.Node != h.Node {
		return
	}
	a.log.Info("everything of the former node's that belongs to the person is here")
	a.home.Owed = false
	a.saveHome()
	a.noted = time.Time{}
}

func (a *agent) sayMissing(ctx context.Context, missing []string) {
	a.notify(ctx, notify.Note{Subject: "home", Title: a.texts.Get("note.missing.title"),
		Body: a.texts.Get("note.missing.body", "names", strings.Join(missing, ", ")), Urgent: true})
}

// errMoved ends an attempt for a node that is no longer here.
var errMoved = errors.New("the node is another one by now")

func (a *agent) fetchOnce(ctx context.Context, h home) (missing []string, err error) {
	st, err := a.host.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	if st.NodeID != h.Node {
		return nil, errMoved
	}
	p, err := publisher.Open(a.profile)
	if err != nil {
		return nil, err
	}
	r := removal{profile: p, to: a.host.client, node: st, settings: h.Settings, offline: h.Offline, log: a.log}
	if h.Host == control.HostService {
		from, err := a.host.ownEngine(ctx)
		if err != nil {
			return nil, err
		}
		if from != nil {
			defer from.Close()
			r.from = from
			r.askFormer(ctx)
		}
	}
	return r.run(ctx)
}

// ownNode is the ID of the agent's own node, "" where none ever ran.
func (h *host) ownNode() string {
	key, err := identity.LoadKey(h.keyFile())
	if err != nil {
		return ""
	}
	return key.ID().String()
}

func (h *host) keyFile() string {
	return filepath.Join(first(h.opts.keydir, filepath.Join(h.dataFolder(), "keys")), identity.KeyFile)
}

func (h *host) dataFolder() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.data
}

// ownEngine opens the agent's own node while a service is the node, without a
// door: to give away what is the person's. It is nil where none ever ran.
func (h *host) ownEngine(ctx context.Context) (*engine.Engine, error) {
	if _, err := os.Stat(h.keyFile()); err != nil {
		return nil, nil
	}
	cfg, err := h.config()
	if err != nil {
		return nil, err
	}
	cfg.Listen, cfg.Gateway, cfg.GatewayTLS, cfg.DNS = []string{"127.0.0.1:0"}, "", "", ""
	return engine.Open(ctx, cfg)
}

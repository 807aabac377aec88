package engine

import (
	"context"
	"os"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"altnet/engine/control"
	"altnet/engine/gateway"
	"altnet/engine/identity"
	"altnet/engine/resolver"
	"altnet/engine/site"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// maxOpen bounds the sites that are kept open for readers, each with its
// cache of tree nodes.
const maxOpen = 64

// maxNamed bounds the names whose progress is known.
const maxNamed = 1024

// openSites keeps the sites that browsers read open, by root.
type openSites struct {
	e     *Engine
	named *lru.Cache[string, wire.Hash] // what names stood for, for progress

	mu    sync.Mutex
	sites *lru.Cache[wire.Hash, *openSite]
}

// openSite is a site under a reader's eyes: the store's view keeps it from
// being evicted meanwhile.
type openSite struct {
	fs     *site.FS
	view   *store.View
	remote *site.Remote
}

// close ends what is on its way, too: until then the root counts as in use.
func (s *openSite) close() {
	s.remote.Close()
	s.view.Close()
}

func newOpenSites(e *Engine) *openSites {
	o := &openSites{e: e}
	o.sites, _ = lru.NewWithEvict(maxOpen, func(_ wire.Hash, s *openSite) { s.close() }) // fails for sizes below one only
	o.named, _ = lru.New[string, wire.Hash](maxNamed)
	return o
}

// get returns the site of a root, fetching what is read and not here.
func (o *openSites) get(root wire.Hash) (*site.FS, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s, ok := o.sites.Get(root); ok {
		return s.fs, nil
	}
	view := o.e.store.For(root)
	s := &openSite{view: view, remote: site.NewRemote(view, o.e.swarm, root)}
	var err error
	if s.fs, err = site.Open(o.e.ctx, root, s.remote); err != nil {
		s.close()
		return nil, err
	}
	o.sites.Add(root, s)
	return s.fs, nil
}

// reading returns how far what is read of a root has come.
func (o *openSites) reading(root wire.Hash) (site.Reading, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.sites.Peek(root)
	if !ok {
		return site.Reading{}, false
	}
	return s.remote.Reading(), true
}

// forget closes every site; who reads on opens it anew.
func (o *openSites) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sites.Purge()
}

func (e *Engine) gatewayConfig() gateway.Config {
	return gateway.Config{
		Suffix: e.cfg.TLD, Resolve: e.browse, Local: e.local, Progress: e.progress, Accept: e.acceptOwner,
		Section: e.section, Refused: e.whyRefused, Visit: e.visits.add,
		CA: e.doors.ca, Trusted: e.trustsRoot, TLSPort: e.doors.tlsPort(), Door: e.doors.localPort(), Tunnels: e.tunnelsHTTPS,
		Secret: e.doors.secret, Log: e.book.private(),
	}
}

// trustsRoot reports whether a person said that browsers here trust the root.
func (e *Engine) trustsRoot() bool { return e.chosen().HTTPS }

// tunnelsHTTPS reports whether https by the proxy leads anywhere but to a
// warning: the root is trusted, or an operator opened the https door and knows
// who trusts it.
func (e *Engine) tunnelsHTTPS() bool { return len(e.doors.https) > 0 || e.trustsRoot() }

// whyRefused explains to a reader why a block is kept out.
func (e *Engine) whyRefused(h wire.Hash) string {
	reason, _ := e.rules.now().RefusesHash(e.network, h, time.Now())
	return reason
}

// progress tells a waiting reader what is happening.
func (e *Engine) progress(name string) gateway.Progress {
	root, ok := e.opened.named.Get(name)
	if !ok {
		return gateway.Progress{Stage: gateway.StageLooking}
	}
	now, ok := e.opened.reading(root)
	if !ok {
		return gateway.Progress{Stage: gateway.StageLooking}
	}
	p := gateway.Progress{Stage: gateway.StageFetching, Peers: now.Holders, Done: now.Done, Total: now.Total}
	if now.Holders == 0 {
		p.Stage = gateway.StageConnecting
	}
	return p
}

// browse finds the site that a browser asks for.
func (e *Engine) browse(ctx context.Context, name string) (gateway.Site, error) {
	res, err := e.lookUp(ctx, name)
	if err != nil {
		p := gateway.ProblemOf(res, err, e.cfg.TLD)
		p.Since, _ = e.rules.now().Local.Site(res.Name.Label, res.Record.Root, res.Record.Content)
		return gateway.Site{}, p
	}
	e.opened.named.Add(name, res.Record.Content)
	e.shared.visited(&res.Record)
	return e.shown(res)
}

func (e *Engine) shown(res resolver.Resolution) (gateway.Site, error) {
	fs, err := e.opened.get(res.Record.Content)
	if err != nil {
		return gateway.Site{}, err
	}
	return gateway.SiteOf(res, fs, e.cfg.TLD), nil
}

// local returns the last known state of a site, without the network.
func (e *Engine) local(name string) (gateway.Site, bool) {
	res, ok := e.names.Known(name)
	if !ok {
		return gateway.Site{}, false
	}
	_, held := e.store.Root(res.Record.Content)
	_, refused := e.rules.now().Refuses(&res.Record, time.Now())
	if !held || refused {
		return gateway.Site{}, false
	}
	s, err := e.shown(res)
	s.Stale = true
	return s, err == nil
}

// acceptOwner is the reader's answer to the page that warns of a new owner.
func (e *Engine) acceptOwner(ctx context.Context, name, owner string) error {
	key, err := identity.ParsePublicKey(owner)
	if err != nil {
		return control.Mark(control.ErrInvalid, err)
	}
	return nameError(e.names.Trust(ctx, name, key))
}

// section tells the gateway where a block lies, for the kernel to send.
func (e *Engine) section(h wire.Hash) (*os.File, int64, int64, error) {
	s, err := e.store.Section(h)
	return s.File, s.Offset, s.Length, err
}

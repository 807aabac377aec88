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

// openSites keeps the sites that browsers read open, by root.
type openSites struct {
	e *Engine

	mu    sync.Mutex
	sites *lru.Cache[wire.Hash, *openSite]
}

// openSite is a site under a reader's eyes: the store's view keeps it from
// being evicted meanwhile.
type openSite struct {
	fs   *site.FS
	view *store.View
}

func newOpenSites(e *Engine) *openSites {
	o := &openSites{e: e}
	o.sites, _ = lru.NewWithEvict(maxOpen, func(_ wire.Hash, s *openSite) { s.view.Close() }) // fails for sizes below one only
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
	fs, err := site.Open(o.e.ctx, root, site.NewRemote(view, o.e.swarm, root))
	if err != nil {
		view.Close()
		return nil, err
	}
	o.sites.Add(root, &openSite{fs: fs, view: view})
	return fs, nil
}

// forget closes every site; who reads on opens it anew.
func (o *openSites) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sites.Purge()
}

func (e *Engine) gatewayConfig() gateway.Config {
	cfg := gateway.Config{
		Suffix: e.cfg.TLD, Resolve: e.browse, Local: e.local, Accept: e.acceptOwner, Section: e.section,
		CA: e.doors.ca, Secret: e.key.Sign("altnet gateway marks v1", nil), Log: e.book.private(),
	}
	return cfg
}

// browse finds the site that a browser asks for.
func (e *Engine) browse(ctx context.Context, name string) (gateway.Site, error) {
	res, err := e.lookUp(ctx, name)
	if err != nil {
		return gateway.Site{}, gateway.ProblemOf(res, err, e.cfg.TLD)
	}
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

package engine

import (
	"context"
	"time"

	"altnet/engine/peer"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// handle tells the host who answers what.
func (e *Engine) handle() {
	for _, t := range []wire.Type{
		wire.TypeFindNode, wire.TypeGetRecords, wire.TypePutRecord, wire.TypeGetProviders, wire.TypeAddProvider,
	} {
		e.host.Handle(t, e.answerDHT)
	}
	e.shares = newShares(e.store, e.sites.isGone, e.shared.has)
	server := site.NewServer(site.ServerConfig{
		Blocks: e.store, Site: e.shares.site, Have: e.shares.have, Refuse: e.refuses, Log: e.log,
	})
	serve := func(ctx context.Context, r *peer.Request) {
		if err := server.Serve(ctx, r.Message, r.Stream); err != nil {
			e.log.Debug("serve blocks", "to", r.Peer.ID.Short(), "err", err)
		}
	}
	for _, t := range []wire.Type{wire.TypeGetBlocks, wire.TypeGetPath, wire.TypeGetHave} {
		e.host.Handle(t, serve)
	}
	e.host.Handle(wire.TypeOffer, e.answerOffer)
	e.host.OnPeer(func(p wire.Peer, up bool) {
		if up {
			e.dht.Seen(p)
			signal(e.owing)
		}
		e.events.poke()
	})
}

func (e *Engine) answerDHT(ctx context.Context, r *peer.Request) {
	reply, err := e.dht.HandleFrom(ctx, r.Peer, r.Remote, r.Message)
	if err != nil {
		e.log.Debug("answer the DHT", "to", r.Peer.ID.Short(), "err", err)
		return
	}
	if err := r.Reply(reply); err != nil {
		e.log.Debug("answer the DHT", "to", r.Peer.ID.Short(), "err", err)
	}
}

func (e *Engine) answerOffer(ctx context.Context, r *peer.Request) {
	offer, ok := r.Message.(wire.Offer)
	if !ok {
		return
	}
	if err := e.keeper.HandleOffer(ctx, r.Peer, wire.GroupOf(r.Remote), offer, r.Stream); err != nil {
		e.log.Debug("answer an offer", "to", r.Peer.ID.Short(), "err", err)
	}
}

// refuses reports whether a block is on the operator's list.
func (e *Engine) refuses(h wire.Hash) bool {
	p := e.rules.now()
	if len(p.Blocklist) == 0 && len(p.Revocations) == 0 && len(p.Local.Hashes) == 0 {
		return false
	}
	_, refused := p.RefusesHash(e.network, h, time.Now())
	return refused
}

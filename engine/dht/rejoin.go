package dht

import (
	"context"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

const (
	// rejoinFirst is how soon a node that misses peers looks for them; the time
	// doubles up to the refresh interval, and begins anew with the next loss.
	rejoinFirst = 5 * time.Second
	// fewPeers is a table so small that every single peer counts.
	fewPeers = 8
	// maxLost bounds how many peers that fell silent are remembered.
	maxLost = 32
)

// missLocked remembers a peer that has left the table. In a large network
// others take its place; in one of a few nodes it may just be starting again,
// and nobody else may know it.
func (d *DHT) missLocked(p wire.Peer) {
	if len(p.Raw) == 0 {
		return
	}
	d.foundLocked(p.ID)
	if len(d.lost) >= maxLost {
		d.lost = slices.Delete(d.lost, 0, 1)
	}
	d.lost = append(d.lost, p)
	signal(d.missed)
}

// foundLocked strikes a peer off those that are missed.
func (d *DHT) foundLocked(id identity.NodeID) {
	d.lost = slices.DeleteFunc(d.lost, func(p wire.Peer) bool { return p.ID == id })
}

// missingLocked lists whom there is to start from and who is not in the table,
// those lost last first.
func (d *DHT) missingLocked() []wire.Peer {
	var out []wire.Peer
	for _, p := range slices.Concat(d.seeds, d.lost) {
		_, known := d.table.Has(p.ID)
		if !known && !slices.ContainsFunc(out, func(o wire.Peer) bool { return o.ID == p.ID }) {
			out = append(out, p)
		}
	}
	slices.Reverse(out)
	return out
}

// isLonely reports whether the table has few peers and there is somebody else
// to ask.
func (d *DHT) isLonely() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.Len() == 0 && d.cfg.Seeds != nil || d.table.Len() < fewPeers && len(d.missingLocked()) > 0
}

// rejoin asks the peers that are missing. Where nobody is left it starts over
// from them and from the seeds there are to be had.
func (d *DHT) rejoin() {
	d.mu.Lock()
	alone, missing := d.table.Len() == 0, d.missingLocked()
	d.mu.Unlock()
	if alone {
		d.startOver(missing)
		return
	}
	for chunk := range slices.Chunk(missing, refreshMost) {
		d.refreshFrom(wire.Hash(d.self), chunk)
	}
}

func (d *DHT) startOver(seeds []wire.Peer) {
	if d.cfg.Seeds != nil {
		ctx, cancel := context.WithTimeout(d.ctx, 30*time.Second)
		seeds = append(d.cfg.Seeds(ctx), seeds...)
		cancel()
	}
	if len(seeds) == 0 {
		return
	}
	if err := d.join(d.ctx, seeds); err != nil {
		d.log.Debug("nobody to join yet", "seeds", len(seeds), "err", err)
	}
}

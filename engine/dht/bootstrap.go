package dht

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"altnet/engine/wire"
)

// maxSaved is how many peers of the table are kept over a restart.
const maxSaved = 128

// Bootstrap joins the network through peers and those saved last time: it
// asks them, looks for our own neighbourhood and then, in the background,
// fills the rest of the table. It fails where nobody answered. Call it again
// whenever there are better peers to start from.
func (d *DHT) Bootstrap(ctx context.Context, peers []wire.Peer) error {
	d.mu.Lock()
	for _, p := range peers {
		if p.ID != d.self && !slices.ContainsFunc(d.seeds, func(o wire.Peer) bool { return o.ID == p.ID }) {
			d.seeds = append(d.seeds, p)
		}
	}
	if over := len(d.seeds) - maxSaved; over > 0 {
		d.seeds = slices.Delete(d.seeds, 0, over)
	}
	seeds := slices.Clone(d.seeds)
	d.mu.Unlock()
	if err := d.join(ctx, seeds); err != nil {
		return fmt.Errorf("join the network through %d peers: %w", len(seeds), err)
	}
	return nil
}

// join looks our own neighbourhood up from seeds and whoever is in the table.
func (d *DHT) join(ctx context.Context, seeds []wire.Peer) error {
	d.mu.Lock()
	seeds = append(slices.Clone(seeds), d.table.Closest(wire.Hash(d.self), d.cfg.K)...)
	d.mu.Unlock()
	self := wire.Hash(d.self)
	l := NewLookup(LookupConfig{Self: d.self, K: d.cfg.K, Alpha: d.cfg.Alpha,
		Soft: d.cfg.SoftTimeout, Hard: d.cfg.HardTimeout}, self, seeds)
	if _, err := d.drive(ctx, l, wire.FindNode{Target: self}, nil); err != nil {
		return err
	}
	d.spawn(d.fill)
	return nil
}

// fill looks up a random key in every bucket that looking for ourselves has
// not filled: those farther away than our K closest neighbours.
func (d *DHT) fill() {
	d.mu.Lock()
	near := d.table.Closest(wire.Hash(d.self), d.cfg.K)
	due := d.table.Due(time.Now(), d.cfg.RefreshInterval, randomKey)
	d.mu.Unlock()
	if len(near) == 0 {
		return
	}
	edge := prefixLen(d.self, near[len(near)-1].ID)
	for _, r := range due {
		if prefixLen(d.self, r.Target) > edge {
			continue
		}
		if _, err := d.search(d.ctx, r.Target, wire.FindNode{Target: r.Target}, false, nil); err != nil {
			return
		}
	}
}

// load restores what the store holds. Saved peers become seeds, whatever
// their records' age: a session with one brings a fresh record.
func (d *DHT) load() error {
	if err := d.records.load(); err != nil {
		return err
	}
	if err := d.providers.load(); err != nil {
		return err
	}
	saved, err := d.shelf.get(tableKey)
	if err != nil {
		return fmt.Errorf("load the saved table: %w", err)
	}
	var raws [][]byte
	if saved == nil || wire.Unmarshal(saved, &raws) != nil {
		return nil
	}
	for _, raw := range raws[:min(len(raws), maxSaved)] {
		if p, err := d.known.get(raw); err == nil && p.ID != d.self {
			d.seeds = append(d.seeds, p.Peer)
		}
	}
	return nil
}

// saveTableLocked writes down the peers that have been known for longest, and
// after them those to start from that are not there now: a node that is killed
// soon after its start must not have forgotten whom it knew before.
func (d *DHT) saveTableLocked() {
	if !d.changed || d.table.Len() == 0 {
		return
	}
	d.changed = false
	entries := d.table.Entries()
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Added.Compare(b.Added) })
	peers := make([]wire.Peer, 0, len(entries))
	for _, e := range entries {
		peers = append(peers, e.Peer)
	}
	raws := make([][]byte, 0, maxSaved)
	for _, p := range append(peers, d.missingLocked()...) {
		if len(raws) < maxSaved && len(p.Raw) > 0 {
			raws = append(raws, p.Raw)
		}
	}
	d.shelf.set(tableKey, pack(raws))
}

// atOnce runs do for every item, at most width at a time, and waits.
func atOnce[T any](items []T, width int, do func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, width)
	for _, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(it)
		})
	}
	wg.Wait()
}

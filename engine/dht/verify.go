package dht

import (
	"time"

	"altnet/engine/wire"
)

// verifyWidth is how many candidates are asked back at once: enough to fill a
// table, too few to be of use as a weapon.
const verifyWidth = 4

// verifyCandidates asks peers that we only heard of whether they are there.
// request puts those that answer into the table.
func (d *DHT) verifyCandidates() {
	slots := make(chan struct{}, verifyWidth)
	for {
		var p wire.Peer
		select {
		case <-d.ctx.Done():
			return
		case p = <-d.candidates:
		}
		select {
		case <-d.ctx.Done():
			return
		case slots <- struct{}{}:
		}
		d.spawn(func() {
			defer func() { <-slots }()
			d.exchange(p, wire.FindNode{Target: wire.Hash(d.self)})
		})
	}
}

// maxHandover bounds what a newcomer is given at once; the rest reaches it
// when records are announced again.
const maxHandover = 256

// greetNewcomers gives a peer that has entered the table the records it is
// now one of the K closest to, where we are the closest of those who hold
// them. So a name keeps its incumbent however the nodes around it change.
func (d *DHT) greetNewcomers() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case p := <-d.newcomers:
			d.handOver(p)
		}
	}
}

func (d *DHT) handOver(p wire.Peer) {
	for _, key := range d.handoverKeys(p) {
		d.mu.Lock()
		value, ok := d.records.first(key)
		d.mu.Unlock()
		if !ok {
			continue
		}
		if _, err := d.request(p, wire.PutRecord{Key: key, Value: value}); err != nil {
			return // it will come with the next announcement
		}
	}
}

func (d *DHT) handoverKeys(p wire.Peer) []wire.Hash {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	var out []wire.Hash
	for key, s := range d.records.slots {
		if len(out) >= maxHandover {
			break
		}
		if now.Sub(s[0].Refreshed) <= d.records.ttl && d.heirLocked(key, p) {
			out = append(out, key)
		}
	}
	return out
}

// heirLocked reports whether p is among the K closest to key and we are the
// closest of the others.
func (d *DHT) heirLocked(key wire.Hash, p wire.Peer) bool {
	near := d.table.closest(key, d.cfg.K)
	found := false
	for _, e := range near {
		if e.peer.ID == p.ID {
			found = true
		} else if compareDistance(key, e.peer.ID, d.self) < 0 {
			return false
		}
	}
	return found
}

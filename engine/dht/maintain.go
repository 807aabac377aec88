package dht

import (
	"crypto/rand"
	"math/bits"
	mrand "math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"altnet/engine/wire"
)

const (
	// writeDelay is how long writes are gathered.
	writeDelay = time.Second
	// republishBatch bounds what one round of maintenance announces.
	republishBatch = 64
	// saveEvery is the least time between two writes of the table; in a large
	// network, where it changes all the time, saveSlowly.
	saveEvery  = 30 * time.Second
	saveSlowly = 5 * time.Minute
	// firstRound is when the first round of maintenance comes after the start.
	firstRound = 5 * time.Second
)

// keepWritten writes what the shelf gathered, a moment after it came.
func (d *DHT) keepWritten() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-d.shelf.wake:
		}
		if !d.pause(writeDelay) {
			return
		}
		if err := d.shelf.flush(); err != nil {
			d.log.Error("the DHT's holdings are not saved", "err", err)
		}
	}
}

// relieve writes at once what has piled up, at the cost of whoever piles.
func (d *DHT) relieve() {
	if !d.shelf.full() {
		return
	}
	if err := d.shelf.flush(); err != nil {
		d.log.Error("the DHT's holdings are not saved", "err", err)
	}
}

// pause waits for t, or returns false at Close.
func (d *DHT) pause(t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-d.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// keepSaved writes the table down when it has changed: who is killed does not
// close.
func (d *DHT) keepSaved() {
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-d.altered:
		}
		d.mu.Lock()
		d.saveTableLocked()
		wait := saveEvery
		if d.table.Len() > maxLost {
			wait = saveSlowly
		}
		d.mu.Unlock()
		if !d.pause(wait) {
			return
		}
	}
}

// keepFresh looks after the table and the holdings once per refresh interval,
// for the first time soon after the start, when the table is fullest of gaps.
// Where nobody answers, or few are left and others are missing, it tries to
// join again, at first soon and then ever more rarely: after a night's sleep or
// in another network the peers of the table may all be gone.
func (d *DHT) keepFresh() {
	soon, due := rejoinFirst, time.Now().Add(jitter(firstRound))
	for {
		wait, lonely := time.Until(due), d.isLonely()
		if lonely {
			wait = min(wait, soon)
		}
		timer := time.NewTimer(wait)
		select {
		case <-d.ctx.Done():
			timer.Stop()
			return
		case <-d.missed:
			timer.Stop()
			soon = rejoinFirst
			continue
		case <-timer.C:
		}
		if lonely {
			soon = min(2*soon, d.cfg.RefreshInterval)
			d.rejoin()
		}
		if time.Now().Before(due) {
			continue
		}
		due = time.Now().Add(jitter(d.cfg.RefreshInterval))
		d.maintain()
	}
}

// maintain is one round of looking after the table and the holdings.
func (d *DHT) maintain() {
	d.mu.Lock()
	alone, missing := d.table.Len() == 0, d.missingLocked()
	d.mu.Unlock()
	if !alone {
		if !d.refresh() {
			d.startOver(missing)
		}
		d.announceDue()
	}
	d.sweep()
}

// jitter spreads an interval by a tenth either way, so that nodes started
// together do not stay in step.
func jitter(t time.Duration) time.Duration {
	return t*9/10 + mrand.N(t/5+1)
}

func randomKey() (k [32]byte) {
	rand.Read(k[:]) // never fails
	return k
}

// refresh asks a few peers of every bucket that is due, those who answered
// longest ago. That finds out who is dead and who is new for two requests a
// bucket, where a lookup would cost thirty. It reports whether anybody
// answered, or nobody had to be asked.
func (d *DHT) refresh() bool {
	now := time.Now()
	d.mu.Lock()
	due := d.table.Due(now, d.cfg.RefreshInterval, randomKey)
	if d.neighbours.due(now, d.cfg.RefreshInterval) {
		d.neighbours.done(now)
		due = append(due, d.neighbourhoodLocked())
	}
	d.mu.Unlock()
	someone := len(due) == 0
	for _, r := range due {
		for chunk := range slices.Chunk(r.Peers, refreshWidth) {
			if d.ctx.Err() != nil {
				return true
			}
			if d.refreshFrom(r.Target, chunk) {
				someone = true
				break
			}
		}
	}
	return someone
}

// refreshFrom asks peers for the neighbourhood of target and reports whether
// any of them answered.
func (d *DHT) refreshFrom(target wire.Hash, peers []wire.Peer) bool {
	var answers atomic.Int32
	atOnce(peers, len(peers), func(p wire.Peer) {
		if res := d.exchange(p, wire.FindNode{Target: target}); res.err == nil {
			answers.Add(1)
			d.consider(res.peers)
		}
	})
	return answers.Load() > 0
}

// neighbourhoodLocked asks some of our neighbours for others near us, and one
// seed, lest a network that fell in two stays so.
func (d *DHT) neighbourhoodLocked() Refresh {
	near := d.table.Closest(wire.Hash(d.self), d.cfg.K)
	mrand.Shuffle(len(near), func(i, j int) { near[i], near[j] = near[j], near[i] })
	r := Refresh{Target: wire.Hash(d.self), Peers: near[:min(refreshMost, len(near))]}
	if len(d.seeds) > 0 {
		seed := d.seeds[mrand.IntN(len(d.seeds))]
		if _, known := d.table.Has(seed.ID); !known {
			r.Peers = slices.Insert(r.Peers, 0, seed)
		}
	}
	return r
}

// consider queues those of peers that the table would take.
func (d *DHT) consider(peers []wire.Peer) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range peers {
		if _, ok := d.table.Has(p.ID); !ok {
			d.considerLocked(p, now, retryAfter)
		} else if d.cfg.Remote == nil || d.table.stays(p) { // a move shows in its own session
			d.table.Update(p)
		}
	}
}

// sweep drops what has run out and saves the table.
func (d *DHT) sweep() {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records.sweep(now)
	d.providers.sweep(now)
	d.saveTableLocked()
}

// announceDue puts the records that nobody has announced lately to the nodes
// that are closest now. Each node waits another while, between one and two
// intervals depending on how its NodeID meets the key, so that as a rule one
// holder announces and spares the others.
func (d *DHT) announceDue() {
	now := time.Now()
	d.mu.Lock()
	due := d.records.due(now, d.republishAfter, republishBatch)
	d.mu.Unlock()
	for _, key := range due {
		if d.ctx.Err() != nil {
			return
		}
		d.announce(key)
	}
}

func (d *DHT) republishAfter(key wire.Hash) time.Duration {
	share := bits.Reverse8(key[31]^d.self[31]) ^ key[30] ^ d.self[30]
	return d.cfg.RepublishInterval + d.cfg.RepublishInterval*time.Duration(share)/256
}

// announce puts the incumbent of key again. Where others prefer a newer record
// of the same owner we take it over.
func (d *DHT) announce(key wire.Hash) {
	d.mu.Lock()
	value, ok := d.records.first(key)
	d.mu.Unlock()
	if !ok {
		return
	}
	st, err := d.Put(d.ctx, key, value)
	if err != nil {
		d.log.Debug("record not announced", "key", key, "err", err)
		return
	}
	d.mu.Lock()
	d.records.announced(key, time.Now())
	d.mu.Unlock()
	for _, at := range st.Stored {
		if d.learnNewer(key, value, at) {
			return
		}
	}
}

// learnNewer takes over a newer record that another node keeps. It is checked
// like any other; a lie costs a signature check.
func (d *DHT) learnNewer(key wire.Hash, ours []byte, at StoredAt) bool {
	newer := at.Reply.Newer
	if len(newer) == 0 || string(newer) == string(ours) {
		return false
	}
	m, err := d.storeRecord(sourceOf(at.Peer, firstAddr(at.Peer)), wire.PutRecord{Key: key, Value: newer})
	stored, ok := m.(wire.Stored)
	return err == nil && ok && len(stored.Newer) == 0
}

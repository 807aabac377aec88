package engine

import (
	"slices"
	"time"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// watchRules has the operator's rules take effect on what is here already, and
// says so when a file cannot be read. The files are read when they are needed;
// here, now and then, in case they are not.
func (e *Engine) watchRules() {
	var done *record.Policy
	said := ""
	for {
		p := e.rules.now()
		if p != done {
			e.purge(p)
			done = p
		}
		if said = e.complain(said); !e.awaitRules() {
			return
		}
	}
}

// awaitRules waits for a change of the files; it is false when the engine
// closes.
func (e *Engine) awaitRules() bool {
	timer := time.NewTimer(rulesWatch)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.rules.changed:
	case <-e.ctx.Done():
	}
	return e.ctx.Err() == nil
}

// complain tells people of a rule file that is not in force, once.
func (e *Engine) complain(said string) string {
	err := e.rules.problem()
	if err == nil {
		return ""
	}
	text := "The rules were changed and cannot be read; the old ones stay in force. " + err.Error()
	if text != said {
		e.log.Error("rules not in force", "err", err)
		e.notify(control.Notice{Kind: control.NoticeOther, Text: text})
	}
	return text
}

// purge takes what the rules forbid out of the store: the blocks themselves,
// and the leases and caches of sites that may not be kept. What a user of this
// node published or pinned stays in the book, without the blocks.
func (e *Engine) purge(p *record.Policy) {
	removed := 0
	for batch := range slices.Chunk(e.refused(p), 4096) {
		if err := e.store.Remove(e.ctx, batch); err != nil {
			e.log.Error("remove what the blocklist names", "err", err)
			return
		}
		removed += len(batch)
	}
	for _, r := range e.store.Roots() {
		_, refused := p.RefusesHash(e.network, r.Hash, time.Now())
		if _, blocked := p.Local.Owners[r.Owner]; !refused && !blocked {
			continue
		}
		if err := e.release(e.ctx, r.Hash, store.Leased|store.Cache); err != nil {
			e.log.Error("let go of a blocked site", "root", r.Hash, "err", err)
		}
	}
	if removed > 0 {
		e.opened.forget()
		e.log.Info("removed what the blocklist names", "blocks", removed)
	}
}

// refused returns the blocks in the store that the rules forbid.
func (e *Engine) refused(p *record.Policy) (held []wire.Hash) {
	var listed []wire.Hash
	for h := range p.Blocklist {
		listed = append(listed, h)
	}
	for h := range p.Local.Hashes {
		listed = append(listed, h)
	}
	for _, v := range p.Revocations {
		if len(v.Target) != len(wire.Hash{}) {
			continue // of a name
		}
		if _, refused := p.RefusesHash(e.network, wire.Hash(v.Target), time.Now()); refused {
			listed = append(listed, wire.Hash(v.Target))
		}
	}
	for batch := range slices.Chunk(listed, 4096) {
		for i, has := range e.store.HasMany(batch) {
			if has {
				held = append(held, batch[i])
			}
		}
	}
	return held
}

package store

import (
	"fmt"
	"sync"
)

// appender hands out room at the end of the active pack. Writing into the room
// needs no lock, so that batches write side by side.
type appender struct {
	s      *Store
	mu     sync.Mutex
	active *pack // held as a writer

	// gate is held for reading while something is written, so that Close
	// leaves no writer behind whose bytes another instance would find.
	gate   sync.RWMutex
	closed bool
}

// close waits for the writes under way and refuses further ones.
func (a *appender) close() {
	a.gate.Lock()
	defer a.gate.Unlock()
	a.closed = true
}

// reserve returns a pack, held as a writer for the caller, and the offset at
// which n bytes may be written to it.
func (a *appender) reserve(n int64) (*pack, int64, error) {
	a.gate.RLock()
	defer a.gate.RUnlock()
	if a.closed {
		return nil, 0, ErrClosed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.active; p != nil && (p.sealed.Load() || p.end+n > a.s.cfg.PackSize) {
		a.sealLocked()
	}
	if a.active == nil {
		p, err := a.s.packs.create()
		if err != nil {
			return nil, 0, err
		}
		a.active = p
	}
	p := a.active
	off := p.end
	p.end += n
	a.s.packs.holdWriter(p)
	return p, off, nil
}

// sealLocked lets go of the active pack.
func (a *appender) sealLocked() {
	a.active.sealed.Store(true)
	a.s.packs.releaseWriter(a.active)
	a.active = nil
}

// write writes the parts one after the other into reserved room. The caller
// goes on holding p and gives it back where it fails.
func (a *appender) write(p *pack, off int64, parts ...[]byte) error {
	a.gate.RLock()
	defer a.gate.RUnlock()
	if a.closed {
		return ErrClosed
	}
	start := off
	for _, part := range parts {
		if _, err := p.file.WriteAt(part, off); err != nil {
			a.giveBack(p, start)
			return fmt.Errorf("append to pack %d: %w", p.id, a.s.diskFull(err))
		}
		off += int64(len(part))
	}
	return nil
}

// giveBack returns the room from off on where nobody has any behind it, so
// that a full disk is not filled with what nobody will name.
func (a *appender) giveBack(p *pack, off int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Room behind off can only be this caller's while it is the only writer
	// beside the appender itself.
	a.s.packs.mu.Lock()
	alone := a.active == p && p.writers == 2
	a.s.packs.mu.Unlock()
	if alone {
		p.end = off
		_ = p.file.Truncate(off) // a courtesy: recovery cuts there too
	}
}

// adopt makes an existing pack the active one.
func (a *appender) adopt(p *pack) error {
	held, ok, err := a.s.packs.hold(p.id)
	if err != nil || !ok {
		return err
	}
	a.s.packs.mu.Lock()
	held.writers++
	a.s.packs.mu.Unlock()
	a.active = held
	return nil
}

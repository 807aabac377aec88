package engine

import (
	"context"
	"fmt"

	"altnet/engine/store"
	"altnet/engine/wire"
)

// Forget implements control.Control. The network is told afterwards, as far as
// it can be: whoever asks here meanwhile is answered that nothing is here.
func (e *Engine) Forget(ctx context.Context) (int64, error) {
	var gone []wire.Hash
	for _, r := range e.store.Roots() {
		if r.Class&(store.Own|store.Pinned) == 0 && (r.Class&store.Leased != 0 || e.shared.has(r.Hash)) {
			gone = append(gone, r.Hash)
		}
	}
	e.opened.forget() // who reads on fetches again
	if err := e.shared.forget(ctx); err != nil {
		return 0, storeError(err)
	}
	freed, err := e.store.Forget(ctx)
	if err != nil {
		return freed, storeError(fmt.Errorf("erase what is kept for others: %w", err))
	}
	e.events.poke()
	e.spawn(func() { e.noLonger(gone) })
	return freed, nil
}

// noLonger tells the network that sites are here no longer.
func (e *Engine) noLonger(roots []wire.Hash) {
	for _, root := range roots {
		if !e.isOnline() {
			return // what peers remember ends by itself within two days
		}
		if _, err := e.dht.Provide(e.ctx, root, false, 0); err != nil {
			e.log.Debug("withdraw a holder", "root", root, "err", err)
		}
	}
}

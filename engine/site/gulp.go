package site

import (
	"context"
	"fmt"
	"time"

	"altnet/engine/wire"
)

// gulpMost is how large a site may be to be asked for in one go.
const gulpMost = 2 << 20

// gulp asks the first of the given peers for the whole site at once, where it
// is known to be small. Level by level a tree costs a round trip for each level,
// which is most of the time that a small site takes. Whatever did not come is
// fetched as ever.
func (t *fetch) gulp(ctx context.Context) {
	small := t.opts.MaxBytes > 0 && t.opts.MaxBytes <= gulpMost && t.opts.First == 0
	if !small || len(t.opts.From) == 0 {
		return
	}
	if has, err := t.s.hasMany(ctx, []wire.Hash{t.root}); err != nil || has[0] {
		return // an earlier try left something: only what lacks is worth asking for
	}
	from := t.opts.From[0]
	if err := t.gulpFrom(ctx, from); err != nil && ctx.Err() == nil {
		t.f.cfg.Log.Debug("fetch a small site at once", "peer", from.ID.Short(), "root", t.root, "err", err)
		t.s.mu.Lock()
		h := t.s.holders[from.ID]
		t.s.mu.Unlock()
		if h != nil {
			t.s.judge(&request{holder: h}, err)
		}
	}
}

func (t *fetch) gulpFrom(ctx context.Context, from wire.Peer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(2*t.f.cfg.HedgeAfter, cancel)
	defer silence.Stop()
	a, err := t.s.slot()
	if err != nil {
		return err
	}
	defer t.s.release(a)
	st, err := t.f.cfg.Open(ctx, from, wire.GetPath{Root: t.root, Limit: t.opts.MaxBytes, Below: true})
	if err != nil {
		return fmt.Errorf("ask for a whole site: %w", err)
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { st.Close() })()
	in := newPathReader(t.s, a, int(t.opts.MaxBytes)+wire.MaxBlock)
	err = in.run(st, func() { silence.Reset(t.f.cfg.StallAfter) })
	t.s.sinkMu.Lock()
	defer t.s.sinkMu.Unlock()
	if flushErr := t.s.sink.Flush(context.WithoutCancel(ctx)); err == nil && flushErr != nil {
		err = fmt.Errorf("make blocks durable: %w", flushErr)
	}
	return err
}

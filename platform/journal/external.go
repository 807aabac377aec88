package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// External makes a change to something that is no file: do makes it. When do
// fails, the Undoer of the kind is asked to take back what it may have done.
func (j *Journal) External(ctx context.Context, change ExternalChange, do func(context.Context) error) error {
	if err := j.external(ctx, change, do); err != nil {
		return fmt.Errorf("change %s %s: %w", change.Kind, change.Key, err)
	}
	return nil
}

func (j *Journal) external(ctx context.Context, change ExternalChange, do func(context.Context) error) error {
	if j.cfg.Undoers[change.Kind] == nil {
		return ErrNoUndo
	}
	b, unlock, err := j.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	e := b.external(change)
	b.put(e)
	if err := j.save(b); err != nil {
		return err
	}
	if err := do(ctx); err != nil {
		if _, undone := j.undoExternal(context.WithoutCancel(ctx), e); undone != nil {
			return errors.Join(err, undone)
		}
		b.remove(e)
		return errors.Join(err, j.save(b))
	}
	e.Done, e.External.Ours = true, e.External.Ours[len(e.External.Ours)-1:]
	return j.save(b)
}

// external returns the entry of a change. What was there before our first
// change counts: a value of ours is looked through.
func (b *book) external(change ExternalChange) *entry {
	x := &external{Kind: change.Kind, Key: change.Key, Before: change.Before}
	for _, e := range b.Entries {
		if e.External == nil || e.Door != change.Door || e.External.Kind != change.Kind || e.External.Key != change.Key {
			continue
		}
		x.Ours = slices.Clone(e.External.Ours)
		if holds(x.Ours, change.Before) {
			x.Before = e.External.Before
		}
	}
	x.Ours = append(x.Ours, change.After)
	return &entry{Door: change.Door, Time: time.Now().UTC(), External: x}
}

func holds(list []json.RawMessage, value json.RawMessage) bool {
	return slices.ContainsFunc(list, func(x json.RawMessage) bool { return bytes.Equal(compact(x), compact(value)) })
}

// compact removes what indentation the journal's own file adds.
func compact(value json.RawMessage) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, value); err != nil {
		return value
	}
	return out.Bytes()
}

func (j *Journal) undoExternal(ctx context.Context, e *entry) (Result, error) {
	x := e.External
	undo := j.cfg.Undoers[x.Kind]
	if undo == nil {
		return Failed, fmt.Errorf("%w: there is no %q", ErrNoUndo, x.Kind)
	}
	change := Change{Door: e.Door, Kind: x.Kind, Key: x.Key, Before: compact(x.Before)}
	for _, ours := range x.Ours {
		change.Ours = append(change.Ours, compact(ours))
	}
	return undo(ctx, change)
}

// IsOurs reports whether a present value is one that we may have left.
func (c Change) IsOurs(now json.RawMessage) bool { return holds(c.Ours, now) }

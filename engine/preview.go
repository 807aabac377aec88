package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"altnet/engine/control"
	"altnet/engine/gateway"
	"altnet/engine/site"
)

// Preview implements control.Control. It reads what is here and asks nobody.
func (e *Engine) Preview(ctx context.Context, name string, seq uint64) (string, error) {
	en, r, err := e.mine(ctx, name)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(en.Versions, func(v version) bool { return v.Seq == seq })
	if seq == 0 && len(en.Versions) > 0 {
		i = 0
	}
	if i < 0 {
		return "", control.Mark(control.ErrNotFound, fmt.Errorf("%s has no version %d", name, seq))
	}
	v := en.Versions[i]
	if !e.store.Has(v.Root) {
		return "", control.Mark(control.ErrMissing, fmt.Errorf("version %d of %s is not here any more", v.Seq, name))
	}
	if e.doors.gateway == nil {
		return "", gatewayClosed(gateway.ErrNoPreview)
	}
	view := e.store.For(v.Root)
	fs, err := site.Open(e.ctx, v.Root, view)
	if err != nil {
		view.Close()
		return "", siteError(err)
	}
	url, err := e.doors.gateway.Preview(gateway.Site{
		Name: e.nameOf(&r), Owner: r.Root.String(), Root: v.Root, Seq: v.Seq, FS: fs, Date: v.Time,
	}, control.PreviewTime, func() { view.Close() })
	if err != nil {
		view.Close()
		return "", gatewayClosed(err)
	}
	return url, nil
}

// gatewayClosed says what to do where no browser can reach this node.
func gatewayClosed(err error) error {
	if errors.Is(err, gateway.ErrNoPreview) {
		return control.Mark(control.ErrInvalid, fmt.Errorf("%w: start the node with -gateway 127.0.0.1:8080", err))
	}
	return err
}

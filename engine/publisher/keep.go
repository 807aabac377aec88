package publisher

import (
	"context"
	"log/slog"
	"time"

	"altnet/engine/control"
)

const (
	keepFirst = time.Minute // after a start: the node joins the network first
	keepEvery = time.Hour
)

// Keep renews the records of the profile's sites before they end, for as long
// as ctx lasts: a site stays its author's while the author's computer is on
// now and then.
func Keep(ctx context.Context, p *Profile, node control.Control, log *slog.Logger) {
	timer := time.NewTimer(keepFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		renewDue(ctx, p, node, log)
		timer.Reset(keepEvery)
	}
}

func renewDue(ctx context.Context, p *Profile, node control.Control, log *slog.Logger) {
	due, err := p.Due(time.Now())
	if err != nil {
		log.Warn("look for sites to renew", "err", err)
		return
	}
	for _, s := range due {
		raw, err := p.Renew(ctx, s.Root)
		if err == nil {
			_, err = node.Publish(ctx, control.PublishRequest{Record: raw})
		}
		if err != nil {
			log.Warn("renew a site", "site", s.Bare(), "expires", s.Expires, "err", err)
			continue
		}
		log.Info("renewed a site", "site", s.Bare())
	}
}

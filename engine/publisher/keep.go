package publisher

import (
	"context"
	"log/slog"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
)

const (
	keepFirst = time.Minute // after a start: the node joins the network first
	keepEvery = time.Hour
)

// Keep renews the records of the profile's sites before they end, for as long
// as ctx lasts: a site stays its author's while the author's computer is on
// now and then.
func Keep(ctx context.Context, p *Profile, node control.Control, log *slog.Logger) {
	k := renewer{profile: p, node: node, author: NewAuthor(p, node), owed: map[identity.PublicKey]bool{}}
	timer := time.NewTimer(keepFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := k.run(ctx, log); err != nil {
			log.Warn("look for sites to renew", "err", err)
		}
		timer.Reset(keepEvery)
	}
}

// renewer renews what is due.
type renewer struct {
	profile *Profile
	node    control.Control
	author  *Author
	owed    map[identity.PublicKey]bool // renewed, and the node has not taken it yet
}

// run renews every site that is due. Offline nobody would hear of it.
func (k *renewer) run(ctx context.Context, log *slog.Logger) error {
	s, err := k.node.Status(ctx)
	if err != nil || !s.Online {
		return err
	}
	sites, err := k.profile.Sites()
	if err != nil {
		return err
	}
	for _, s := range sites {
		if !k.due(s) {
			continue
		}
		switch renewed, err := k.renew(ctx, s); {
		case err != nil:
			log.Warn("renew a site", "site", s.Bare(), "expires", s.Expires, "err", err)
		case renewed:
			log.Info("renewed a site", "site", s.Bare())
		}
	}
	return nil
}

func (k *renewer) due(s Site) bool { return s.due(time.Now()) || k.owed[s.Root] && !s.Withdrawn }

// renew signs what is in force again. What that is, the network is asked
// first: a renewal of what another device has replaced would bring the old
// version back.
func (k *renewer) renew(ctx context.Context, s Site) (renewed bool, err error) {
	if err := k.author.catchUp(ctx, s); err != nil {
		return false, err
	}
	if s, err = k.profile.Site(record.Address(s.Root)); err != nil || !k.due(s) {
		return false, err
	}
	raw, err := k.profile.Renew(ctx, s.Root)
	if err != nil {
		return false, err
	}
	k.owed[s.Root] = true
	_, err = k.author.handIn(ctx, s, raw)
	if err == nil {
		delete(k.owed, s.Root)
	}
	return err == nil, err
}

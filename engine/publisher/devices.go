package publisher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
)

// Elsewhere is what another device of the author's published of a site since
// this one did.
type Elsewhere struct {
	Device identity.PublicKey `json:"device"` // the key it signs with
	Seq    uint64             `json:"seq"`
	Signed time.Time          `json:"signed"`
	Seen   time.Time          `json:"seen"`
	Update bool               `json:"update"` // other content than this device published last, not just a renewal
}

// notice keeps that a newer record was signed by another device.
func (s *siteState) notice(r *record.Record, now time.Time) {
	if r.Delegation.Key == s.key().Public() {
		return // this device's own, from before a restore of an older profile
	}
	e := Elsewhere{Device: r.Delegation.Key, Seq: r.Seq, Signed: r.IssuedAt().UTC(), Seen: now.UTC()}
	e.Update = r.Tombstone() != s.Withdrawn || !r.Tombstone() && (len(s.Versions) == 0 || s.Versions[0].Root != r.Content)
	if old := s.Elsewhere; old != nil && old.Update {
		e.Update = true // a renewal does not hide what the author has not seen yet
	}
	s.Elsewhere = &e
}

// SawElsewhere notes that the author knows what another device published.
// Errors wrap ErrNoSite.
func (p *Profile) SawElsewhere(root identity.PublicKey) error {
	return p.update(func(s *state) error {
		x, err := s.known(root)
		if err != nil {
			return err
		}
		x.Elsewhere = nil
		return nil
	})
}

// Devices asks the network what other devices of the author's published, and
// returns the sites of which there is something to tell. Errors wrap
// ErrShutOut for each site that another device took this one out of; the
// sites are returned all the same.
func (a *Author) Devices(ctx context.Context) ([]Site, error) {
	sites, err := a.profile.Sites()
	if err != nil {
		return nil, err
	}
	var errs []error
	var out []Site
	for _, s := range sites {
		if err := a.catchUp(ctx, s); errors.Is(err, ErrShutOut) || errors.Is(err, control.ErrNotRunning) {
			errs = append(errs, err)
		}
		now, err := a.profile.Site(record.Address(s.Root))
		if err != nil {
			errs = append(errs, err)
		} else if now.Elsewhere != nil {
			out = append(out, now)
		}
	}
	return out, errors.Join(errs...)
}

// ShutOut takes every other device out of a site: this device gets a new key
// under a new generation, and signs what is in force again, so that the
// network learns of it. Errors wrap ErrNoSite, ErrNoPhrase, ErrNothing, or say
// that the network could not be asked what is in force.
func (a *Author) ShutOut(ctx context.Context, name string) (control.Receipt, error) {
	s, err := a.profile.Site(name)
	if err != nil {
		return control.Receipt{}, err
	}
	if err := a.catchUp(ctx, s); err != nil {
		return control.Receipt{}, err
	}
	if err := a.profile.ShutOut(s.Root); err != nil {
		return control.Receipt{}, err
	}
	raw, err := a.profile.Renew(ctx, s.Root)
	if err != nil {
		return control.Receipt{}, err
	}
	return a.handIn(ctx, s, raw)
}

// handIn hands a renewal to the node, which may have to fetch first what
// another device published.
func (a *Author) handIn(ctx context.Context, s Site, raw []byte) (control.Receipt, error) {
	receipt, err := a.submit(ctx, s.Root, raw, "")
	if !errors.Is(err, control.ErrMissing) {
		return receipt, err
	}
	if err := a.node.SetPinned(ctx, record.Address(s.Root), true); err != nil {
		return control.Receipt{}, fmt.Errorf("fetch what another device published: %w", err)
	}
	return a.submit(ctx, s.Root, raw, "")
}

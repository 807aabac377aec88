package publisher

import (
	"fmt"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
)

// Observe learns from a record of one of the author's own sites that came
// from the network: another device may have signed since. A record under a
// higher serial shuts this device out unless the phrase is here, which lets it
// join the new generation. Errors wrap ErrNoSite or ErrShutOut.
func (p *Profile) Observe(raw []byte) error {
	r, err := record.Parse(raw)
	if err != nil {
		return err
	}
	return p.update(func(s *state) error {
		x, err := s.known(r.Root)
		if err != nil {
			return err
		}
		return s.observe(x, &r, time.Now())
	})
}

func (s *state) observe(x *siteState, r *record.Record, now time.Time) error {
	higher := r.Delegation.Serial > x.Serial
	switch {
	case r.Delegation.Serial < x.Serial:
		return nil // of a generation that was shut out
	case higher && s.Phrase == "":
		return fmt.Errorf("%s: %w", x.public().Bare(), ErrShutOut)
	case higher:
		root, err := rootKey(s.Phrase, x.Index)
		if err != nil {
			return err
		}
		x.Serial, x.Seq = r.Delegation.Serial, 0
		if err := x.delegate(root, now); err != nil {
			return err
		}
	}
	if r.Seq <= x.Seq {
		return nil
	}
	x.notice(r, now)
	if r.Name != "" && x.Name == "" {
		x.Name = r.Name
	}
	if r.Claim != nil && r.Name == x.Name && r.Network == x.Network {
		x.Claim = r.Claim
	}
	if len(r.Grant) > 0 {
		x.Grant = r.Grant
	}
	x.note(r, "", r.IssuedAt())
	return nil
}

// Recover takes a site back that was found in the network under
// Candidate(index). The new device joins the generation of the record that
// was found; ShutOut then excludes a lost one. Errors wrap ErrNoPhrase, or
// record.ErrWrongKey where the record is not of that site.
func (p *Profile) Recover(index uint32, raw []byte) (site Site, err error) {
	r, err := record.Parse(raw)
	if err != nil {
		return Site{}, err
	}
	err = p.update(func(s *state) error {
		if s.Phrase == "" {
			return ErrNoPhrase
		}
		root, err := rootKey(s.Phrase, index)
		if err != nil {
			return err
		}
		if root.Public() != r.Root {
			return fmt.Errorf("site %d of the phrase: %w", index, record.ErrWrongKey)
		}
		x := s.site(r.Root)
		fresh := x == nil
		if fresh {
			if x, err = s.addSite(index, r.Name, r.Delegation.Serial); err != nil {
				return err
			}
			x.Network = r.Network
		}
		err = s.observe(x, &r, time.Now())
		if fresh {
			x.Elsewhere = nil // taken over on purpose
		}
		site = x.public()
		return err
	})
	return site, err
}

// ShutOut gives this device a new key under a new generation: with the next
// record it signs, every other device's records are worth less, whatever
// their sequence. Errors wrap ErrNoSite or ErrNoPhrase.
func (p *Profile) ShutOut(root identity.PublicKey) error {
	return p.update(func(s *state) error {
		x, err := s.known(root)
		if err != nil {
			return err
		}
		if s.Phrase == "" {
			return ErrNoPhrase
		}
		k, err := rootKey(s.Phrase, x.Index)
		if err != nil {
			return err
		}
		x.Serial++
		return x.renewDevice(k, time.Now())
	})
}

package publisher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

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
		x := s.site(r.Root)
		if x == nil {
			return fmt.Errorf("%s: %w", r.Root, ErrNoSite)
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
		if x == nil {
			if x, err = s.addSite(index, r.Name, r.Delegation.Serial); err != nil {
				return err
			}
			x.Network = r.Network
		}
		err = s.observe(x, &r, time.Now())
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
		x := s.site(root)
		if x == nil {
			return fmt.Errorf("%s: %w", root, ErrNoSite)
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

// ErrPassphrase reports a backup that does not open with the passphrase.
var ErrPassphrase = errors.New("wrong passphrase")

// minPassphrase keeps out what is guessed at once.
const minPassphrase = 8

// Backup writes the whole profile, keys and versions, encrypted with a
// passphrase (age, scrypt), as text.
func (p *Profile) Backup(w io.Writer, passphrase string) error {
	return p.backup(w, passphrase, 18) // about a second of scrypt
}

func (p *Profile) backup(w io.Writer, passphrase string, workFactor int) error {
	if len(passphrase) < minPassphrase {
		return fmt.Errorf("a passphrase of at least %d characters is needed", minPassphrase)
	}
	var s *state
	if err := p.update(func(now *state) error { // a backup without phrase would be empty
		s = now
		if now.Check == "" {
			return now.needPhrase()
		}
		return nil
	}); err != nil {
		return err
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return err
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	to.SetWorkFactor(workFactor)
	text := armor.NewWriter(w)
	enc, err := age.Encrypt(text, to)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := io.Copy(enc, bytes.NewReader(plain)); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return errors.Join(enc.Close(), text.Close())
}

// RestoreBackup reads what Backup wrote into a profile that has no keys yet.
// Errors wrap ErrPassphrase, ErrHasKeys or ErrNewer.
func (p *Profile) RestoreBackup(r io.Reader, passphrase string) error {
	const maxBackup = 8 << 20
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	dec, err := age.Decrypt(armor.NewReader(io.LimitReader(r, maxBackup)), id)
	if wrong := (*age.NoIdentityMatchError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("restore: %w", ErrPassphrase)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	plain, err := io.ReadAll(dec)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	saved, err := parseState(plain)
	if err != nil {
		return err
	}
	return p.update(func(s *state) error {
		if s.Check != "" || len(s.Sites) > 0 {
			return fmt.Errorf("restore: %w", ErrHasKeys)
		}
		*s = *saved
		return nil
	})
}

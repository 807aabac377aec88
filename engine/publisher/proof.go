package publisher

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// ErrOtherKeys reports a phrase or a backup that is whole, and not of this
// profile.
var ErrOtherKeys = errors.New("it belongs to other keys than those of this profile")

// How says by what a restore was tested.
type How string

// The ways back to the keys.
const (
	ByPhrase How = "phrase" // the words were typed
	ByFile   How = "file"   // the backup file was opened
)

// proof notes that the way back to the keys was tried and works.
type proof struct {
	Time time.Time `json:"time"`
	How  How       `json:"how"`
}

// Safety is how sure an author can be to get the keys back.
type Safety struct {
	Needed bool      // something was published that would be lost with this computer
	Tested time.Time // when a restore test passed last; zero: never
	How    How       // what was tested
	Saved  time.Time // when a backup file was written last; that alone proves nothing
	Phrase bool      // the phrase is on this computer and can be shown
	Keys   bool      // the profile has keys at all
}

// Risky reports whether losing this computer now may lose a site.
func (s Safety) Risky() bool { return s.Needed && s.Tested.IsZero() }

// Safety tells how sure the author can be to get the keys back.
func (p *Profile) Safety() (Safety, error) {
	s, err := p.load()
	if err != nil {
		return Safety{}, err
	}
	out := Safety{
		Needed: slices.ContainsFunc(s.Sites, func(x siteState) bool { return x.Seq > 0 && !x.Withdrawn }),
		Saved:  s.Saved, Phrase: s.Phrase != "", Keys: s.Check != "",
	}
	if s.Proof != nil {
		out.Tested, out.How = s.Proof.Time, s.Proof.How
	}
	return out, nil
}

// TestPhrase checks that what a person wrote down is this profile's recovery
// phrase, whether or not that is on the computer, by deriving every site's key
// from it, and notes that the test passed. Errors wrap ErrBadPhrase, or both
// it and ErrOtherKeys.
func (p *Profile) TestPhrase(typed string) error {
	phrase, err := readPhrase(typed)
	if err != nil {
		return err
	}
	return p.update(func(s *state) error {
		if err := s.derivesFrom(phrase); err != nil {
			return fmt.Errorf("a valid phrase: %w (%w)", err, ErrBadPhrase)
		}
		s.Proof = &proof{Time: time.Now().UTC(), How: ByPhrase}
		return nil
	})
}

// TestBackup checks that a backup opens with the passphrase and that its
// phrase derives every key of this profile, and notes that the test passed.
// Errors wrap ErrPassphrase, ErrBadBackup, ErrNewer, ErrOtherKeys, or
// ErrNoPhrase where the backup was written without the phrase.
func (p *Profile) TestBackup(r io.Reader, passphrase string) error {
	saved, err := openBackup(r, passphrase)
	if err != nil {
		return err
	}
	if saved.Phrase == "" {
		return fmt.Errorf("test the backup: it was written while %w", ErrNoPhrase)
	}
	return p.update(func(s *state) error {
		if err := s.derivesFrom(saved.Phrase); err != nil {
			return fmt.Errorf("test the backup: %w", err)
		}
		s.Proof = &proof{Time: time.Now().UTC(), How: ByFile}
		return nil
	})
}

// derivesFrom checks that a phrase gives every root key of the profile.
func (s *state) derivesFrom(phrase string) error {
	first, err := rootKey(phrase, 0)
	if err != nil {
		return err
	}
	if s.Check != first.Public().String() {
		return ErrOtherKeys
	}
	for _, x := range s.Sites {
		k, err := rootKey(phrase, x.Index)
		if err != nil {
			return err
		}
		if k.Public() != x.Root {
			return fmt.Errorf("%s: %w", x.public().Bare(), ErrOtherKeys)
		}
	}
	return nil
}

package publisher

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tyler-smith/go-bip39"

	"altnet/engine/identity"
)

// ErrBadPhrase reports words that are no recovery phrase, and says which.
var ErrBadPhrase = errors.New("not a recovery phrase")

const (
	phraseWords = 24
	phraseBytes = 32 // of entropy
	rootDomain  = "altnet site root v1\x00"
)

// newPhrase makes 24 words (BIP-39) from 256 random bits.
func newPhrase() (string, error) {
	entropy := make([]byte, phraseBytes)
	rand.Read(entropy)
	return bip39.NewMnemonic(entropy)
}

// readPhrase brings what a person typed into the one form that counts. Errors
// wrap ErrBadPhrase.
func readPhrase(typed string) (string, error) {
	words := strings.Fields(strings.ToLower(typed))
	if len(words) != phraseWords {
		return "", fmt.Errorf("%d words, want %d: %w", len(words), phraseWords, ErrBadPhrase)
	}
	for i, w := range words {
		if _, ok := bip39.GetWordIndex(w); !ok {
			return "", fmt.Errorf("word %d (%q) is not in the list of words: %w", i+1, w, ErrBadPhrase)
		}
	}
	phrase := strings.Join(words, " ")
	if _, err := bip39.EntropyFromMnemonic(phrase); err != nil {
		return "", fmt.Errorf("the words do not fit together, one is wrong or out of place: %w", ErrBadPhrase)
	}
	return phrase, nil
}

// TypedWords looks at a phrase that is still being typed: how many words
// there are, and which of them (counted from 1) are not in the list of words.
func TypedWords(typed string) (count int, unknown []int) {
	words := strings.Fields(strings.ToLower(typed))
	for i, w := range words {
		if _, ok := bip39.GetWordIndex(w); !ok {
			unknown = append(unknown, i+1)
		}
	}
	return len(words), unknown
}

// rootKey derives the root key of site index: HKDF-SHA256 over the BIP-39
// seed (no passphrase), info = domain ‖ index (4 bytes, big endian).
func rootKey(phrase string, index uint32) (identity.Key, error) {
	info := string(binary.BigEndian.AppendUint32([]byte(rootDomain), index))
	seed, err := hkdf.Key(sha256.New, bip39.NewSeed(phrase, ""), nil, info, 32)
	if err != nil {
		return identity.Key{}, fmt.Errorf("derive a site key: %w", err)
	}
	return identity.FromSeed([32]byte(seed)), nil
}

// needPhrase makes the phrase of a new profile, and refuses where it was
// taken away.
func (s *state) needPhrase() error {
	switch {
	case s.Phrase != "":
		return nil
	case s.Check != "":
		return ErrNoPhrase
	}
	phrase, err := newPhrase()
	if err != nil {
		return fmt.Errorf("make a recovery phrase: %w", err)
	}
	return s.setPhrase(phrase)
}

// setPhrase installs a phrase, which must be the one the profile knows.
func (s *state) setPhrase(phrase string) error {
	first, err := rootKey(phrase, 0)
	if err != nil {
		return err
	}
	check := first.Public().String()
	if s.Check != "" && s.Check != check {
		return fmt.Errorf("another recovery phrase: %w", ErrHasKeys)
	}
	s.Phrase, s.Check = phrase, check
	return nil
}

// Phrase returns the recovery phrase to be written down, making it in a new
// profile. ErrNoPhrase where it was forgotten on purpose.
func (p *Profile) Phrase() (phrase string, err error) {
	err = p.update(func(s *state) error {
		err := s.needPhrase()
		phrase = s.Phrase
		return err
	})
	return phrase, err
}

// ForgetPhrase takes the phrase off this computer: sites go on being updated,
// but making a new one or shutting out a device needs RestorePhrase first.
// written is what the person wrote down; a wrong one is refused.
func (p *Profile) ForgetPhrase(written string) error {
	if err := p.TestPhrase(written); err != nil {
		return err
	}
	return p.update(func(s *state) error {
		s.Phrase = ""
		return nil
	})
}

// RestorePhrase brings a phrase to this computer: to a new profile, or back to
// the one it belongs to. The sites follow with Candidate and Recover. Errors
// wrap ErrBadPhrase or ErrHasKeys.
func (p *Profile) RestorePhrase(typed string) error {
	phrase, err := readPhrase(typed)
	if err != nil {
		return err
	}
	return p.update(func(s *state) error {
		if err := s.setPhrase(phrase); err != nil {
			return err
		}
		s.Proof = &proof{Time: time.Now().UTC(), How: ByPhrase} // having restored is the best test
		return nil
	})
}

// Candidate returns the root key that site index of the phrase has, whether
// or not such a site was ever made. A restore asks the network for each in
// turn, until some in a row are unknown.
func (p *Profile) Candidate(index uint32) (identity.PublicKey, error) {
	s, err := p.load()
	if err != nil {
		return identity.PublicKey{}, err
	}
	if i := slices.IndexFunc(s.Sites, func(x siteState) bool { return x.Index == index }); i >= 0 {
		return s.Sites[i].Root, nil
	}
	if s.Phrase == "" {
		return identity.PublicKey{}, ErrNoPhrase
	}
	k, err := rootKey(s.Phrase, index)
	if err != nil {
		return identity.PublicKey{}, err
	}
	return k.Public(), nil
}

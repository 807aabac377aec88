package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"altnet/platform/journal"
)

// Errors of this package.
var (
	// ErrBlocked is returned by Install for a store that Decide found
	// something in the way of.
	ErrBlocked = errors.New("the trust store cannot be written")
	// ErrPassword is returned for a database whose owner locked it with a
	// primary password: only that person can let a certificate in.
	ErrPassword = errors.New("the database is locked with a primary password")
	// ErrDeclined is returned where the system asked the person, who said no.
	ErrDeclined = errors.New("declined")
)

// State is how a store stands to a root.
type State string

// The states.
const (
	Trusted   State = "trusted"
	Untrusted State = "untrusted" // it is there, but its trust was taken away
	Absent    State = "absent"
)

// Keeper writes trust stores. Its journal must have Undoers and Surgeons.
type Keeper struct {
	env     Env
	journal *journal.Journal
}

// New returns a Keeper that notes every change in j.
func New(env Env, j *journal.Journal) *Keeper { return &Keeper{env: env, journal: j} }

// driver is what one kind of store can do.
type driver interface {
	// install puts the root in, noting everything under door beforehand.
	install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error
	check(ctx context.Context, s Store, f Fingerprint) (State, error)
}

// driver returns the driver for a kind, nil for an unknown one.
func (e Env) driver(k Kind) driver {
	switch k {
	case Anchors:
		return anchors(e)
	case NSS:
		return nss(e)
	case FirefoxPolicy:
		return policyFile{}
	case WindowsMachine, WindowsUser:
		return certStore{}
	case SystemKeychain, LoginKeychain:
		return keychain(e)
	}
	return nil
}

// prefix begins the doors of this package in a journal.
const prefix = "trust "

// Door is what the journal's entries of a store are filed under.
func Door(s Store) string { return prefix + s.ID }

// IsDoor reports whether a journal's entry is of this package.
func IsDoor(door string) bool { return strings.HasPrefix(door, prefix) }

// Install makes a store trust root, and that alone of ours: an earlier root
// that the journal knows is taken out. It does nothing where the root is
// trusted already. ErrBlocked, ErrPassword, ErrDeclined.
func (k *Keeper) Install(ctx context.Context, s Store, root Root) error {
	d := k.env.driver(s.Kind)
	switch {
	case root.cert == nil:
		return fmt.Errorf("trust the root in %s: %w", s.Name, ErrNotLimited)
	case s.Blocked != "" || d == nil:
		return fmt.Errorf("trust the root in %s: %w (%s)", s.Name, ErrBlocked, s.Blocked)
	}
	if state, err := d.check(ctx, s, root.Fingerprint()); err == nil && state == Trusted {
		return nil
	}
	if _, err := k.Remove(ctx, s); err != nil {
		return err
	}
	if err := d.install(ctx, k.journal, Door(s), s, root); err != nil {
		return fmt.Errorf("trust the root in %s: %w", s.Name, err)
	}
	return nil
}

// Remove takes out of a store what Install put there. Nothing there is no
// error.
func (k *Keeper) Remove(ctx context.Context, s Store) ([]journal.Outcome, error) {
	out, err := k.journal.Undo(ctx, Door(s))
	if err != nil {
		return out, fmt.Errorf("take the root out of %s: %w", s.Name, err)
	}
	return out, nil
}

// Check says whether a store trusts the certificate with this fingerprint. An
// error means that it cannot be told.
func (k *Keeper) Check(ctx context.Context, s Store, f Fingerprint) (State, error) {
	d := k.env.driver(s.Kind)
	if d == nil {
		return "", fmt.Errorf("look into %s: %w", s.Name, ErrBlocked)
	}
	state, err := d.check(ctx, s, f)
	if err != nil {
		return "", fmt.Errorf("look into %s: %w", s.Name, err)
	}
	return state, nil
}

// Kinds of external changes in a journal.
const (
	kindNSS      = "nss-certificate"
	kindRefresh  = "anchors-refresh"
	kindStore    = "windows-certificate"
	kindKeychain = "keychain-certificate"
)

// Undoers returns what a journal needs to take back this package's changes.
func Undoers(env Env) map[string]journal.Undoer {
	return map[string]journal.Undoer{
		kindNSS:      nss(env).undo,
		kindRefresh:  anchors(env).undo,
		kindStore:    certStore{}.undo,
		kindKeychain: keychain(env).undo,
	}
}

// surgeonPolicy takes our entry out of an edited policies.json.
const surgeonPolicy = "firefox-policy"

// Surgeons returns what a journal needs for files that somebody edited.
func Surgeons() map[string]journal.Surgeon {
	return map[string]journal.Surgeon{surgeonPolicy: cutPolicy}
}

// note is a value for the journal.
func note(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return nil // plain structs always marshal
	}
	return data
}

// noted reads a value of the journal, the zero value for none.
func noted[T any](raw json.RawMessage) (T, error) {
	var v T
	if len(raw) == 0 || string(raw) == "null" {
		return v, nil
	}
	err := json.Unmarshal(raw, &v)
	return v, err
}

// fingerprints reads what a change may have left in a store.
func fingerprints(change journal.Change) ([]Fingerprint, error) {
	var list []Fingerprint
	for _, raw := range change.Ours {
		text, err := noted[string](raw)
		if err != nil {
			return nil, err
		}
		f, err := ParseFingerprint(text)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

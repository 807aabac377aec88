package publisher

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

var (
	// ErrPassphrase reports a backup that does not open with the passphrase.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrShortPassphrase reports a passphrase that would be guessed at once.
	ErrShortPassphrase = fmt.Errorf("a passphrase of at least %d characters is needed", MinPassphrase)
	// ErrBadBackup reports a file that is no backup, or a damaged one.
	ErrBadBackup = errors.New("not a backup of AltNet, or a damaged one")
)

// MinPassphrase is the least length of a backup's passphrase, in bytes.
const MinPassphrase = 8

const (
	maxBackup  = 8 << 20 // bytes
	workFactor = 18      // about a second of scrypt
)

// Backup writes the whole profile, keys and versions, encrypted with a
// passphrase (age, scrypt), as text. Errors wrap ErrShortPassphrase.
func (p *Profile) Backup(w io.Writer, passphrase string) error {
	return p.backup(w, passphrase, workFactor)
}

func (p *Profile) backup(w io.Writer, passphrase string, workFactor int) error {
	if len(passphrase) < MinPassphrase {
		return ErrShortPassphrase
	}
	var s *state
	if err := p.update(func(now *state) error { // a backup without phrase would be empty
		s, now.Saved = now, time.Now().UTC()
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

// BackupFile writes what Backup does to a new file that its owner alone may
// read, and leaves nothing behind where that fails. Errors wrap
// ErrShortPassphrase, fs.ErrExist, or are from the file system.
func (p *Profile) BackupFile(path, passphrase string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := errors.Join(p.Backup(f, passphrase), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// openBackup decrypts what Backup wrote. Errors wrap ErrPassphrase,
// ErrBadBackup or ErrNewer.
func openBackup(r io.Reader, passphrase string) (*state, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("open the backup: %w", ErrPassphrase) // an empty one
	}
	dec, err := age.Decrypt(armor.NewReader(io.LimitReader(r, maxBackup)), id)
	if _, wrong := errors.AsType[*age.NoIdentityMatchError](err); wrong {
		return nil, fmt.Errorf("open the backup: %w", ErrPassphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("open the backup: %w (%w)", ErrBadBackup, err)
	}
	plain, err := io.ReadAll(dec)
	if err != nil {
		return nil, fmt.Errorf("open the backup: %w (%w)", ErrBadBackup, err)
	}
	s, err := parseState(plain)
	if err != nil && !errors.Is(err, ErrNewer) {
		return nil, fmt.Errorf("open the backup: %w (%w)", ErrBadBackup, err)
	}
	return s, err
}

// RestoreBackup reads what Backup wrote into a profile that has no keys yet.
// Errors wrap ErrPassphrase, ErrBadBackup, ErrHasKeys or ErrNewer.
func (p *Profile) RestoreBackup(r io.Reader, passphrase string) error {
	saved, err := openBackup(r, passphrase)
	if err != nil {
		return err
	}
	return p.update(func(s *state) error {
		if s.Check != "" || len(s.Sites) > 0 {
			return fmt.Errorf("restore: %w", ErrHasKeys)
		}
		*s = *saved
		s.Proof = &proof{Time: time.Now().UTC(), How: ByFile}
		return nil
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"altnet/engine/publisher"
)

// key shows, saves and brings back what owns the user's sites.
func key(ctx context.Context, s *session, args []string) error {
	_, profile, err := s.opts.folders()
	if err != nil {
		return err
	}
	file := ""
	if len(args) > 1 {
		file = args[1]
	}
	p, err := publisher.Open(profile)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "show" && file == "":
		return keyShow(s, p)
	case args[0] == "test" && file == "":
		return keyTest(s, p)
	case args[0] == "backup" && file != "":
		return keyBackup(s, p, file)
	case args[0] == "restore":
		return keyRestore(ctx, s, p, file)
	}
	return usagef("use: altnet key show, key test, key backup FILE or key restore [FILE]")
}

func keyShow(s *session, p *publisher.Profile) error {
	phrase, err := p.Phrase()
	if err != nil {
		return err
	}
	return s.result(map[string]string{"phrase": phrase}, func(w io.Writer) {
		for i, word := range strings.Fields(phrase) {
			end := "  "
			if i%4 == 3 {
				end = "\n"
			}
			fmt.Fprintf(w, "%2d %-8s%s", i+1, word, end)
		}
		fmt.Fprintln(s.err, "Whoever reads these words owns your sites. Write them down, and keep them off computers.")
	})
}

// keyTest lets somebody prove that what they wrote down is right, before they
// need it.
func keyTest(s *session, p *publisher.Profile) error {
	phrase, err := s.secret("Your 24 words")
	if err != nil {
		return err
	}
	if err := p.TestPhrase(phrase); err != nil {
		return err
	}
	return s.result(map[string]bool{"right": true}, func(w io.Writer) {
		fmt.Fprintln(w, "These are the words of this profile.")
	})
}

// keyBackup writes the profile, locked with a passphrase, to a new file.
func keyBackup(s *session, p *publisher.Profile, file string) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s exists, and nothing is overwritten", file)
	}
	pass, err := newPassphrase(s.terminal)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := errors.Join(p.Backup(f, pass), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return s.result(map[string]string{"file": file}, func(w io.Writer) {
		fmt.Fprintf(w, "%s holds your sites' keys. Without the passphrase nobody can read it, you neither.\n", file)
	})
}

// newPassphrase asks twice where a person types.
func newPassphrase(t *terminal) (string, error) {
	pass, err := t.secret("Passphrase for the backup")
	if err != nil {
		return "", err
	}
	if len(pass) < 8 {
		return "", errors.New("a passphrase has at least 8 characters")
	}
	if !t.inTTY {
		return pass, nil
	}
	again, err := t.secret("Once more")
	if err != nil {
		return "", err
	}
	if again != pass {
		return "", errors.New("the two passphrases differ")
	}
	return pass, nil
}

// keyRestore brings the keys back, from a backup file or from the phrase.
func keyRestore(ctx context.Context, s *session, p *publisher.Profile, file string) error {
	var err error
	if file != "" {
		err = restoreFile(s.terminal, p, file)
	} else {
		err = restorePhrase(s.terminal, p)
	}
	if err != nil {
		return err
	}
	return s.result(map[string]bool{"restored": true}, func(w io.Writer) {
		fmt.Fprintln(w, "The keys are back.")
		s.findSites(ctx, w)
	})
}

// findSites asks the network which sites the restored keys own. Without a
// node that is left for later.
func (s *session) findSites(ctx context.Context, w io.Writer) {
	a, err := s.author()
	if err != nil {
		fmt.Fprintln(s.err, err)
		return
	}
	names, err := a.Restore(ctx)
	if err != nil {
		fmt.Fprintf(s.err, "Your sites could not be looked for (%v). Start a node and run this again.\n", err)
		return
	}
	for _, name := range names {
		fmt.Fprintf(w, "found  http://%s.alt/\n", name)
	}
	if len(names) == 0 {
		fmt.Fprintln(w, "No site of these keys was found in the network.")
	}
}

func restoreFile(t *terminal, p *publisher.Profile, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	pass, err := t.secret("Passphrase of the backup")
	if err != nil {
		return err
	}
	return p.RestoreBackup(f, pass)
}

func restorePhrase(t *terminal, p *publisher.Profile) error {
	phrase, err := t.secret("Your 24 words")
	if err != nil {
		return err
	}
	return p.RestorePhrase(phrase)
}

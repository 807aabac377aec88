package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

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
	case args[0] == "test":
		return keyTest(s, p, file)
	case args[0] == "backup" && file != "":
		return keyBackup(s, p, file)
	case args[0] == "restore":
		return keyRestore(ctx, s, p, file)
	case args[0] == "devices" && file == "":
		return keyDevices(ctx, s, p)
	case args[0] == "shutout" && file != "":
		return keyShutOut(ctx, s, p, file)
	}
	return usagef("use: altnet key show, key test [FILE], key backup FILE, key restore [FILE], key devices or key shutout NAME")
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

// keyTest lets somebody prove that what they wrote down, or the backup file,
// brings the keys back, before they need it.
func keyTest(s *session, p *publisher.Profile, file string) error {
	if err := testKeys(s.terminal, p, file); err != nil {
		return err
	}
	return s.result(map[string]bool{"right": true}, func(w io.Writer) {
		fmt.Fprintln(w, "Right: every site of this profile can be brought back with it.")
	})
}

func testKeys(t *terminal, p *publisher.Profile, file string) error {
	if file != "" {
		return withBackup(t, file, p.TestBackup)
	}
	phrase, err := t.secret("Your 24 words")
	if err != nil {
		return err
	}
	return p.TestPhrase(phrase)
}

// withBackup opens a backup file and asks for its passphrase.
func withBackup(t *terminal, file string, use func(io.Reader, string) error) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	pass, err := t.secret("Passphrase of the backup")
	if err != nil {
		return err
	}
	return use(f, pass)
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
	if err := p.BackupFile(file, pass); err != nil {
		return err
	}
	return s.result(map[string]string{"file": file}, func(w io.Writer) {
		fmt.Fprintf(w, "%s holds your sites' keys. Without the passphrase nobody can read it, you neither.\nTry it now: altnet key test %s\n", file, file)
	})
}

// elsewhere is a line of key devices.
type elsewhere struct {
	Site   string    `json:"site"`
	Device string    `json:"device"` // its key, hex
	Signed time.Time `json:"signed"`
	Update bool      `json:"update"`
}

// keyDevices tells what other devices of the author's published.
func keyDevices(ctx context.Context, s *session, p *publisher.Profile) error {
	sites, err := publisher.NewAuthor(p, s.control).Devices(ctx)
	if err != nil && len(sites) == 0 {
		return err
	}
	out := make([]elsewhere, len(sites))
	for i, x := range sites {
		out[i] = elsewhere{Site: x.Bare(), Device: x.Elsewhere.Device.String(), Signed: x.Elsewhere.Signed, Update: x.Elsewhere.Update}
	}
	return errors.Join(err, s.result(out, func(w io.Writer) { printDevices(w, out) }))
}

func printDevices(w io.Writer, found []elsewhere) {
	if len(found) == 0 {
		fmt.Fprintln(w, "No other device published these sites.")
		return
	}
	for _, x := range found {
		what := "renewed"
		if x.Update {
			what = "published another version of"
		}
		fmt.Fprintf(w, "device %.8s %s %s on %s\n", x.Device, what, x.Site, x.Signed.Local().Format("2006-01-02 15:04"))
	}
	fmt.Fprintln(w, "An update from here replaces what they published. If a device is lost, take it out with: altnet key shutout NAME")
}

// keyShutOut takes every other device out of a site.
func keyShutOut(ctx context.Context, s *session, p *publisher.Profile, name string) error {
	receipt, err := publisher.NewAuthor(p, s.control).ShutOut(ctx, name)
	if err != nil {
		return err
	}
	return s.result(receipt, func(w io.Writer) {
		fmt.Fprintf(w, "From now on this device alone signs for %s. Others need the recovery phrase to join again.\n", receipt.Name)
	})
}

// newPassphrase asks twice where a person types.
func newPassphrase(t *terminal) (string, error) {
	pass, err := t.secret("Passphrase for the backup")
	if err != nil {
		return "", err
	}
	if len(pass) < publisher.MinPassphrase {
		return "", publisher.ErrShortPassphrase
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
		err = withBackup(s.terminal, file, p.RestoreBackup)
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

func restorePhrase(t *terminal, p *publisher.Profile) error {
	phrase, err := t.secret("Your 24 words")
	if err != nil {
		return err
	}
	return p.RestorePhrase(phrase)
}

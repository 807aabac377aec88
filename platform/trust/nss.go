package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"altnet/platform/journal"
)

// nss drives NSS databases by certutil, which holds the locks that a running
// browser holds too; their files are never written by hand.
type nss Env

// before is what a database was like before we came.
type before struct {
	Made    bool     `json:"made,omitempty"`    // we make the database
	Folders []string `json:"folders,omitempty"` // and these folders, the outermost first
	Flags   string   `json:"flags,omitempty"`   // the root was there with this trust
}

// trustFlags make an authority that vouches for TLS servers.
const trustFlags = "C,,"

func (n nss) install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error {
	was, err := n.before(ctx, s, root.Fingerprint())
	if err != nil {
		return err
	}
	change := journal.ExternalChange{
		Door: door, Kind: kindNSS, Key: s.Path, Before: note(was), After: note(root.Fingerprint().String()),
	}
	return j.External(ctx, change, func(ctx context.Context) error { return n.put(ctx, s.Path, was, root) })
}

func (n nss) before(ctx context.Context, s Store, f Fingerprint) (before, error) {
	if !exists(filepath.Join(s.Path, databaseFiles()[0])) {
		return before{Made: true, Folders: missing(s.Path)}, nil
	}
	_, flags, err := n.find(ctx, s.Path, f)
	return before{Flags: flags}, err
}

func (n nss) put(ctx context.Context, dir string, was before, root Root) error {
	if was.Made {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if _, err := n.certutil(ctx, dir, "-N", "--empty-password"); err != nil {
			return err
		}
	}
	if was.Flags != "" {
		return n.retrust(ctx, dir, root.Fingerprint(), trustFlags)
	}
	file := passing(dir, root.Fingerprint())
	if err := os.WriteFile(file, root.PEM(), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	_, err := n.certutil(ctx, dir, "-A", "-n", nickname(root.Fingerprint()), "-t", trustFlags, "-i", file)
	return err
}

// passing is the file by which certutil is given a certificate. It lies beside
// the database, where undo finds it after a kill.
func passing(dir string, f Fingerprint) string { return filepath.Join(dir, fileName(f, ".pem")) }

func (n nss) retrust(ctx context.Context, dir string, f Fingerprint, flags string) error {
	name, _, err := n.find(ctx, dir, f)
	if err != nil || name == "" {
		return err
	}
	_, err = n.certutil(ctx, dir, "-M", "-n", name, "-t", flags)
	return err
}

func (n nss) check(ctx context.Context, s Store, f Fingerprint) (State, error) {
	if !exists(filepath.Join(s.Path, databaseFiles()[0])) {
		return Absent, nil
	}
	name, flags, err := n.find(ctx, s.Path, f)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return Absent, nil
	case strings.HasPrefix(flags, "C"), strings.HasPrefix(flags, "TC"), strings.HasPrefix(flags, "CT"):
		return Trusted, nil
	}
	return Untrusted, nil
}

// undo takes the root out, or its former trust back, and the database away
// where we made it and nobody else has put anything in.
func (n nss) undo(ctx context.Context, change journal.Change) (journal.Result, error) {
	was, err := noted[before](change.Before)
	if err != nil {
		return journal.Failed, err
	}
	list, err := fingerprints(change)
	if err != nil {
		return journal.Failed, err
	}
	for _, f := range list {
		if err := os.Remove(passing(change.Key, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return journal.Failed, err
		}
	}
	if !exists(filepath.Join(change.Key, databaseFiles()[0])) {
		return journal.Nothing, n.clear(change.Key, was)
	}
	if was.Made && n.halfMade(ctx, change.Key) {
		return journal.Removed, n.clear(change.Key, was)
	}
	result := journal.Nothing
	for _, f := range list {
		taken, err := n.takeOut(ctx, change.Key, f, was.Flags)
		if err != nil {
			return journal.Failed, err
		}
		if taken {
			result = journal.Removed
		}
	}
	if !was.Made {
		return result, nil
	}
	if empty, err := n.empty(ctx, change.Key); err != nil || !empty {
		return result, err
	}
	return journal.Removed, n.clear(change.Key, was)
}

// halfMade reports whether a database is none, as when certutil was killed
// while it made it: nobody can have put anything into it.
func (n nss) halfMade(ctx context.Context, dir string) bool {
	_, err := n.certutil(ctx, dir, "-L")
	return err != nil && strings.Contains(err.Error(), "SEC_ERROR_BAD_DATABASE")
}

func (n nss) takeOut(ctx context.Context, dir string, f Fingerprint, flags string) (bool, error) {
	name, _, err := n.find(ctx, dir, f)
	if err != nil || name == "" {
		return false, err
	}
	if flags != "" {
		_, err = n.certutil(ctx, dir, "-M", "-n", name, "-t", flags)
	} else {
		_, err = n.certutil(ctx, dir, "-D", "-n", name)
	}
	return err == nil, err
}

// empty reports whether a database holds neither certificates nor keys.
func (n nss) empty(ctx context.Context, dir string) (bool, error) {
	names, err := n.list(ctx, dir)
	if err != nil || len(names) > 0 {
		return false, err
	}
	out, err := n.certutil(ctx, dir, "-K")
	if strings.Contains(string(out), "no keys found") || err != nil && brokenError.MatchString(err.Error()) {
		return true, nil
	}
	return false, err
}

// clear removes the files of a database that we made, half made ones too, and
// the folders that are empty then.
func (n nss) clear(dir string, was before) error {
	if !was.Made {
		return nil
	}
	for _, name := range databaseFiles() {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, folder := range slices.Backward(was.Folders) {
		if os.Remove(folder) != nil {
			return nil // gone, or somebody uses it
		}
	}
	return nil
}

// brokenError is what certutil says of files that it was killed over while it
// made them: no tables, or no key to begin with.
var brokenError = regexp.MustCompile("SEC_ERROR_(BAD_DATABASE|IO)")

var passwordError = regexp.MustCompile("SEC_ERROR_(TOKEN_NOT_LOGGED_IN|BAD_PASSWORD)")

func databaseFiles() []string { return []string{"cert9.db", "key4.db", "pkcs11.txt"} }

// listed is a line of certutil -L: a name, then the trust in three parts.
var listed = regexp.MustCompile(`^(.*\S)\s+([a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]*)\s*$`)

// named is a certificate of a database.
type named struct{ name, flags string }

func (n nss) list(ctx context.Context, dir string) ([]named, error) {
	out, err := n.certutil(ctx, dir, "-L")
	if err != nil {
		return nil, err
	}
	return parseList(string(out)), nil
}

func parseList(text string) []named {
	var names []named
	for line := range strings.Lines(text) {
		m := listed.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m != nil && m[2] != "SSL,S/MIME,JAR/XPI" {
			names = append(names, named{m[1], m[2]})
		}
	}
	return names
}

// find returns the name and the trust of the certificate with a fingerprint,
// no name where it is not there. Ours has a name of its own, but somebody may
// have put it in under another.
func (n nss) find(ctx context.Context, dir string, f Fingerprint) (name, flags string, err error) {
	names, err := n.list(ctx, dir)
	if err != nil {
		return "", "", err
	}
	ours := nickname(f)
	slices.SortStableFunc(names, func(a, b named) int {
		if (a.name == ours) == (b.name == ours) {
			return 0
		}
		if a.name == ours {
			return -1
		}
		return 1
	})
	for _, c := range names {
		text, err := n.certutil(ctx, dir, "-L", "-a", "-n", c.name)
		if err != nil {
			continue // a name with signs that certutil itself cannot find again
		}
		if slices.Contains(certificatesIn(text), f) {
			return c.name, c.flags, nil
		}
	}
	return "", "", nil
}

func (n nss) certutil(ctx context.Context, dir string, args ...string) ([]byte, error) {
	path, err := n.LookPath("certutil")
	if err != nil {
		return nil, fmt.Errorf("%w: NSS's certutil is not installed", ErrBlocked)
	}
	out, err := n.Run(ctx, path, append([]string{args[0], "-d", "sql:" + dir}, args[1:]...)...)
	if err != nil && passwordError.MatchString(err.Error()) {
		return out, errors.Join(ErrPassword, err)
	}
	return out, err
}

// missing lists the folders that have to be made for dir to exist, the
// outermost first.
func missing(dir string) []string {
	var list []string
	for ; !exists(dir) && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		list = append(list, dir)
	}
	slices.Reverse(list)
	return list
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

package trust

import (
	"context"
	"errors"
	"os"
	"path"
	"regexp"
	"strings"

	"altnet/platform/journal"
)

// keychain drives macOS's keychains by its own tool. The system asks the
// person itself.
type keychain Env

const securityTool = "/usr/bin/security"

func (k keychain) install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error {
	change := journal.ExternalChange{Door: door, Kind: kindKeychain, Key: s.Path, After: note(root.Fingerprint().String())}
	return j.External(ctx, change, func(ctx context.Context) error {
		file, err := temporary(root.PEM())
		if err != nil {
			return err
		}
		defer os.Remove(file)
		_, err = k.Run(ctx, securityTool, addArgs(s, file)...)
		return declined(err)
	})
}

func temporary(text []byte) (string, error) {
	f, err := os.CreateTemp("", "altnet-root-*.pem")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// addArgs trusts a certificate for TLS alone.
func addArgs(s Store, file string) []string {
	args := []string{"add-trusted-cert"}
	if s.Scope == Machine {
		args = append(args, "-d")
	}
	return append(args, "-r", "trustRoot", "-p", "ssl", "-k", s.Path, file)
}

// declined recognises a person's no (errAuthorizationCanceled, and the user
// cancelling the dialog).
func declined(err error) error {
	if err != nil && (strings.Contains(err.Error(), "cancel") || strings.Contains(err.Error(), "-60006") || strings.Contains(err.Error(), "-128")) {
		return ErrDeclined
	}
	return err
}

func (k keychain) check(ctx context.Context, s Store, f Fingerprint) (State, error) {
	thumb, err := k.find(ctx, s.Path, f)
	if err != nil || thumb == "" {
		return Absent, err
	}
	args := []string{"dump-trust-settings"}
	if s.Scope == Machine {
		args = append(args, "-d")
	}
	out, err := k.Run(ctx, securityTool, args...)
	if err != nil && !strings.Contains(err.Error(), "No Trust Settings") {
		return "", err
	}
	if k.named(ctx, s.Path, f, string(out)) {
		return Trusted, nil
	}
	return Untrusted, nil
}

// named reports whether the trust settings list the certificate: they show
// names alone, and ours has a serial number in it.
func (k keychain) named(ctx context.Context, chain string, f Fingerprint, settings string) bool {
	out, err := k.Run(ctx, securityTool, "find-certificate", "-a", "-p", chain)
	if err != nil {
		return false
	}
	name := commonName(out, f)
	return name != "" && strings.Contains(settings, name)
}

func (k keychain) undo(ctx context.Context, change journal.Change) (journal.Result, error) {
	list, err := fingerprints(change)
	if err != nil {
		return journal.Failed, err
	}
	result := journal.Nothing
	for _, f := range list {
		thumb, err := k.find(ctx, change.Key, f)
		if err != nil {
			return journal.Failed, err
		}
		if thumb == "" {
			continue
		}
		// -t takes the trust settings away as well.
		if _, err := k.Run(ctx, securityTool, "delete-certificate", "-Z", thumb, "-t", change.Key); err != nil {
			return journal.Failed, declined(err)
		}
		result = journal.Removed
	}
	return result, nil
}

// find returns the SHA-1 by which the tool deletes the certificate with a
// SHA-256 fingerprint; older versions of it delete by nothing else.
func (k keychain) find(ctx context.Context, chain string, f Fingerprint) (string, error) {
	out, err := k.Run(ctx, securityTool, "find-certificate", "-a", "-Z", path.Clean(chain))
	if err != nil {
		return "", err
	}
	return parseHashes(string(out))[f], nil
}

var hashLine = regexp.MustCompile(`^SHA-(1|256) hash:\s*([0-9A-Fa-f]+)\s*$`)

// parseHashes pairs the hashes that the tool prints for each certificate,
// SHA-256 before SHA-1.
func parseHashes(text string) map[Fingerprint]string {
	pairs := map[Fingerprint]string{}
	var last Fingerprint
	known := false
	for line := range strings.Lines(text) {
		m := hashLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		if m[1] == "256" {
			f, err := ParseFingerprint(m[2])
			last, known = f, err == nil
		} else if known {
			pairs[last], known = m[2], false
		}
	}
	return pairs
}

package record

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Limits of the operator's files.
const (
	maxTrusted   = 1000
	maxBlocklist = 2_000_000 // about 150 MB of memory; more wants another tool
	maxLine      = 1000
)

// Blocklist is a set of hashes refused for storing and serving, each with the
// operator's reason, which may be empty. The nil Blocklist is empty.
type Blocklist map[wire.Hash]string

// Has reports whether h is refused, and why.
func (b Blocklist) Has(h wire.Hash) (reason string, ok bool) {
	reason, ok = b[h]
	return reason, ok
}

// ParseKeys reads trusted-registrars.txt or trusted-revokers.txt: one Ed25519
// public key in hex per line; blank lines and what follows a # are skipped.
// A line that is no key fails the whole file: leaving it out could turn a
// gatekept network into an open one.
func ParseKeys(r io.Reader) ([]identity.PublicKey, error) {
	var keys []identity.PublicKey
	err := lines(r, maxTrusted, func(word, _ string) error {
		k, err := identity.ParsePublicKey(word)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// ParseBlocklist reads blocklist.txt: one SHA-256 in hex per line, and behind
// it, if the operator likes, the reason that readers see. A line that is no
// hash fails the whole file.
func ParseBlocklist(r io.Reader) (Blocklist, error) {
	b := Blocklist{}
	err := lines(r, maxBlocklist, func(word, rest string) error {
		raw, err := hex.DecodeString(word)
		if err != nil || len(raw) != len(wire.Hash{}) {
			return fmt.Errorf("%q is not a SHA-256 in hex", clip(word))
		}
		b[wire.Hash(raw)] = strings.ToValidUTF8(rest, "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// lines calls each for the first word of every line that has one, and what
// stands behind it. Comments begin with # at the start of a line or after
// white space.
func lines(r io.Reader, most int, each func(word, rest string) error) error {
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 0, maxLine), maxLine)
	count := 0
	for number := 1; scan.Scan(); number++ {
		text := strings.TrimPrefix(scan.Text(), "\uFEFF") // Windows editors begin files so
		if i := strings.Index(text, "#"); i == 0 || i > 0 && strings.ContainsRune(" \t", rune(text[i-1])) {
			text = text[:i]
		}
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if count++; count > most {
			return fmt.Errorf("more than %d entries", most)
		}
		word, rest, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
		if err := each(word, strings.TrimSpace(rest)); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return scan.Err()
}

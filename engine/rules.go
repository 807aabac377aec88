package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
)

const (
	// rulesEvery is how often the files are looked at again while they are
	// needed, and rulesWatch how often in any case.
	rulesEvery = 5 * time.Second
	rulesWatch = time.Minute
)

// ruleFiles are the operator's files in the data folder.
var ruleFiles = [...]string{"trusted-registrars.txt", "trusted-revokers.txt", "blocklist.txt"}

// rules is what the operator wrote into the data folder: trusted-registrars.txt,
// trusted-revokers.txt and blocklist.txt. A file that changes takes effect
// within seconds; one that does not parse keeps the old rules in force, since
// dropping them could open a gatekept network.
type rules struct {
	dir     string
	changed chan struct{} // holds a token when the files were read again

	mu     sync.Mutex
	looked time.Time
	stamps [len(ruleFiles)]stamp
	policy *record.Policy
	err    error // of the last reading, until it parses
}

// stamp tells two states of a file apart.
type stamp struct {
	time time.Time
	size int64
}

func newRules(dir string) *rules {
	return &rules{dir: dir, policy: &record.Policy{}, changed: make(chan struct{}, 1)}
}

// check reads the files for the first time; then a bad file is an error.
func (r *rules) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readLocked(time.Now())
}

// now returns the rules in force.
func (r *rules) now() *record.Policy {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.looked) >= rulesEvery {
		r.err = r.readLocked(now)
	}
	return r.policy
}

// problem returns why the files, as they lie there, are not in force.
func (r *rules) problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// setLocal puts what a person blocked in force at once.
func (r *rules) setLocal(l record.Local) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := *r.policy
	p.Local = l
	r.policy = &p
	signal(r.changed)
}

// readLocked reads the files if one of them changed.
func (r *rules) readLocked(now time.Time) error {
	first := r.looked.IsZero()
	r.looked = now
	var stamps [len(ruleFiles)]stamp
	for i, name := range ruleFiles {
		if info, err := os.Stat(filepath.Join(r.dir, name)); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	if !first && stamps == r.stamps {
		return r.err
	}
	signal(r.changed)
	p := &record.Policy{Grants: r.policy.Grants, Revocations: r.policy.Revocations, Local: r.policy.Local}
	err := errors.Join(
		readRule(r.dir, ruleFiles[0], record.ParseKeys, func(k []identity.PublicKey) { p.Registrars = k }),
		readRule(r.dir, ruleFiles[1], record.ParseKeys, func(k []identity.PublicKey) { p.Revokers = k }),
		readRule(r.dir, ruleFiles[2], record.ParseBlocklist, func(b record.Blocklist) { p.Blocklist = b }),
	)
	r.stamps = stamps
	if err == nil {
		r.policy = p
	}
	return err
}

// readRule reads one optional file.
func readRule[T any](dir, name string, parse func(io.Reader) (T, error), set func(T)) error {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	v, err := parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
	}
	set(v)
	return nil
}

// Package publisher is the author's side: the recovery phrase, the keys of
// the author's sites, and their versions. It works in the user's own process
// and folder; a node is handed signed bytes, never a key.
//
// Site i's root key is derived from the phrase. It signs a delegation to a key
// made on this device, and that key signs records, so that the phrase may be
// taken off the computer once the sites exist.
package publisher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

var (
	// ErrNoSite reports a name or key that is no site of this profile.
	ErrNoSite = errors.New("no site of yours")
	// ErrExists reports a name that a site of this profile has already.
	ErrExists = errors.New("you have a site of this name already")
	// ErrNoPhrase reports that the recovery phrase is needed and not on this
	// computer.
	ErrNoPhrase = errors.New("the recovery phrase is not on this computer")
	// ErrHasKeys reports a restore into a profile that has other keys.
	ErrHasKeys = errors.New("this profile has keys of its own already")
	// ErrNewer reports a profile written by a later version of AltNet.
	ErrNewer = errors.New("the profile was written by a later version")
	// ErrDamaged reports a profile that cannot be read.
	ErrDamaged = errors.New("damaged; move it away, and bring the keys back with: altnet key restore")
)

const (
	profileFile    = "profile.json"
	lockFile       = "profile.lock"
	profileVersion = 1
	maxVersions    = 200 // remembered of one site
)

// Profile is an author's keys and sites in one folder, mode 0700. It is safe
// for concurrent use, by several processes too.
type Profile struct {
	dir string
	mu  sync.Mutex
}

// state is the profile as it lies on the disk, mode 0600, and in a backup.
type state struct {
	Version int         `json:"version"`
	Phrase  string      `json:"phrase,omitempty"`
	Check   string      `json:"check,omitempty"` // root key 0, to recognise the phrase again
	Next    uint32      `json:"next"`            // index of the next site
	Sites   []siteState `json:"sites"`
	Proof   *proof      `json:"proof,omitempty"` // a restore was tried and worked
	Saved   time.Time   `json:"saved,omitzero"`  // a backup file was written last
}

type siteState struct {
	Index      uint32             `json:"index"`
	Name       string             `json:"name,omitempty"`
	Root       identity.PublicKey `json:"root"`
	Device     []byte             `json:"device"` // seed of the signing key
	Delegation []byte             `json:"delegation"`
	Serial     uint64             `json:"serial"`
	Network    [32]byte           `json:"network"`
	Seq        uint64             `json:"seq"`     // highest signed or seen
	Issued     uint64             `json:"issued"`  // of the newest record; Unix milliseconds
	Expires    uint64             `json:"expires"` // of the newest record
	Longest    uint64             `json:"longest"` // latest expiry of any record known
	Claim      *record.Claim      `json:"claim,omitempty"`
	Grant      []byte             `json:"grant,omitempty"`
	Withdrawn  bool               `json:"withdrawn,omitempty"`
	Folder     string             `json:"folder,omitempty"`
	Versions   []Version          `json:"versions,omitempty"`
	Elsewhere  *Elsewhere         `json:"elsewhere,omitempty"`
}

// Version is a published state of a site, newest first in lists.
type Version struct {
	Root wire.Hash `json:"root"`
	Seq  uint64    `json:"seq"` // of the record that first named it
	Time time.Time `json:"time"`
	Size uint64    `json:"size"` // bytes of all distinct blocks
	Note string    `json:"note,omitempty"`
}

// Site is one of the author's sites.
type Site struct {
	Name      string             // human name, "" where it has only its address
	Root      identity.PublicKey // who it is
	Device    identity.PublicKey // who signs here
	Serial    uint64             // generation of the devices
	Seq       uint64             // highest signed or seen
	Issued    time.Time          // of the newest record; zero before the first
	Expires   time.Time          // of the newest record
	Withdrawn bool
	Folder    string // published last; "" where that is not known
	Versions  []Version
	Elsewhere *Elsewhere // another device published since; nil where none did, or the author saw it
}

// Bare returns the site's label: its name, else its address.
func (s Site) Bare() string {
	if s.Name != "" {
		return s.Name
	}
	return record.Address(s.Root)
}

// host is how messages name the site.
func (s Site) host() string { return s.Bare() + "." + record.DefaultTLD }

// Open opens the profile in dir, making the folder if it is not there. Keys
// are made when they are first needed. Errors are identity.ErrExposed,
// ErrNewer, ErrDamaged, or from the file system.
func Open(dir string) (*Profile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the profile's folder: %w", err)
	}
	p := &Profile{dir: dir}
	if _, err := p.load(); err != nil {
		return nil, err
	}
	return p, nil
}

// load reads the profile as it is now; a file is replaced whole, so that no
// lock is needed.
func (p *Profile) load() (*state, error) {
	path := filepath.Join(p.dir, profileFile)
	data, err := identity.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &state{Version: profileVersion}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	s, err := parseState(data)
	if err != nil && !errors.Is(err, ErrNewer) {
		return nil, fmt.Errorf("%s: %w (%w)", path, ErrDamaged, err)
	}
	return s, err
}

func parseState(data []byte) (*state, error) {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if s.Version > profileVersion {
		return nil, fmt.Errorf("read profile: version %d, this is %d: %w", s.Version, profileVersion, ErrNewer)
	}
	for i := range s.Sites {
		if err := s.Sites[i].check(); err != nil {
			return nil, fmt.Errorf("read profile: site %d: %w", s.Sites[i].Index, err)
		}
	}
	return &s, nil
}

// check holds a site to what the code relies on.
func (s *siteState) check() error {
	d, err := record.ParseDelegation(s.Delegation, s.Root)
	if err != nil {
		return err
	}
	if len(s.Device) != 32 || s.key().Public() != d.Key || s.Serial != d.Serial {
		return errors.New("the device's key is not the delegated one")
	}
	return nil
}

// update changes the profile under a lock that other processes respect. When
// it returns nil the change is durable.
func (p *Profile) update(change func(*state) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	lock := flock.New(filepath.Join(p.dir, lockFile), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock profile: %w", err)
	}
	defer lock.Close()
	s, err := p.load()
	if err != nil {
		return err
	}
	if err := change(s); err != nil {
		return err
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	if err := identity.WriteSecret(filepath.Join(p.dir, profileFile), data); err != nil {
		return fmt.Errorf("write profile: %w", err)
	}
	return nil
}

// Sites lists the author's sites in the order they were made.
func (p *Profile) Sites() ([]Site, error) {
	s, err := p.load()
	if err != nil {
		return nil, err
	}
	out := make([]Site, len(s.Sites))
	for i := range s.Sites {
		out[i] = s.Sites[i].public()
	}
	return out, nil
}

// Site finds a site by its name, its address, or its root key in hex. Errors
// wrap ErrNoSite.
func (p *Profile) Site(which string) (Site, error) {
	s, err := p.load()
	if err != nil {
		return Site{}, err
	}
	if root, err := identity.ParsePublicKey(which); err == nil {
		return s.public(root, which)
	}
	n, err := record.ParseName(which, record.DefaultTLD)
	if err != nil {
		return Site{}, fmt.Errorf("%w: %w", ErrNoSite, err)
	}
	if n.IsKey() {
		return s.public(n.Key, which)
	}
	for i := range s.Sites {
		if s.Sites[i].Name == n.Label {
			return s.Sites[i].public(), nil
		}
	}
	return Site{}, fmt.Errorf("%s: %w", which, ErrNoSite)
}

// SetFolder remembers which folder a site was published from.
func (p *Profile) SetFolder(root identity.PublicKey, dir string) error {
	return p.update(func(s *state) error {
		x, err := s.known(root)
		if err != nil {
			return err
		}
		x.Folder = dir
		return nil
	})
}

// state returns a site as it is on the disk. Errors wrap ErrNoSite.
func (p *Profile) state(root identity.PublicKey) (*siteState, error) {
	s, err := p.load()
	if err != nil {
		return nil, err
	}
	return s.known(root)
}

// known is site that fails with ErrNoSite.
func (s *state) known(root identity.PublicKey) (*siteState, error) {
	if x := s.site(root); x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("%s: %w", root, ErrNoSite)
}

func (s *state) site(root identity.PublicKey) *siteState {
	i := slices.IndexFunc(s.Sites, func(x siteState) bool { return x.Root == root })
	if i < 0 {
		return nil
	}
	return &s.Sites[i]
}

func (s *state) public(root identity.PublicKey, which string) (Site, error) {
	if x := s.site(root); x != nil {
		return x.public(), nil
	}
	return Site{}, fmt.Errorf("%s: %w", which, ErrNoSite)
}

func (s *siteState) key() identity.Key { return identity.FromSeed([32]byte(s.Device)) }

func (s *siteState) public() Site {
	site := Site{
		Name: s.Name, Root: s.Root, Device: s.key().Public(), Serial: s.Serial, Seq: s.Seq,
		Withdrawn: s.Withdrawn, Folder: s.Folder, Versions: slices.Clone(s.Versions),
	}
	if s.Elsewhere != nil {
		seen := *s.Elsewhere
		site.Elsewhere = &seen
	}
	if s.Issued != 0 {
		site.Issued, site.Expires = time.UnixMilli(int64(s.Issued)), time.UnixMilli(int64(s.Expires))
	}
	return site
}

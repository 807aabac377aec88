package publisher

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

var (
	// ErrDelegation reports that this device may sign no longer: its
	// delegation has ended, and renewing it needs the recovery phrase.
	ErrDelegation = errors.New("this device may no longer sign for the site")
	// ErrShutOut reports that another device of the owner's shut this one out.
	ErrShutOut = errors.New("this device was shut out by a newer delegation")
	// ErrNothing reports a renewal of a site that has nothing in force.
	ErrNothing = errors.New("nothing was published yet")
	// ErrClock reports that an earlier record was signed far in the future.
	ErrClock = errors.New("the clock was far ahead when this site was last signed")
)

// Life of delegations. They are renewed while the phrase is at hand, long
// before they end.
const (
	delegationLife = 2 * 365 * 24 * time.Hour
	delegationLow  = delegationLife / 2
)

// Fields is what the author says in a record; keys, sequence, times and claim
// are the profile's part.
type Fields struct {
	Network [32]byte      // zero: the public network
	Content wire.Hash     // content root
	Size    uint64        // bytes of all distinct blocks
	Life    time.Duration // default record.DefaultLife
	Note    string        // kept in the list of versions, not published
	Grant   []byte        // of a registrar; nil keeps the one used before
	// Progress is told the number of tries while the claim of a human name is
	// made, from several goroutines; about 2^record.ClaimBits are expected.
	Progress func(tries uint64)
}

// NewSite makes a site: with a human name, given with the suffix or without,
// or with "" for one that has its address only. Nothing is published; whether
// the name is free, the network says. Errors wrap record.ErrBadName,
// ErrExists or ErrNoPhrase.
func (p *Profile) NewSite(name string) (site Site, err error) {
	if name != "" {
		n, err := record.ParseName(name, record.DefaultTLD)
		if err != nil {
			return Site{}, err
		}
		if n.IsKey() || n.Sub != "" {
			return Site{}, fmt.Errorf("name %q: one label is needed: %w", name, record.ErrBadName)
		}
		name = n.Label
	}
	err = p.update(func(s *state) error {
		if name != "" && slices.ContainsFunc(s.Sites, func(x siteState) bool { return x.Name == name }) {
			return fmt.Errorf("%s: %w", name, ErrExists)
		}
		if err := s.needPhrase(); err != nil {
			return err
		}
		x, err := s.addSite(s.Next, name, 1)
		if err == nil {
			site = x.public()
		}
		return err
	})
	return site, err
}

// addSite makes the state of site index, with a device key of its own.
func (s *state) addSite(index uint32, name string, serial uint64) (*siteState, error) {
	root, err := rootKey(s.Phrase, index)
	if err != nil {
		return nil, err
	}
	x := siteState{Index: index, Name: name, Root: root.Public(), Serial: serial}
	if err := x.renewDevice(root, time.Now()); err != nil {
		return nil, err
	}
	s.Sites = append(s.Sites, x)
	s.Next = max(s.Next, index+1)
	return &s.Sites[len(s.Sites)-1], nil
}

// renewDevice makes a new device key and delegates to it under x.Serial.
func (s *siteState) renewDevice(root identity.Key, now time.Time) error {
	device, err := identity.Generate(rand.Reader)
	if err != nil {
		return err
	}
	seed := device.Seed()
	s.Device = seed[:]
	return s.delegate(root, now)
}

// delegate signs a delegation to the device under s.Serial.
func (s *siteState) delegate(root identity.Key, now time.Time) error {
	d, err := record.Delegate(root, s.key().Public(), s.Serial, record.Millis(now.Add(delegationLife)))
	if err != nil {
		return err
	}
	s.Delegation = d.Raw
	return nil
}

// SignRecord signs the site's next record and notes it as a version. For a
// human name it makes the claim first, which takes about a second, and no
// longer where the last one still serves. The sequence is on the disk before
// the record is returned. Errors wrap ErrNoSite, ErrDelegation, ErrShutOut or
// ErrClock.
func (p *Profile) SignRecord(ctx context.Context, root identity.PublicKey, f Fields) ([]byte, error) {
	if f.Network == [32]byte{} {
		f.Network = record.NetworkID("")
	}
	return p.sign(ctx, root, f, record.KindSite)
}

// SignTombstone signs the site's withdrawal. It lasts until every record
// signed here has ended, and at least as long as one signed elsewhere today.
func (p *Profile) SignTombstone(ctx context.Context, root identity.PublicKey) ([]byte, error) {
	site, err := p.current(root)
	if err != nil {
		return nil, err
	}
	return p.sign(ctx, root, Fields{Network: site.Network}, record.KindTombstone)
}

// Renew signs what is in force again, with a new expiry. ErrNothing where
// nothing is.
func (p *Profile) Renew(ctx context.Context, root identity.PublicKey) ([]byte, error) {
	x, err := p.current(root)
	if err != nil {
		return nil, err
	}
	if x.Withdrawn {
		return p.sign(ctx, root, Fields{Network: x.Network}, record.KindTombstone)
	}
	if len(x.Versions) == 0 {
		return nil, fmt.Errorf("renew: %w", ErrNothing)
	}
	v := x.Versions[0]
	return p.sign(ctx, root, Fields{Network: x.Network, Content: v.Root, Size: v.Size}, record.KindSite)
}

// Due lists the sites to renew now: a third of the life of the newest record
// has passed. Withdrawn ones are left to end.
func (p *Profile) Due(now time.Time) ([]Site, error) {
	sites, err := p.Sites()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(sites, func(s Site) bool { return !s.due(now) }), nil
}

// due reports whether the site is to be renewed now.
func (s Site) due(now time.Time) bool {
	return !s.Withdrawn && len(s.Versions) > 0 && now.Sub(s.Issued) >= s.Expires.Sub(s.Issued)/3
}

// current returns a site that something was signed or seen of.
func (p *Profile) current(root identity.PublicKey) (*siteState, error) {
	x, err := p.state(root)
	if err != nil {
		return nil, err
	}
	if x.Seq == 0 {
		return nil, fmt.Errorf("%s: %w", x.public().Bare(), ErrNothing)
	}
	return x, nil
}

func (p *Profile) sign(ctx context.Context, root identity.PublicKey, f Fields, kind record.Kind) (raw []byte, err error) {
	claim, err := p.claim(ctx, root, f)
	if err != nil {
		return nil, err
	}
	err = p.update(func(s *state) error {
		x, err := s.known(root)
		if err != nil {
			return err
		}
		now := time.Now()
		if err := s.prepare(x, now); err != nil {
			return fmt.Errorf("%s: %w", x.public().Bare(), err)
		}
		if claim != nil {
			x.Claim = claim
		}
		raw, err = x.sign(f, kind, now)
		return err
	})
	return raw, err
}

// claim returns the work for a record signed now, nil where the site has no
// name. It takes no lock while it works.
func (p *Profile) claim(ctx context.Context, root identity.PublicKey, f Fields) (*record.Claim, error) {
	x, err := p.state(root)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if x.Name == "" {
		return nil, nil
	}
	if x.Claim != nil && x.Network == f.Network && x.Claim.Fits(now) {
		return x.Claim, nil
	}
	c, err := record.Mint(ctx, f.Network, x.Name, x.Root, record.EpochAt(now), f.Progress)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// prepare sees to it that the device may sign with the next sequence: it
// renews a delegation that nears its end, and begins a new generation where
// sequences ran too far ahead because a clock was wrong.
func (s *state) prepare(x *siteState, now time.Time) error {
	d, err := record.ParseDelegation(x.Delegation, x.Root)
	if err != nil {
		return err
	}
	left := time.UnixMilli(int64(d.NotAfter)).Sub(now)
	ranAhead := x.Seq >= record.Millis(now.Add(record.MaxSeqLead))
	switch {
	case left > delegationLow && !ranAhead:
		return nil
	case s.Phrase == "" && ranAhead:
		return fmt.Errorf("%w: %w", ErrClock, ErrNoPhrase)
	case s.Phrase == "" && left <= 0:
		return fmt.Errorf("%w: %w", ErrDelegation, ErrNoPhrase)
	case s.Phrase == "":
		return nil
	}
	root, err := rootKey(s.Phrase, x.Index)
	if err != nil {
		return err
	}
	if ranAhead {
		x.Serial, x.Seq = x.Serial+1, 0
	}
	return x.delegate(root, now)
}

// sign makes the record and notes it in the state.
func (s *siteState) sign(f Fields, kind record.Kind, now time.Time) ([]byte, error) {
	d, err := record.ParseDelegation(s.Delegation, s.Root)
	if err != nil {
		return nil, err
	}
	if f.Grant != nil {
		s.Grant = f.Grant
	}
	r := record.Record{
		Network: f.Network, Kind: kind, Name: s.Name, Root: s.Root, Delegation: d,
		Seq: max(s.Seq+1, record.Millis(now)), Issued: record.Millis(now), Grant: s.Grant,
		Content: f.Content, Size: f.Size,
	}
	if s.Name != "" {
		r.Claim = s.Claim
	}
	r.Expires = s.expiry(f, kind, now, d.NotAfter)
	signed, err := record.Sign(r, s.key())
	if err != nil {
		return nil, err
	}
	s.note(&signed, f.Note, now)
	return signed.Raw, nil
}

// expiry returns when a record signed now ends.
func (s *siteState) expiry(f Fields, kind record.Kind, now time.Time, delegationEnd uint64) uint64 {
	life := f.Life
	if life <= 0 {
		life = record.DefaultLife
	}
	end := record.Millis(now.Add(min(life, record.MaxLife)))
	if kind == record.KindTombstone {
		return min(max(end, s.Longest), record.Millis(now.Add(record.MaxLife)))
	}
	return min(end, delegationEnd)
}

// note keeps what a new record means for the next one.
func (s *siteState) note(r *record.Record, note string, now time.Time) {
	s.Network, s.Seq, s.Issued, s.Expires = r.Network, r.Seq, r.Issued, r.Expires
	s.Longest = max(s.Longest, r.Expires)
	s.Withdrawn = r.Tombstone()
	if r.Tombstone() || len(s.Versions) > 0 && s.Versions[0].Root == r.Content {
		return
	}
	v := Version{Root: r.Content, Seq: r.Seq, Time: now.UTC(), Size: r.Size, Note: note}
	s.Versions = slices.Insert(s.Versions, 0, v)
	s.Versions = s.Versions[:min(len(s.Versions), maxVersions)]
}

// DropVersion forgets a version that is not in force.
func (p *Profile) DropVersion(root identity.PublicKey, seq uint64) error {
	return p.update(func(s *state) error {
		x, err := s.known(root)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(x.Versions, func(v Version) bool { return v.Seq == seq })
		if i < 0 || i == 0 && !x.Withdrawn {
			return fmt.Errorf("version %d of %s is unknown or in force", seq, x.public().Bare())
		}
		x.Versions = slices.Delete(x.Versions, i, i+1)
		return nil
	})
}

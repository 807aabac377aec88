package publisher

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

var (
	// ErrTaken reports a name that somebody else holds.
	ErrTaken = errors.New("the name belongs to somebody else")
	// ErrNoFolder reports an update without a folder, of a site whose folder
	// is not known.
	ErrNoFolder = errors.New("the folder of this site is not known")
	// ErrNoVersion reports a rollback to a version that does not exist.
	ErrNoVersion = errors.New("no such version")
)

// Author builds, signs and hands over: what a person does with sites, on one
// profile and one node. It is safe for concurrent use.
type Author struct {
	profile *Profile
	node    control.Control
}

// NewAuthor returns an Author who publishes on node. The profile's keys stay
// in this process.
func NewAuthor(p *Profile, node control.Control) *Author { return &Author{profile: p, node: node} }

// Options says how a folder is published. The zero value will do.
type Options struct {
	Note     string                  // kept with the version, not published
	Scan     site.ScanOptions        // what is left out
	Skipped  func(site.Skip)         // told what is left out, before the first byte moves
	Building func(site.Progress)     // told how far the folder is read
	Claiming func(tries, about uint) // told of the work for a new human name
	// Signed is told, with the content root in hex, when nothing is left but
	// handing over and waiting for a confirmation: the node tells how far the
	// first copy of that root is (control.TaskOffer).
	Signed func(root string)
}

// Publish publishes a folder, under a human name or, with "", under an address
// of its own. A name that is a site of this profile already is updated.
// Errors wrap ErrTaken, record.ErrBadName, those of site.Scan and site.Build
// and of Control.Publish. A receipt without copies is no error.
func (a *Author) Publish(ctx context.Context, dir, name string, o Options) (control.Receipt, error) {
	if name != "" {
		s, err := a.profile.Site(name)
		if err == nil && s.Seq > 0 {
			return a.update(ctx, s, dir, o)
		}
		if err := a.free(ctx, name); err != nil {
			return control.Receipt{}, err
		}
		if err == nil { // made here before, and given up before it was signed
			return a.update(ctx, s, dir, o)
		}
	}
	built, err := a.build(ctx, dir, o)
	if err != nil {
		return control.Receipt{}, err
	}
	s, err := a.profile.NewSite(name)
	if err != nil {
		return control.Receipt{}, err
	}
	if err := a.profile.SetFolder(s.Root, absolute(dir)); err != nil {
		return control.Receipt{}, err
	}
	return a.sign(ctx, s, built.Root, uint64(built.Stored), o)
}

// free asks the network whether a name can be had. Offline nobody can tell;
// then publishing goes on and the receipt shows what came of it.
func (a *Author) free(ctx context.Context, name string) error {
	n, err := record.ParseName(name, "")
	if err != nil {
		return err
	}
	if n.IsKey() || n.Sub != "" {
		return fmt.Errorf("%q cannot be claimed; choose a single word such as my-garden: %w", name, record.ErrBadName)
	}
	res, err := a.node.Resolve(ctx, name)
	switch {
	case errors.Is(err, control.ErrUnknown), errors.Is(err, control.ErrOffline):
		return nil
	case errors.Is(err, control.ErrInvalid):
		return err
	case err != nil && res.Owner == "" && len(res.Rivals) == 0:
		return fmt.Errorf("ask whether %s is free: %w", name, err)
	}
	if s, mine := a.profile.Site(res.Owner); mine == nil {
		return fmt.Errorf("%s is a site of yours (%s) that is not called so here; restore it first: %w", name, s.Bare(), ErrExists)
	}
	return fmt.Errorf("%s is published by %s: %w; choose another", name, res.Address, ErrTaken)
}

// Update publishes the folder of an existing site again, by default the one
// of last time. Only what changed is handed over.
func (a *Author) Update(ctx context.Context, name, dir string, o Options) (control.Receipt, error) {
	s, err := a.profile.Site(name)
	if err != nil {
		return control.Receipt{}, err
	}
	return a.update(ctx, s, dir, o)
}

func (a *Author) update(ctx context.Context, s Site, dir string, o Options) (control.Receipt, error) {
	if dir == "" {
		dir = s.Folder
	}
	if dir == "" {
		return control.Receipt{}, fmt.Errorf("update %s: %w; name it", s.Bare(), ErrNoFolder)
	}
	built, err := a.build(ctx, dir, o)
	if err != nil {
		return control.Receipt{}, err
	}
	if err := a.profile.SetFolder(s.Root, absolute(dir)); err != nil {
		return control.Receipt{}, err
	}
	return a.sign(ctx, s, built.Root, uint64(built.Stored), o)
}

// build cuts a folder into blocks and hands those to the node that it lacks.
func (a *Author) build(ctx context.Context, dir string, o Options) (site.Summary, error) {
	plan, err := site.Scan(ctx, dir, o.Scan)
	if err != nil {
		return site.Summary{}, err
	}
	if o.Skipped != nil {
		for _, skip := range plan.Skipped {
			o.Skipped(skip)
		}
	}
	if err := plan.Err(); err != nil {
		return site.Summary{}, err
	}
	sink := newHandOver(ctx, a.node)
	defer sink.close()
	return site.Build(ctx, plan, sink, o.Building)
}

// sign signs the next record of a site and publishes it.
func (a *Author) sign(ctx context.Context, s Site, root wire.Hash, size uint64, o Options) (control.Receipt, error) {
	network, err := a.network(ctx)
	if err != nil {
		return control.Receipt{}, err
	}
	if err := a.observe(ctx, s); err != nil {
		return control.Receipt{}, err
	}
	f := Fields{Network: network, Content: root, Size: size, Note: o.Note}
	if o.Claiming != nil {
		f.Progress = func(tries uint64) { o.Claiming(uint(tries), 1<<record.ClaimBits) }
	}
	raw, err := a.profile.SignRecord(ctx, s.Root, f)
	if err != nil {
		return control.Receipt{}, err
	}
	if o.Signed != nil {
		o.Signed(root.String())
	}
	return a.submit(ctx, s.Root, raw, o.Note)
}

// network returns the network that the node is in.
func (a *Author) network(ctx context.Context) ([32]byte, error) {
	s, err := a.node.Status(ctx)
	return record.NetworkID(s.Network), err
}

// observe learns what another device of the author's has signed since, as far
// as the network tells: the next sequence has to be above it. Errors wrap
// ErrShutOut.
func (a *Author) observe(ctx context.Context, s Site) error {
	if err := a.catchUp(ctx, s); errors.Is(err, ErrShutOut) {
		return err
	}
	return nil // signing goes on where nobody can be asked
}

// ErrUnasked reports that nobody could say what is in force.
var ErrUnasked = errors.New("the network could not be asked for the newest record")

// catchUp is observe that fails where the network does not answer.
func (a *Author) catchUp(ctx context.Context, s Site) error {
	if s.Seq == 0 {
		return nil // nothing was ever signed
	}
	res, err := a.node.Resolve(ctx, record.Address(s.Root))
	if len(res.Record) > 0 {
		if err := a.profile.Observe(res.Record); err != nil {
			return fmt.Errorf("learn what another device published: %w", err)
		}
	}
	switch {
	case err == nil && res.Stale:
		return ErrUnasked
	case err == nil, errors.Is(err, control.ErrUnknown), errors.Is(err, control.ErrWithdrawn), errors.Is(err, control.ErrExpired):
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnasked, err)
}

// Rollback serves an earlier version again, under a higher sequence; 0 is the
// one before the present one. Errors wrap ErrNoSite or ErrNoVersion.
func (a *Author) Rollback(ctx context.Context, name string, seq uint64, o Options) (control.Receipt, error) {
	s, err := a.profile.Site(name)
	if err != nil {
		return control.Receipt{}, err
	}
	v, err := a.earlier(ctx, s, seq)
	if err != nil {
		return control.Receipt{}, err
	}
	return a.sign(ctx, s, v.Root, v.Size, o)
}

// earlier picks the version to go back to among those whose content the node
// still keeps.
func (a *Author) earlier(ctx context.Context, s Site, seq uint64) (Version, error) {
	kept, err := a.node.Versions(ctx, record.Address(s.Root))
	if err != nil && !errors.Is(err, control.ErrNotFound) { // not published on this node: it keeps none
		return Version{}, err
	}
	current := ""
	for _, v := range kept {
		if v.Current {
			current = v.Root
		}
	}
	for _, v := range kept {
		if v.Root == current || seq != 0 && v.Seq != seq {
			continue
		}
		i := slices.IndexFunc(s.Versions, func(own Version) bool { return own.Root.String() == v.Root })
		if i >= 0 {
			return s.Versions[i], nil
		}
	}
	if seq == 0 {
		return Version{}, fmt.Errorf("%w: %s has only one that is kept", ErrNoVersion, s.host())
	}
	return Version{}, fmt.Errorf("version %d of %s: %w; see: altnet versions %s", seq, s.host(), ErrNoVersion, s.host())
}

// Withdraw takes a site out of the network: its name stops resolving, and
// holders let go of it. What others copied cannot be recalled.
func (a *Author) Withdraw(ctx context.Context, name string) (control.Receipt, error) {
	s, err := a.profile.Site(name)
	if err != nil {
		return control.Receipt{}, err
	}
	if err := a.observe(ctx, s); err != nil {
		return control.Receipt{}, err
	}
	raw, err := a.profile.SignTombstone(ctx, s.Root)
	if err != nil {
		return control.Receipt{}, err
	}
	p, err := a.request(ctx, s.Root, raw, "")
	if err != nil {
		return control.Receipt{}, err
	}
	return a.node.Withdraw(ctx, p)
}

// Register gives a new human name to the content of a version that this
// profile published. Errors wrap ErrNoVersion and those of Publish.
func (a *Author) Register(ctx context.Context, name, root string, o Options) (control.Receipt, error) {
	v, err := a.published(root)
	if err != nil {
		return control.Receipt{}, err
	}
	s, err := a.profile.Site(name)
	if err != nil {
		if err := a.free(ctx, name); err != nil {
			return control.Receipt{}, err
		}
		if s, err = a.profile.NewSite(name); err != nil {
			return control.Receipt{}, err
		}
	}
	return a.sign(ctx, s, v.Root, v.Size, o)
}

// published finds a version by its root.
func (a *Author) published(root string) (Version, error) {
	sites, err := a.profile.Sites()
	if err != nil {
		return Version{}, err
	}
	for _, s := range sites {
		for _, v := range s.Versions {
			if v.Root.String() == root {
				return v, nil
			}
		}
	}
	return Version{}, fmt.Errorf("content %s was not published from here; publish the folder first: %w", root, ErrNoVersion)
}

// restoreGap is after how many keys in a row that the network does not know a
// restore ends: sites that were made and never published leave gaps.
const restoreGap = 8

// Restore looks for the sites of the profile's phrase in the network, takes
// them back, and asks the node to fetch and keep them. It returns their names.
// Errors wrap ErrNoPhrase or say which site could not be fetched.
func (a *Author) Restore(ctx context.Context) ([]string, error) {
	var names []string
	var errs []error
	for index, gap := uint32(0), 0; gap < restoreGap; index++ {
		root, err := a.profile.Candidate(index)
		if err != nil {
			return names, err
		}
		res, err := a.node.Resolve(ctx, record.Address(root))
		if len(res.Record) == 0 {
			if err != nil && !errors.Is(err, control.ErrUnknown) {
				return names, fmt.Errorf("look for your sites: %w", err)
			}
			gap++
			continue
		}
		gap = 0
		s, err := a.profile.Recover(index, res.Record)
		if err != nil {
			return names, err
		}
		names = append(names, s.Bare())
		if s.Withdrawn {
			continue
		}
		if err := a.node.SetPinned(ctx, record.Address(root), true); err != nil {
			errs = append(errs, fmt.Errorf("fetch %s: %w", s.Bare(), err))
		}
	}
	return names, errors.Join(errs...)
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

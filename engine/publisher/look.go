package publisher

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"altnet/engine/control"
	"altnet/engine/record"
	"altnet/engine/site"
	"altnet/engine/wire"
)

// Look is what publishing a folder would do, for the author to look at first.
type Look struct {
	Dir      string    // absolute, links resolved
	Files    int       // that will be published
	Size     int64     // bytes of all of them
	Index    bool      // there is a page to begin with
	Skipped  []Skip    // left out
	Problems []Problem // that keep it from being published
}

// Look says what publishing a folder would do, without reading the files.
// Errors are those of site.Scan.
func (a *Author) Look(ctx context.Context, dir string, o ScanOptions) (Look, error) {
	plan, err := site.Scan(ctx, dir, o)
	if err != nil {
		return Look{}, err
	}
	l := Look{Dir: plan.Dir, Files: len(plan.Files), Size: plan.Size, Skipped: plan.Skipped, Problems: plan.Problems}
	for _, f := range plan.Files {
		l.Index = l.Index || f.Path == "index.html"
	}
	return l, nil
}

// Tally counts files.
type Tally struct {
	Files int
	Size  int64 // bytes
}

// Changes is how a folder differs from what is published.
type Changes struct {
	Added, Changed, Removed Tally    // Changed counts the new sizes
	Paths                   []Change // the first maxPaths
}

// maxPaths bounds the list of what changed: nobody reads on.
const maxPaths = 500

// None reports that publishing would change nothing.
func (c Changes) None() bool { return c.Added.Files+c.Changed.Files+c.Removed.Files == 0 }

// Changes compares a folder with the newest version of a site of this profile,
// as the node has it; "" is the site's own folder. It reads the folder whole;
// o.Building is told how far. Errors wrap ErrNoSite, ErrNoFolder, ErrNothing
// where nothing was published yet, those of site.Scan and site.Build, and
// control.ErrMissing where the published version is not to be had.
func (a *Author) Changes(ctx context.Context, name, dir string, o Options) (Changes, error) {
	s, err := a.profile.Site(name)
	if err != nil {
		return Changes{}, err
	}
	if dir == "" {
		dir = s.Folder
	}
	switch {
	case dir == "":
		return Changes{}, fmt.Errorf("compare %s: %w; name it", s.Bare(), ErrNoFolder)
	case len(s.Versions) == 0:
		return Changes{}, fmt.Errorf("compare %s: %w", s.Bare(), ErrNothing)
	}
	root, err := a.inForce(ctx, s)
	if err != nil {
		return Changes{}, err
	}
	plan, err := site.Scan(ctx, dir, o.Scan)
	if err != nil {
		return Changes{}, err
	}
	earlier, err := site.Open(ctx, root, kept{a.node})
	if err != nil {
		return Changes{}, err
	}
	changes, _, err := site.Compare(ctx, plan, earlier, o.Building)
	return tally(changes), err
}

// inForce returns the content that the node serves of a site: what was signed
// last may never have got there.
func (a *Author) inForce(ctx context.Context, s Site) (wire.Hash, error) {
	versions, err := a.node.Versions(ctx, record.Address(s.Root))
	if err != nil && !errors.Is(err, control.ErrNotFound) {
		return wire.Hash{}, err
	}
	for _, v := range versions {
		if raw, err := hex.DecodeString(v.Root); v.Current && err == nil && len(raw) == len(wire.Hash{}) {
			return wire.Hash(raw), nil
		}
	}
	return s.Versions[0].Root, nil
}

func tally(changes []Change) Changes {
	var c Changes
	for _, change := range changes {
		switch change.Kind {
		case site.Added:
			c.Added.count(change.NewSize)
		case site.Removed:
			c.Removed.count(change.OldSize)
		default:
			c.Changed.count(change.NewSize)
		}
	}
	c.Paths = changes[:min(len(changes), maxPaths)]
	return c
}

func (t *Tally) count(size int64) { t.Files, t.Size = t.Files+1, t.Size+size }

// kept reads the blocks of what the node has.
type kept struct{ node control.Control }

// Get implements site.Blocks.
func (k kept) Get(ctx context.Context, h wire.Hash, _ []byte) ([]byte, error) {
	data, err := k.node.Get(ctx, h)
	if errors.Is(err, control.ErrNotFound) {
		err = control.Mark(control.ErrMissing, err)
	}
	return data, err
}

// Host returns a name as browsers spell it, in ASCII with the suffix, and as
// people read it where that differs and is safe. Errors wrap ErrBadName.
func Host(name string) (host, unicode string, err error) {
	n, err := record.ParseName(name, record.DefaultTLD)
	if err != nil {
		return "", "", err
	}
	host = n.Host(record.DefaultTLD)
	if unicode, _ = n.Display(record.DefaultTLD); unicode == host {
		unicode = ""
	}
	return host, unicode, nil
}

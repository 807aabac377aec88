package ui

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"altnet/engine/control"
	"altnet/engine/publisher"
)

// stage is how far a draft is.
type stage int

// The stages, in order; a failed one goes back to ready.
const (
	looking    stage = iota // the folder is being scanned
	ready                   // for the person to publish
	queued                  // behind another one
	reading                 // files are read and handed to the node
	claiming                // the work for a new name
	confirming              // signed; another peer is to confirm a copy
	ended                   // the node answered with a receipt
	failed
)

// draft is one folder on its way to being a site. Its methods run on the
// goroutine that draws, which changed is called on after each change.
type draft struct {
	app     *App
	dir     string
	changed func()

	stage stage
	err   error // of looking or publishing
	look  publisher.Look
	scan  publisher.ScanOptions

	site     *publisher.Site // that is updated, nil for a new one
	name     string          // as typed
	nameless bool            // an address only
	standing publisher.Standing
	asking   bool
	stopAsk  func()

	changes   publisher.Changes
	compared  bool
	compErr   error
	comparing *meter

	meter   *meter
	cancel  context.CancelFunc
	receipt control.Receipt
}

// askAfter is how long a name rests before the network is asked.
const askAfter = 400 * time.Millisecond

// newDraft looks at a folder. site is the user's site that it updates, nil
// where that is not known: then the folder tells, if it is a site's already.
func newDraft(a *App, dir string, site *publisher.Site, changed func()) *draft {
	d := &draft{app: a, dir: dir, site: site, changed: changed}
	if site == nil {
		d.site = siteOfFolder(a.profile, dir)
	}
	if d.site == nil {
		d.name = publisher.Propose(filepath.Base(dir))
		d.nameless = d.name == ""
	}
	return d
}

// siteOfFolder finds the site that was published from a folder.
func siteOfFolder(p *publisher.Profile, dir string) *publisher.Site {
	sites, err := p.Sites()
	if err != nil {
		return nil
	}
	for _, s := range sites {
		if s.Folder != "" && filepath.Clean(s.Folder) == filepath.Clean(dir) && !s.Withdrawn && s.Seq > 0 {
			return &s
		}
	}
	return nil
}

// base is the folder's own name.
func (d *draft) base() string { return filepath.Base(d.dir) }

// begin looks at the folder, and asks for the name.
func (d *draft) begin() {
	d.rescan()
	if d.site == nil {
		d.ask(0)
	}
}

// rescan looks at the folder again, with what is to be left out now.
func (d *draft) rescan() {
	d.stage, d.err = looking, nil
	d.changed()
	scan := d.scan
	run(d.app, func(ctx context.Context) (publisher.Look, error) { return d.app.author.Look(ctx, d.dir, scan) },
		func(look publisher.Look, err error) {
			d.look, d.err, d.stage = look, err, ready
			if err != nil {
				d.stage = failed
			}
			d.changed()
			d.compare()
		})
}

// compare counts what an update would change.
func (d *draft) compare() {
	s := d.updates()
	if s == nil || d.stage != ready || len(d.look.Problems) > 0 {
		return
	}
	d.compared, d.compErr = false, nil
	d.comparing = newMeter(d.app, d.changed)
	o := publisher.Options{Scan: d.scan, Building: d.comparing.read}
	run(d.app, func(ctx context.Context) (publisher.Changes, error) {
		return d.app.author.Changes(ctx, s.Bare(), d.dir, o)
	},
		func(c publisher.Changes, err error) {
			d.changes, d.compErr, d.compared = c, err, true
			d.changed()
		})
}

// updates is the site that publishing would update: the one it is for, or one
// of the user's whose name was typed.
func (d *draft) updates() *publisher.Site {
	if d.site != nil || d.nameless || d.standing.Verdict != publisher.Yours {
		return d.site
	}
	if s, err := d.app.profile.Site(d.name); err == nil {
		return &s
	}
	return nil
}

// rename takes what was typed, and asks for it when the typing rests.
func (d *draft) rename(name string) {
	if name == d.name {
		return
	}
	d.name = name
	d.ask(askAfter)
}

// setNameless chooses between a name and an address alone.
func (d *draft) setNameless(on bool) {
	d.nameless = on
	if !on {
		d.ask(0)
	}
	d.changed()
}

// ask finds out whether the name can be had.
func (d *draft) ask(after time.Duration) {
	if d.stopAsk != nil {
		d.stopAsk()
	}
	ctx, cancel := context.WithCancel(d.app.ctx)
	d.stopAsk = cancel
	name := strings.TrimSpace(d.name)
	d.asking, d.standing = true, publisher.Standing{}
	runIn(d.app, ctx, func(ctx context.Context) (publisher.Standing, error) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return publisher.Standing{}, ctx.Err()
		}
		ctx, stop := withTimeout(ctx)
		defer stop()
		return d.app.author.Standing(ctx, name), nil
	}, func(s publisher.Standing, err error) {
		if ctx.Err() != nil {
			return // typed on meanwhile
		}
		cancel()
		d.standing, d.asking = s, false
		d.changed()
		d.compare()
	})
	d.changed()
}

// include publishes what the default rules leave out, or leaves it out again.
func (d *draft) include(path string, on bool) {
	pattern := literal(path)
	d.scan.Include = slices.DeleteFunc(d.scan.Include, func(p string) bool { return p == pattern })
	if on {
		d.scan.Include = append(d.scan.Include, pattern)
	}
	d.rescan()
}

// leaveOut leaves out one more path.
func (d *draft) leaveOut(path string) {
	d.scan.Exclude = append(d.scan.Exclude, literal(path))
	d.rescan()
}

// dropProblems leaves out everything that cannot be published.
func (d *draft) dropProblems() {
	d.scan.DropProblems = true
	d.rescan()
}

// literal makes a pattern that matches a path alone.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// unreadable returns the path that an error says cannot be read, "" for none.
func (d *draft) unreadable() string {
	var at *fs.PathError
	if !errors.Is(d.err, fs.ErrPermission) || !errors.As(d.err, &at) {
		return ""
	}
	path := filepath.ToSlash(at.Path)
	if filepath.IsAbs(at.Path) || path == "." {
		return "" // the folder itself
	}
	return path
}

// can reports whether publishing can begin.
func (d *draft) can() bool {
	if d.stage != ready && d.stage != failed || len(d.look.Problems) > 0 || d.look.Files == 0 || d.unchanged() {
		return false
	}
	if d.site != nil || d.nameless {
		return true
	}
	switch d.standing.Verdict {
	case publisher.Free, publisher.Yours, publisher.Unsure:
		return !d.asking
	}
	return false
}

// unchanged reports an update that would change nothing. A site that was
// withdrawn comes back by it.
func (d *draft) unchanged() bool {
	s := d.updates()
	return s != nil && !s.Withdrawn && d.compared && d.compErr == nil && d.changes.None()
}

// publish does it; then is called when it ended, either way.
func (d *draft) publish(then func()) {
	ctx, cancel := context.WithCancel(d.app.ctx)
	d.cancel, d.stage, d.err = cancel, reading, nil
	d.meter = newMeter(d.app, d.progressed)
	o := publisher.Options{Scan: d.scan, Building: d.meter.read, Claiming: d.meter.claim, Signed: d.meter.sign}
	name := strings.TrimSpace(d.name)
	if d.nameless {
		name = ""
	}
	if d.site != nil {
		name = d.site.Bare()
	}
	update := d.site != nil
	runIn(d.app, ctx, func(ctx context.Context) (control.Receipt, error) {
		if update {
			return d.app.author.Update(ctx, name, d.dir, o)
		}
		return d.app.author.Publish(ctx, d.dir, name, o)
	}, func(r control.Receipt, err error) {
		cancel()
		d.finish(r, err)
		then()
	})
	d.changed()
}

// progressed moves on with what the meter says.
func (d *draft) progressed() {
	if d.stage != reading && d.stage != claiming && d.stage != confirming {
		return
	}
	m := d.meter.now()
	switch {
	case m.signed != "":
		d.stage = confirming
	case m.tries > 0:
		d.stage = claiming
	}
	d.changed()
}

func (d *draft) finish(r control.Receipt, err error) {
	switch {
	case cancelled(err):
		d.stage = ready
	case err != nil:
		d.stage, d.err = failed, err
		if errors.Is(err, publisher.ErrTaken) {
			d.ask(0)
		}
	default:
		d.stage, d.receipt = ended, r
		delete(d.app.changed, d.dir)
	}
	d.changed()
}

// apply takes what the node tells of this site.
func (d *draft) apply(e control.Event) {
	if p := e.Progress; p != nil && p.Task == control.TaskOffer && d.stage == confirming {
		d.meter.offered(*p)
	}
	if gone := errors.Is(d.err, control.ErrNotRunning) || errors.Is(d.err, control.ErrClosed); gone && d.stage == failed && e.Status != nil {
		d.rescan() // the node is back, and publishing can go on
	}
	if r := e.Receipt; r != nil && d.stage == ended && r.Address == d.receipt.Address && !r.Withdrawn {
		d.receipt = *r
		d.changed()
	}
}

// pause ends the question for the name while nobody looks.
func (d *draft) pause() {
	if d.stopAsk != nil {
		d.stopAsk()
	}
}

// resume goes on with what pause ended, and catches up on the copies.
func (d *draft) resume() {
	switch {
	case d.stage == ended:
		a, name := d.app, siteOf(d.receipt, d.site)
		run(a, func(ctx context.Context) (control.Receipt, error) { return a.ctl.Receipt(ctx, name) },
			func(r control.Receipt, err error) {
				if err == nil && d.stage == ended {
					d.receipt = r
					d.changed()
				}
			})
	case d.asking && d.stage != looking:
		d.ask(0)
	}
}

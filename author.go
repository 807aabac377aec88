package main

import (
	"context"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/engine/site"
)

// profileAuthor is the author on a profile folder.
type profileAuthor struct{ *publisher.Author }

func openAuthor(profile string, c control.Control) (author, error) {
	p, err := publisher.Open(profile)
	if err != nil {
		return nil, err
	}
	return profileAuthor{publisher.NewAuthor(p, c)}, nil
}

// options turns what the command line says into what the publisher takes.
func (b build) options() publisher.Options {
	return publisher.Options{
		Note: b.note,
		Scan: site.ScanOptions{Include: b.include, Exclude: b.exclude},
		Signed: func(root string) {
			if b.signed != nil {
				b.signed(root)
			}
		},
		Skipped: func(s site.Skip) {
			if b.skipped != nil {
				b.skipped(s.Path, s.Reason, s.Default)
			}
		},
		Building: func(p site.Progress) {
			if b.progress != nil {
				b.progress("reading", p.Bytes, p.TotalBytes)
			}
		},
		Claiming: func(tries, about uint) {
			if b.progress != nil {
				b.progress(claiming, int64(min(tries, about)), int64(about))
			}
		},
	}
}

func (a profileAuthor) Publish(ctx context.Context, dir, name string, b build) (control.Receipt, error) {
	return a.Author.Publish(ctx, dir, name, b.options())
}

func (a profileAuthor) Update(ctx context.Context, dir, name string, b build) (control.Receipt, error) {
	return a.Author.Update(ctx, name, dir, b.options())
}

func (a profileAuthor) Rollback(ctx context.Context, name string, version uint64, b build) (control.Receipt, error) {
	return a.Author.Rollback(ctx, name, version, b.options())
}

func (a profileAuthor) Register(ctx context.Context, name, root string, b build) (control.Receipt, error) {
	return a.Author.Register(ctx, name, root, b.options())
}

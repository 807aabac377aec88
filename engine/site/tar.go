package site

import (
	"archive/tar"
	"context"
	"fmt"
	"io"

	"altnet/engine/wire"
)

// Tar writes a site as a tar archive: its files in canonical order, without
// owners and times, so that the same site gives the same bytes. Every block
// must be in blocks.
func Tar(ctx context.Context, root wire.Hash, blocks Blocks, w io.Writer) error {
	site, err := Open(ctx, root, blocks)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	for entry, err := range List(ctx, root, blocks) {
		if err != nil {
			return err
		}
		if entry.Dir {
			continue
		}
		if err := tarFile(site, entry, tw); err != nil {
			return fmt.Errorf("archive %s: %w", entry.Path, err)
		}
	}
	return tw.Close()
}

func tarFile(site *FS, entry Entry, tw *tar.Writer) error {
	f, err := site.OpenFile(entry.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: entry.Path, Size: f.Size(), Mode: 0o644, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	_, err = f.WriteTo(tw)
	return err
}

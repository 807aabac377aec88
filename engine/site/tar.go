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
// must be in blocks. Nothing is written of a site whose files have more than
// most bytes together, which is ErrLimit: few blocks can stand for any number of
// files.
func Tar(ctx context.Context, root wire.Hash, blocks Blocks, most int64, w io.Writer) error {
	site, err := Open(ctx, root, blocks)
	if err == nil {
		err = checkUnfolded(ctx, root, blocks, most)
	}
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

// MostUnfolded is how many bytes a site of so many bytes of distinct blocks may
// reasonably be as files.
func MostUnfolded(stored uint64) int64 { return int64(min(stored, 1<<50))*16 + 1<<30 }

func checkUnfolded(ctx context.Context, root wire.Hash, blocks Blocks, most int64) error {
	var sum int64
	for entry, err := range List(ctx, root, blocks) {
		if err != nil {
			return err
		}
		if entry.Dir {
			continue
		}
		if entry.Size > most-sum {
			return fmt.Errorf("its files have more than %d bytes, many times what it stores: %w", most, ErrLimit)
		}
		sum += entry.Size
	}
	return nil
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

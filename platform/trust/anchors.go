package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"altnet/platform/journal"
)

// anchors drives a distribution's folder of certificates.
type anchors Env

// install notes the command before the file: undoing goes backwards, so that
// the command reads the folder once the file is out of it.
func (a anchors) install(ctx context.Context, j *journal.Journal, door string, s Store, root Root) error {
	refresh := journal.ExternalChange{Door: door, Kind: kindRefresh, Key: s.Path, After: note(s.anchor.Refresh)}
	if err := j.External(ctx, refresh, func(context.Context) error { return nil }); err != nil {
		return err
	}
	err := j.File(ctx, journal.FileChange{
		Door: door, Path: filepath.Join(s.Path, fileName(root.Fingerprint(), s.anchor.Ext)),
		Edit: journal.Whole(root.PEM()), Mode: 0o644,
	})
	if err == nil {
		err = a.refresh(ctx, s.anchor.Refresh)
	}
	if err != nil {
		_, undone := j.Undo(context.WithoutCancel(ctx), door)
		return errors.Join(err, undone)
	}
	return nil
}

func (a anchors) refresh(ctx context.Context, command []string) error {
	if len(command) == 0 {
		return fmt.Errorf("%w: no command reads the anchors", ErrBlocked)
	}
	_, err := a.Run(ctx, command[0], command[1:]...)
	return err
}

// undo runs the command again. Only a command of the table is run, whatever
// the journal says.
func (a anchors) undo(ctx context.Context, change journal.Change) (journal.Result, error) {
	for _, raw := range change.Ours {
		command, err := noted[[]string](raw)
		if err != nil || len(command) == 0 || !known(command) {
			return journal.Failed, fmt.Errorf("the journal names an unknown command %q: %w", command, err)
		}
		if err := a.refreshWithout(ctx, command); err != nil {
			return journal.Failed, err
		}
	}
	return journal.Restored, nil
}

// refreshWithout runs the command after a file was taken out. Debian's leaves
// dangling links to it unless it is told to begin afresh, which others may not
// know.
func (a anchors) refreshWithout(ctx context.Context, command []string) error {
	if filepath.Base(command[0]) == "update-ca-certificates" && a.refresh(ctx, append(slices.Clone(command), "--fresh")) == nil {
		return nil
	}
	return a.refresh(ctx, command)
}

func known(command []string) bool {
	return slices.ContainsFunc(anchorTable(), func(a Anchor) bool {
		return a.Refresh[0] == filepath.Base(command[0]) && slices.Equal(a.Refresh[1:], command[1:])
	})
}

// check asks for the file and for what the command makes of it: programs read
// the bundle alone.
func (a anchors) check(_ context.Context, s Store, f Fingerprint) (State, error) {
	ours, err := holds(filepath.Join(s.Path, fileName(f, s.anchor.Ext)), f)
	if err != nil {
		return "", err
	}
	bundled, err := holds(s.anchor.Bundle, f)
	switch {
	case err != nil:
		return "", err
	case bundled:
		return Trusted, nil
	case ours:
		return Untrusted, nil
	}
	return Absent, nil
}

// holds reports whether a file of certificates holds one.
func holds(path string, f Fingerprint) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.Contains(certificatesIn(text), f), nil
}

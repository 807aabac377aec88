//go:build !windows

package trust

import (
	"context"
	"errors"

	"altnet/platform/journal"
)

// certStore is a store of Windows, which this system does not have.
type certStore struct{}

var errNotWindows = errors.Join(ErrBlocked, errors.New("only Windows has this store"))

func (certStore) install(context.Context, *journal.Journal, string, Store, Root) error {
	return errNotWindows
}

func (certStore) check(context.Context, Store, Fingerprint) (State, error) { return "", errNotWindows }

func (certStore) undo(context.Context, journal.Change) (journal.Result, error) {
	return journal.Failed, errNotWindows
}

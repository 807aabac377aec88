package setup

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"altnet/platform/trust"
)

// Request is what a user's process asks the elevated helper to do. It crosses
// a border: the helper believes nothing in it and finds the stores itself.
type Request struct {
	Undo   bool     `json:"undo,omitempty"`   // take back all of the machine's changes
	Root   []byte   `json:"root,omitempty"`   // the root certificate in PEM
	Stores []string `json:"stores,omitempty"` // IDs of machine-wide stores to put it into
}

// maxRequest bounds a request on a command line.
const maxRequest = 16 << 10

// Encode returns the request as one word of a command line. It holds nothing
// secret.
func (r Request) Encode() (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode the request to the helper: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// ParseRequest reads what Encode wrote.
func ParseRequest(word string) (Request, error) {
	if len(word) > maxRequest {
		return Request{}, fmt.Errorf("read the request to the helper: %d bytes are too many", len(word))
	}
	text, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil {
		return Request{}, fmt.Errorf("read the request to the helper: %w", err)
	}
	var r Request
	if err := json.Unmarshal(text, &r); err != nil {
		return Request{}, fmt.Errorf("read the request to the helper: %w", err)
	}
	return r, nil
}

// Serve does what a request asks, with the rights of an administrator and in
// the machine's journal. Only stores of the machine are touched, found anew;
// only a limited root is put into them.
func (s *Setup) Serve(ctx context.Context, r Request) error {
	if s.cfg.Actor != Helper {
		return ErrNotAllowed
	}
	if r.Undo {
		return s.undoMachine(ctx)
	}
	root, err := trust.ParseRoot(r.Root, s.cfg.Trust.Suffix)
	if err != nil {
		return err
	}
	stores := s.stores()
	var errs []error
	for _, id := range r.Stores {
		i := slices.IndexFunc(stores, func(store trust.Store) bool { return store.ID == id && store.Scope == trust.Machine })
		if i < 0 {
			errs = append(errs, fmt.Errorf("trust the root in %q: %w", id, ErrNotAllowed))
			continue
		}
		errs = append(errs, s.install(ctx, stores[i], root))
	}
	return errors.Join(errs...)
}

// undoMachine takes the root out of the machine's stores, and back what a
// service that is gone left behind. The doors of an installed service are its
// own.
func (s *Setup) undoMachine(ctx context.Context) error {
	if !s.cfg.HasService {
		_, err := s.undoOwn(ctx)
		return err
	}
	stores, err := s.noted(ctx, trust.IsDoor)
	if err != nil || len(stores) == 0 {
		return err
	}
	j, err := s.journal()
	if err != nil {
		return err
	}
	_, err = j.Undo(ctx, stores...)
	return err
}

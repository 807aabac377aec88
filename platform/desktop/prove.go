package desktop

import (
	"context"
	"errors"
	"fmt"
)

// answer is what came of asking a person once who they are.
type answer struct {
	err   error // why the system does not take it; nil: it does
	other bool  // it is right, and another account's
	blank bool  // not taken because this account has no password
}

// tries is how often a person may mistype before they count as somebody else.
const tries = 3

var (
	errOtherAccount = errors.New("this is another account's")
	errNoPassword   = errors.New("your account has no password")
)

// prove asks until the answer is right, tries times at most; ask is told why
// the last answer did not count. An error of ask ends it.
func prove(ctx context.Context, ask func(last error) (answer, error)) error {
	var last error
	for range tries {
		a, err := ask(last)
		switch {
		case ctx.Err() != nil: // whoever asked does not want to know any more
			return ctx.Err()
		case err != nil:
			return err
		case a.blank:
			return fmt.Errorf("%w: %w", ErrNoAuthentication, errNoPassword)
		case a.err != nil:
			last = a.err
		case a.other:
			last = errOtherAccount
		default:
			return nil
		}
	}
	return fmt.Errorf("%w: %w", ErrRefused, last)
}

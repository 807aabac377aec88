package desktop

import (
	"context"
	"errors"
	"testing"
)

func TestProve(t *testing.T) {
	wrong, broken := errors.New("wrong password"), errors.New("no prompt")
	right := answer{}
	for name, c := range map[string]struct {
		answers []answer
		err     error // of the last prompt
		want    error
		asked   int
	}{
		"right":            {[]answer{right}, nil, nil, 1},
		"mistyped":         {[]answer{{err: wrong}, {err: wrong}, right}, nil, nil, 3},
		"wrong":            {[]answer{{err: wrong}, {err: wrong}, {err: wrong}, right}, nil, ErrRefused, 3},
		"another's":        {[]answer{{other: true}, {other: true}, {other: true}}, nil, ErrRefused, 3},
		"another's, wrong": {[]answer{{err: wrong, other: true}, {err: wrong}, {err: wrong}}, nil, wrong, 3},
		"no password":      {[]answer{{err: wrong, blank: true}}, nil, ErrNoAuthentication, 1},
		"closed":           {[]answer{{err: wrong}, right}, ErrRefused, ErrRefused, 2},
		"cannot ask":       {[]answer{right}, broken, broken, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			var told []error
			err := prove(t.Context(), func(last error) (answer, error) {
				a := c.answers[asked]
				told = append(told, last)
				asked++
				if asked == len(c.answers) {
					return a, c.err
				}
				return a, nil
			})
			if asked != c.asked || !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v after %d prompts, want %v after %d", err, asked, c.want, c.asked)
			}
			if told[0] != nil || asked > 1 && told[1] == nil {
				t.Errorf("the prompts were told %v", told)
			}
		})
	}
}

// An answer that comes when the page was left shows nothing.
func TestProveTooLate(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	err := prove(ctx, func(error) (answer, error) {
		leave()
		return answer{}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

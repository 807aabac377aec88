package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"altnet/engine/control"
)

// telling is a node that has something to tell, and then fails.
type telling struct {
	control.Control
	events []control.Event
}

func (n telling) Events(context.Context) iter.Seq2[control.Event, error] {
	return func(yield func(control.Event, error) bool) {
		for _, e := range n.events {
			if !yield(e, nil) {
				return
			}
		}
		yield(control.Event{}, errors.New("gone"))
	}
}

func TestPublishFollowsTheFirstCopy(t *testing.T) {
	progress := func(task, root, failed string, done int64) control.Event {
		return control.Event{Kind: control.EventProgress, Progress: &control.Progress{Task: task, Root: root, Error: failed, Done: done, Total: 9}}
	}
	node := telling{events: []control.Event{
		{Kind: control.EventStatus, Status: &control.Status{}}, progress(control.TaskOffer, "mine", "", 3), progress("pin", "mine", "", 4),
		progress(control.TaskOffer, "another", "", 5), progress(control.TaskOffer, "mine", "", 9), progress(control.TaskOffer, "mine", "nobody", 0),
	}}
	for _, c := range []struct {
		tty, json bool
		want      []string
	}{{true, false, []string{"handing out copies 3/9", "handing out copies 9/9"}}, {true, true, nil}, {false, false, nil}} {
		s := &session{terminal: &terminal{errTTY: c.tty}, opts: &options{json: c.json}, control: node}
		var told []string
		signed, unfollow := s.followOffer(t.Context(), func(stage string, done, total int64) {
			told = append(told, fmt.Sprintf("%s %d/%d", stage, done, total))
		})
		signed("mine")
		unfollow()
		if !slices.Equal(told, c.want) {
			t.Errorf("tty %v, json %v: %v", c.tty, c.json, told)
		}
	}
}

package ui

import (
	"context"
	"fmt"
	"slices"
	"time"

	"altnet/engine/control"
)

// fakePerson is what a fakeControl knows of the person and of peers.
type fakePerson struct {
	peers   []control.Peer
	visited []control.Visited
	blocked []control.Blocked
	logs    []control.LogLine
	freed   int64
}

func (f *fakeControl) Peers(ctx context.Context) ([]control.Peer, error) {
	err := f.enter(ctx, "Peers", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.peers), err
}

func (f *fakeControl) Connect(ctx context.Context, addr string) (control.Peer, error) {
	return control.Peer{ID: "ab", Connected: true}, f.enter(ctx, "Connect", addr)
}

func (f *fakeControl) Pause(ctx context.Context, until time.Time) error {
	detail := "end"
	if !until.IsZero() {
		detail = fmt.Sprint(time.Until(until))
	}
	return f.enter(ctx, "Pause", detail)
}

func (f *fakeControl) Forget(ctx context.Context) (int64, error) {
	return f.person.freed, f.enter(ctx, "Forget", "")
}

func (f *fakeControl) Logs(ctx context.Context) ([]control.LogLine, error) {
	return f.person.logs, f.enter(ctx, "Logs", "")
}

func (f *fakeControl) Visited(ctx context.Context) ([]control.Visited, error) {
	err := f.enter(ctx, "Visited", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.visited), err
}

func (f *fakeControl) ClearVisited(ctx context.Context) error {
	err := f.enter(ctx, "ClearVisited", "")
	f.set(func(f *fakeControl) { f.person.visited = nil })
	return err
}

func (f *fakeControl) SetBlocked(ctx context.Context, target string, blocked bool) error {
	if err := f.enter(ctx, "SetBlocked", fmt.Sprint(target, " ", blocked)); err != nil {
		return err
	}
	f.set(func(f *fakeControl) {
		f.person.blocked = slices.DeleteFunc(f.person.blocked, func(b control.Blocked) bool { return b.Target == target })
		if blocked {
			f.person.blocked = append(f.person.blocked, control.Blocked{Target: target, Since: time.Now()})
		}
	})
	return nil
}

func (f *fakeControl) Blocked(ctx context.Context) ([]control.Blocked, error) {
	err := f.enter(ctx, "Blocked", "")
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.person.blocked), err
}

func (f *fakeControl) SetPinned(ctx context.Context, name string, pinned bool) error {
	return f.enter(ctx, "SetPinned", fmt.Sprint(name, " ", pinned))
}

func (f *fakeControl) Accept(ctx context.Context, name string) error {
	return f.enter(ctx, "Accept", name)
}

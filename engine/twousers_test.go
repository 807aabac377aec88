package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/identity"
	"altnet/engine/record"
	"altnet/engine/wire"
)

// TestTwoUsers has two users of one computer share a node.
func TestTwoUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVirtual(t)
		nodes := v.nodes(3)
		e := nodes[1]
		other := publishAs(t, nodes[2], 5, "", "other", nil)
		as := func(user string) context.Context {
			return control.WithCaller(t.Context(), control.Caller{User: user, Operator: true})
		}
		a, b := as("a"), as("b")
		dir := folder(t, 2, 100)
		root, size := put(t, e, dir)
		rec := func() record.Record {
			v.pass(time.Millisecond)
			return sign(t, e, 4, "", func(r *record.Record) { r.Content, r.Size = root, size })
		}
		r := rec()
		if _, err := e.Publish(a, control.PublishRequest{Record: r.Raw}); err != nil {
			t.Fatal(err)
		}
		name := host(r)
		for what, err := range map[string]error{
			"publish":  second(e.Publish(b, control.PublishRequest{Record: rec().Raw})),
			"receipt":  second(e.Receipt(b, name)),
			"versions": second(e.Versions(b, name)),
			"drop":     e.DropVersion(b, name, r.Seq),
			"unpin":    e.SetPinned(b, name, false),
			"withdraw": second(e.Withdraw(b, control.PublishRequest{Record: sign(t, e, 4, "", func(r *record.Record) {
				r.Kind, r.Content, r.Size, r.Seq = record.KindTombstone, wire.Hash{}, 0, r.Seq+1
			}).Raw})),
		} {
			if !errors.Is(err, control.ErrDenied) && !errors.Is(err, control.ErrNotFound) {
				t.Errorf("another user may %s: %v", what, err)
			}
		}
		if s, err := e.Sites(b); err != nil || len(s) != 0 {
			t.Errorf("another user sees %+v, %v", s, err)
		}
		for _, u := range []context.Context{a, b} {
			if err := e.SetPinned(u, host(other), true); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.SetPinned(b, host(other), false); err != nil {
			t.Fatal(err)
		}
		if s, err := e.Sites(a); err != nil || len(s) != 2 || !e.keepsFor(other.Content) {
			t.Errorf("after another user unpinned what both had: %+v, %v", s, err)
		}
		if s, err := e.Sites(b); err != nil || len(s) != 0 {
			t.Errorf("who unpinned still sees %+v, %v", s, err)
		}
		if s, err := e.Sites(t.Context()); err != nil || len(s) != 2 {
			t.Errorf("the node itself sees %+v, %v", s, err)
		}
		seen := usersEvents(t, e, b, func() {
			if _, err := e.Publish(a, control.PublishRequest{Record: rec().Raw}); err != nil {
				t.Error(err)
			}
		})
		if slices.ContainsFunc(seen, func(ev control.Event) bool { return ev.Kind != control.EventStatus }) {
			t.Errorf("another user is told %+v", seen)
		}
		taken := rec()
		proof, err := record.Prove(identity.FromSeed([32]byte{4, 1}), &taken, e.key.ID().String(), "b")
		if err != nil {
			t.Fatal(err)
		}
		seen = usersEvents(t, e, a, func() {
			if _, err := e.Publish(b, control.PublishRequest{Record: taken.Raw, Proof: proof}); err != nil {
				t.Error(err)
			}
		})
		if !slices.ContainsFunc(seen, func(ev control.Event) bool { return ev.Notice != nil && ev.Notice.Name == name }) {
			t.Errorf("the former user of a site is told %+v", seen)
		}
		if _, err := e.Receipt(a, name); !errors.Is(err, control.ErrNotFound) {
			t.Errorf("a former user's receipt: %v", err)
		}
		if _, err := e.Receipt(b, name); err != nil {
			t.Errorf("the receipt of who has the key: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// usersEvents returns what a caller is told while f runs, and a minute after.
func usersEvents(t *testing.T, e *Engine, ctx context.Context, f func()) (seen []control.Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev, err := range e.Events(ctx) {
			if err == nil {
				seen = append(seen, ev)
			}
		}
	}()
	synctest.Wait()
	f()
	time.Sleep(time.Minute) // virtual
	cancel()
	<-done
	return seen
}

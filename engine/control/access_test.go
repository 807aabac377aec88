package control_test

import (
	"context"
	"iter"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
)

func TestGrant(t *testing.T) {
	own := control.Access{Operator: func(string) bool { return true }} // not asked
	service := control.Access{Service: true, Operator: func(user string) bool { return user == "1005" }}
	for _, c := range []struct {
		access      control.Access
		user        string
		admin, same bool
		want        control.Caller
	}{
		{own, "1000", false, true, control.Caller{Admin: true, Operator: true}},
		{own, "0", true, false, control.Caller{Admin: true, Operator: true}},
		{own, "1001", false, false, control.Caller{}},
		{own, "1005", false, false, control.Caller{}},
		{control.Access{}, "1001", false, false, control.Caller{}},
		{service, "1000", false, false, control.Caller{Local: true}},
		{service, "1005", false, false, control.Caller{Local: true, Operator: true}},
		{service, "0", true, false, control.Caller{Local: true, Admin: true, Operator: true}},
		{service, "999", false, true, control.Caller{Local: true, Admin: true, Operator: true}},
		{control.Access{Service: true}, "1005", false, false, control.Caller{Local: true}},
	} {
		c.want.User = c.user
		if got := c.access.Grant(c.user, c.admin, c.same); got != c.want {
			t.Errorf("service %v: user %s, admin %v, same %v is granted %+v", c.access.Service, c.user, c.admin, c.same, got)
		}
	}
}

// A user who asks too much at once is in nobody's way.
func TestUsersGetInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := controltest.NewFake()
		defer f.Close()
		s := &socket{conns: make(chan net.Conn), done: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		var served sync.WaitGroup
		served.Go(func() {
			if err := control.Serve(ctx, s, f, control.ServerConfig{Identify: s.identify}); err != nil {
				t.Error(err)
			}
		})
		defer served.Wait()
		defer cancel()
		greedy, modest := control.Caller{User: "1001", Local: true}, control.Caller{User: "1002", Local: true}

		open, refused := crowd(t, s, greedy, 100)
		if refused != 100-64 {
			t.Errorf("%d of 100 requests of one user were refused", refused)
		}
		other := control.NewClient(func(context.Context) (net.Conn, error) { return s.dial(modest), nil })
		defer other.Close()
		if _, err := other.Sites(t.Context()); err != nil {
			t.Errorf("another user: %v", err)
		}
		for _, c := range open {
			c.Close()
		}
		synctest.Wait()
		again := control.NewClient(func(context.Context) (net.Conn, error) { return s.dial(greedy), nil })
		defer again.Close()
		if _, err := again.Sites(t.Context()); err != nil {
			t.Errorf("the same user later: %v", err)
		}
	})
}

// What an event says crosses whole, to whom it is for.
func TestEventsCross(t *testing.T) {
	sent := control.Event{
		Kind: control.EventNotice, Time: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
		Notice: &control.Notice{Kind: control.NoticeCopiesLow, Name: "pg.alt", Text: "fewer"},
	}
	for _, c := range []struct {
		who  string
		as   control.Caller
		told bool
	}{
		{"an operator", control.Caller{User: "1000", Operator: true}, true},
		{"a user", control.Caller{User: "1001", Local: true}, true},
		{"a stranger", control.Caller{User: "1002"}, false},
	} {
		f := controltest.NewFake()
		next, stop := iter.Pull2(controltest.Served(t, f, c.as).Events(t.Context()))
		if _, err, ok := next(); !ok || err != nil {
			t.Fatal(err)
		}
		f.Notify(sent)
		if err := f.Pause(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := f.SetOnline(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		told, offline := false, false
		for !offline || c.told && !told {
			ev, err, ok := next()
			if !ok || err != nil {
				t.Fatalf("%s: the events ended: %v", c.who, err)
			}
			offline = offline || ev.Status != nil && !ev.Status.Online
			if ev.Notice != nil {
				told = true
				if *ev.Notice != *sent.Notice || !ev.Time.Equal(sent.Time) || ev.Kind != sent.Kind {
					t.Errorf("%s: sent %+v, got %+v", c.who, sent, ev)
				}
			}
		}
		if told != c.told {
			t.Errorf("%s is told: %v", c.who, told)
		}
		stop()
	}
}

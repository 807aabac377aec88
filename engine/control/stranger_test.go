package control_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"altnet/engine/control"
	"altnet/engine/control/controltest"
)

// socket is a control socket in memory that knows who dials.
type socket struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	who   sync.Map // the server's ends to Callers
}

func (s *socket) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *socket) Close() error   { s.once.Do(func() { close(s.done) }); return nil }
func (s *socket) Addr() net.Addr { return &net.UnixAddr{} }

func (s *socket) dial(who control.Caller) net.Conn {
	here, there := net.Pipe()
	s.who.Store(there, who)
	s.conns <- there
	return here
}

func (s *socket) identify(c net.Conn) (control.Caller, error) {
	who, _ := s.who.Load(c)
	return who.(control.Caller), nil
}

// What another user of the computer does on the socket leaves the operator's
// own commands alone, and holds nothing of the node's for long.
func TestStrangersGetInNobodysWay(t *testing.T) {
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
		stranger := control.Caller{User: "1001"}

		// One announces a body and sends none, another never reads its answer.
		slow := s.dial(stranger)
		defer slow.Close()
		fmt.Fprint(slow, "POST /v1/sites HTTP/1.1\r\nHost: altnet\r\nContent-Length: 100\r\n\r\n")
		if took := untilClosed(t, slow); took > time.Minute {
			t.Errorf("a request that stands still is waited for %v", took)
		}
		deaf := s.dial(stranger)
		defer deaf.Close()
		fmt.Fprint(deaf, "POST /v1/events HTTP/1.1\r\nHost: altnet\r\n\r\n")
		time.Sleep(time.Minute)
		if _, err := deaf.Write([]byte("x")); err == nil {
			t.Error("a reader who does not read is waited for")
		}

		open, refused := crowd(t, s, stranger, 40)
		if refused != 40-16 {
			t.Errorf("%d of 40 strangers were refused", refused)
		}
		own := control.NewClient(func(context.Context) (net.Conn, error) { return s.dial(operator), nil })
		defer own.Close()
		if _, err := own.Sites(t.Context()); err != nil {
			t.Errorf("the operator: %v", err)
		}
		for _, c := range open {
			c.Close()
		}
		synctest.Wait()
		again := control.NewClient(func(context.Context) (net.Conn, error) { return s.dial(stranger), nil })
		defer again.Close()
		if st, err := again.Status(t.Context()); err != nil || st.NodeID != "" {
			t.Errorf("a stranger later: %+v, %v", st, err)
		}
	})
}

// untilClosed reads what comes until the far end closes.
func untilClosed(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	if err := c.SetDeadline(start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 1024); ; {
		if _, err := c.Read(buf); err != nil {
			return time.Since(start)
		}
	}
}

// crowd opens count event streams of one caller at once, and counts those that
// were refused.
func crowd(t *testing.T, s *socket, who control.Caller, count int) (open []net.Conn, refused int) {
	t.Helper()
	for range count {
		c := s.dial(who)
		open = append(open, c)
		fmt.Fprint(c, "POST /v1/events HTTP/1.1\r\nHost: altnet\r\nContent-Length: 0\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			refused++
		}
	}
	return open, refused
}

package memnet

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

var (
	alice = netip.MustParseAddr("10.0.0.1")
	bob   = netip.MustParseAddr("10.0.0.2")
	door  = netip.AddrPortFrom(bob, 9000)
)

// pair connects alice to bob.
func pair(t *testing.T, n *Net) (near, far net.Conn) {
	t.Helper()
	l, err := n.Listen(door)
	if err != nil {
		t.Fatal(err)
	}
	near, err = n.Dial(t.Context(), alice, door)
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestConnBehavesAsNetConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := New()
		c1, c2 = pair(t, n)
		return c1, c2, func() { _ = c1.Close(); _ = c2.Close() }, nil
	})
}

func TestBytesArriveInOrderAndThenTheEnd(t *testing.T) {
	for _, latency := range []time.Duration{0, 30 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			n := New()
			n.SetLatency(func(_, _ netip.Addr) time.Duration { return latency })
			near, far := pair(t, n)
			want := make([]byte, 5*window+17)
			_, _ = rand.Read(want)
			go func() {
				for b := want; len(b) > 0; {
					k := min(len(b), 100_000)
					if _, err := near.Write(b[:k]); err != nil {
						t.Error(err)
					}
					b = b[k:]
				}
				_ = near.Close()
			}()
			got, err := io.ReadAll(far)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("latency %v: read %d of %d bytes, %v", latency, len(got), len(want), err)
			}
			if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("write to a closed end: %v", err)
			}
			_ = far.Close()
			if n.Conns() != 0 {
				t.Errorf("%d connections are remembered", n.Conns())
			}
		})
	}
}

func TestLatencyIsOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		n.SetLatency(func(from, _ netip.Addr) time.Duration {
			if from == alice {
				return 30 * time.Millisecond
			}
			return 70 * time.Millisecond
		})
		start := time.Now()
		near, far := pair(t, n)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("connecting took %v, want one round trip of 100 ms", d)
		}
		start = time.Now()
		_, _ = near.Write([]byte("ping"))
		_, _ = io.ReadFull(far, make([]byte, 4))
		if d := time.Since(start); d != 30*time.Millisecond {
			t.Errorf("there took %v", d)
		}
		_, _ = far.Write([]byte("pong"))
		_, _ = io.ReadFull(near, make([]byte, 4))
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("there and back took %v", d)
		}
	})
}

func TestDeadlinesOnVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pair(t, New())
		defer far.Close()
		start := time.Now()
		_ = near.SetReadDeadline(start.Add(time.Hour))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		_ = near.SetWriteDeadline(start.Add(2 * time.Hour))
		k, err := near.Write(make([]byte, 2*window))
		if k != window || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d with nobody reading: %v", k, err)
		}
		if d := time.Since(start); d != 2*time.Hour {
			t.Errorf("the deadlines took %v", d)
		}
	})
}

func TestPartitionIsSilentUntilItHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far := pair(t, n)
		n.Partition([]netip.Addr{alice})
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = far.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := far.Read(make([]byte, 5)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read across the partition: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, alice, door); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial across the partition: %v", err)
		}
		start := time.Now()
		if _, err := n.Dial(t.Context(), alice, door); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start) != connectTimeout {
			t.Fatalf("dial without a deadline: %v after %v", err, time.Since(start))
		}
		dialled := make(chan error)
		go func() {
			_, err := n.Dial(t.Context(), alice, door)
			dialled <- err
		}()
		_ = far.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, func() { n.Partition() })
		b := make([]byte, 5)
		if _, err := io.ReadFull(far, b); err != nil || string(b) != "hello" {
			t.Fatalf("after healing: %q, %v", b, err)
		}
		if err := <-dialled; err != nil {
			t.Fatalf("dial when healed: %v", err)
		}
	})
}

func TestKillResetsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		near, far := pair(t, n)
		read := make(chan error)
		go func() {
			_, err := near.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		n.Kill(bob)
		if err := <-read; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read on the dead host: %v", err)
		}
		if _, err := n.Dial(t.Context(), alice, door); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		_ = near.Close()
		if n.Conns() != 0 {
			t.Errorf("%d connections left", n.Conns())
		}
		near, _ = pair(t, n) // bob starts again
		n.Partition([]netip.Addr{bob})
		n.Kill(bob)
		_ = near.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a reset crossed the partition: %v", err)
		}
		_ = near.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Minute, func() { n.Partition() })
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after healing: %v", err)
		}
	})
}

func TestListen(t *testing.T) {
	n := New()
	l, err := n.Listen(netip.AddrPortFrom(bob, 0))
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	if at.Port() == 0 {
		t.Error("no port was chosen")
	}
	if _, err := n.Listen(at); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v", err)
	}
	var dialled []net.Conn
	for range backlog {
		c, err := n.Dial(t.Context(), alice, at)
		if err != nil {
			t.Fatal(err)
		}
		dialled = append(dialled, c)
	}
	if _, err := n.Dial(t.Context(), alice, at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial beyond the backlog: %v", err)
	}
	_ = l.Close()
	for _, c := range dialled {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("never accepted: %v", err)
		}
		_ = c.Close()
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if n.Conns() != 0 {
		t.Errorf("%d connections outlive the listener", n.Conns())
	}
}

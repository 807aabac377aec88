package secure

import (
	"bytes"
	"context"
	"crypto/mlkem"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"altnet/engine/identity"
)

func testKey(n byte) identity.Key {
	return identity.FromSeed([32]byte(bytes.Repeat([]byte{n}, 32)))
}

func testConfig(n byte) Config {
	return Config{Key: testKey(n), Puzzle: uint64(n), NetworkID: [32]byte{1}}
}

// result is how one side of a handshake ended.
type result struct {
	conn *Conn
	err  error
}

// loopback returns both ends of a TCP connection.
func loopback(t testing.TB) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// handshake runs both sides.
func handshake(t testing.TB, client, server net.Conn, cc, sc Config, want identity.NodeID) (c, s result) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.conn, s.err = Server(t.Context(), server, sc)
	}()
	c.conn, c.err = Client(t.Context(), client, cc, want)
	<-done
	return c, s
}

// connected returns both ends of an encrypted connection over TCP.
func connected(t testing.TB) (client, server *Conn) {
	t.Helper()
	a, b := loopback(t)
	c, s := handshake(t, a, b, testConfig(1), testConfig(2), testKey(2).ID())
	if c.err != nil || s.err != nil {
		t.Fatalf("client: %v, server: %v", c.err, s.err)
	}
	return c.conn, s.conn
}

func TestHandshake(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	for name, secret := range map[string][]byte{"open": nil, "closed": secret} {
		t.Run(name, func(t *testing.T) {
			a, b := loopback(t)
			cc, sc := testConfig(1), testConfig(2)
			cc.NetworkSecret, sc.NetworkSecret = secret, secret
			c, s := handshake(t, a, b, cc, sc, testKey(2).ID())
			if c.err != nil || s.err != nil {
				t.Fatalf("client: %v, server: %v", c.err, s.err)
			}
			if c.conn.RemoteKey() != testKey(2).Public() || c.conn.RemoteID() != testKey(2).ID() || c.conn.RemotePuzzle() != 2 {
				t.Error("client: wrong remote")
			}
			if s.conn.RemoteKey() != testKey(1).Public() || s.conn.RemoteID() != testKey(1).ID() || s.conn.RemotePuzzle() != 1 {
				t.Error("server: wrong remote")
			}
			echo(t, c.conn, s.conn)
			echo(t, s.conn, c.conn)
		})
	}
}

// echo sends messages of many sizes from w to r.
func echo(t testing.TB, w, r *Conn) {
	t.Helper()
	for _, n := range []int{1, 100, readAhead - 18, readAhead - 17, readAhead, maxPlaintext, maxPlaintext + 1, 300_000} {
		data := bytes.Repeat([]byte{byte(n), byte(n >> 8), 3}, n/3+1)[:n]
		failed := make(chan error, 1)
		go func() {
			_, err := w.Write(data)
			failed <- err
		}()
		got := make([]byte, n)
		if _, err := io.ReadFull(r, got); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if err := <-failed; err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes: differ, or %v", n, err)
		}
	}
}

func TestHandshakeRefuses(t *testing.T) {
	with := func(f func(*Config)) Config {
		c := testConfig(2)
		f(&c)
		return c
	}
	for name, tt := range map[string]struct {
		server Config
		want   identity.NodeID
		client error // what Client must return, nil: none
	}{
		"another peer":    {testConfig(3), testKey(2).ID(), ErrWrongPeer},
		"another network": {with(func(c *Config) { c.NetworkID = [32]byte{2} }), testKey(2).ID(), ErrWrongNetwork},
		"another secret":  {with(func(c *Config) { c.NetworkSecret = bytes.Repeat([]byte{9}, 32) }), testKey(2).ID(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := loopback(t)
			c, s := handshake(t, a, b, testConfig(1), tt.server, tt.want)
			if !errors.Is(c.err, tt.client) || tt.client != nil && !errors.Is(c.err, ErrHandshake) {
				t.Errorf("client: %v", c.err)
			}
			if !errors.Is(s.err, ErrHandshake) {
				t.Errorf("server: %v", s.err)
			}
			if tt.client != nil {
				return
			}
			if !errors.Is(s.err, ErrWrongNetwork) {
				t.Errorf("server: %v", s.err)
			}
			if _, err := c.conn.Read(make([]byte, 1)); err == nil {
				t.Error("client could read from a server that refused it")
			}
		})
	}
}

func TestHandshakeHonoursContextAndTimeout(t *testing.T) {
	a, _ := loopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Client(ctx, a, testConfig(1), identity.NodeID{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	a, b := loopback(t)
	c := testConfig(1)
	c.HandshakeTimeout = time.Millisecond
	_, err := Server(t.Context(), b, c)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("silent client: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); err == nil {
		t.Error("the connection of a failed handshake stays open")
	}
}

// validEncapsulationKey returns an ML-KEM key for message 1.
func validEncapsulationKey(t testing.TB) []byte {
	t.Helper()
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	return kem.EncapsulationKey().Bytes()
}

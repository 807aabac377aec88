package secure

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flynn/noise"

	"altnet/engine/identity"
)

// recorder keeps what is written through it.
type recorder struct {
	net.Conn
	sent []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.sent = append(r.sent, p...)
	return r.Conn.Write(p)
}

// editor changes the nth write.
type editor struct {
	net.Conn
	edit   map[int]func([]byte) []byte
	writes int
}

func (e *editor) Write(p []byte) (int, error) {
	if f := e.edit[e.writes]; f != nil {
		if _, err := e.Conn.Write(f(bytes.Clone(p))); err != nil {
			return 0, err
		}
		e.writes++
		return len(p), nil
	}
	e.writes++
	return e.Conn.Write(p)
}

func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte { b[(i+len(b))%len(b)] ^= 1; return b }
}

// Every byte of the handshake is protected: changing any breaks it.
func TestAnyChangedByteBreaksTheHandshake(t *testing.T) {
	fatal := func(t *testing.T, c, s result) {
		t.Helper()
		if s.err == nil {
			t.Error("server accepted")
		}
	}
	preambleSize := len(preamble{versions: []byte{Version}}.encode())
	for _, i := range []int{0, 3, 6, 7, 8, preambleSize - 1, preambleSize, preambleSize + 2, preambleSize + 40, -1} {
		a, b := loopback(t)
		c, s := handshake(t, &editor{Conn: a, edit: map[int]func([]byte) []byte{0: flip(i)}}, b, testConfig(1), testConfig(2), identity.NodeID{})
		fatal(t, c, s)
	}
	for _, i := range []int{0, 2, 2 + 32, 2 + 32 + 48, 2 + 32 + 48 + 5, -20, -1} {
		a, b := loopback(t)
		c, _ := handshake(t, a, &editor{Conn: b, edit: map[int]func([]byte) []byte{0: flip(i)}}, testConfig(1), testConfig(2), identity.NodeID{})
		if c.err == nil {
			t.Errorf("client accepted message 2 with byte %d changed", i)
		}
	}
	for _, i := range []int{0, 2, 2 + 48, -1} {
		a, b := loopback(t)
		c, s := handshake(t, &editor{Conn: a, edit: map[int]func([]byte) []byte{1: flip(i)}}, b, testConfig(1), testConfig(2), identity.NodeID{})
		fatal(t, c, s)
	}
}

func TestNoCommonVersion(t *testing.T) {
	a, b := loopback(t)
	offer := func(p []byte) []byte { p[len(magic)+1] = 9; return p }
	c, s := handshake(t, &editor{Conn: a, edit: map[int]func([]byte) []byte{0: offer}}, b, testConfig(1), testConfig(2), identity.NodeID{})
	if !errors.Is(c.err, ErrVersion) || !errors.Is(s.err, ErrVersion) {
		t.Errorf("client: %v, server: %v", c.err, s.err)
	}
}

// A whole recorded handshake opens nothing when it is sent again.
func TestReplayedHandshake(t *testing.T) {
	a, b := loopback(t)
	rec := &recorder{Conn: a}
	c, s := handshake(t, rec, b, testConfig(1), testConfig(2), identity.NodeID{})
	if c.err != nil || s.err != nil {
		t.Fatal(c.err, s.err)
	}
	if _, err := c.conn.Write([]byte("do it")); err != nil {
		t.Fatal(err)
	}
	a, b = loopback(t)
	if _, err := a.Write(rec.sent); err != nil {
		t.Fatal(err)
	}
	if _, err := Server(t.Context(), b, testConfig(2)); !errors.Is(err, ErrHandshake) {
		t.Errorf("got %v", err)
	}
}

// A proof moved to another static key, role, network or puzzle proves nothing.
func TestProofsCannotBeMoved(t *testing.T) {
	mine := testConfig(1)
	static := bytes.Repeat([]byte{5}, 32)
	proof := prove(mine.Key, 1, mine.NetworkID, initiator, static)
	if r, err := verifyProof(proof, mine.NetworkID, initiator, static); err != nil || r.id != mine.Key.ID() {
		t.Fatal(err)
	}
	other := bytes.Repeat([]byte{6}, 32)
	puzzled := slices.Clone(proof)
	puzzled[40] ^= 1
	typed := slices.Clone(proof)
	typed[0] = 2
	stolen := slices.Clone(proof)
	key := testKey(2).Public()
	copy(stolen[1:], key[:])
	for name, err := range map[string]error{
		"static":  verifyOnly(proof, mine.NetworkID, initiator, other),
		"role":    verifyOnly(proof, mine.NetworkID, responder, static),
		"network": verifyOnly(proof, [32]byte{}, initiator, static),
		"puzzle":  verifyOnly(puzzled, mine.NetworkID, initiator, static),
		"type":    verifyOnly(typed, mine.NetworkID, initiator, static),
		"key":     verifyOnly(stolen, mine.NetworkID, initiator, static),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func verifyOnly(proof []byte, network [32]byte, r role, static []byte) error {
	_, err := verifyProof(proof, network, r, static)
	return err
}

// Message 3 is neither written nor read before the psk is set.
func TestNoMessage3WithoutPSK(t *testing.T) {
	for _, r := range []role{initiator, responder} {
		cfg, err := testConfig(1).withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange{cfg: cfg}
		if err := x.start(r, nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.finishWrite(nil); !errors.Is(err, errNoPSK) {
			t.Errorf("write: %v", err)
		}
		if _, _, _, err := x.finishRead(); !errors.Is(err, errNoPSK) {
			t.Errorf("read: %v", err)
		}
	}
}

// An initiator that does not use the derived psk is refused even where all
// else is right.
func TestWrongPSK(t *testing.T) {
	a, b := loopback(t)
	refused := make(chan error, 1)
	go func() {
		_, err := Server(t.Context(), b, testConfig(2))
		refused <- err
	}()
	x := &exchange{conn: a, cfg: mustConfig(t, 1)}
	hello := preamble{versions: []byte{Version}}.encode()
	if err := x.start(initiator, hello); err != nil {
		t.Fatal(err)
	}
	if err := x.send(hello, validEncapsulationKey(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.receive(message2Size); err != nil {
		t.Fatal(err)
	}
	x.psk = make([]byte, 32)
	if err := x.hs.SetPresharedKey(x.psk); err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.finishWrite(x.cfg.Credentials.proofs[initiator]); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, ErrWrongNetwork) {
		t.Errorf("server: %v", err)
	}
}

// A peer that sends its messages byte by byte is cut off after 5 s, and one
// that announces another size at once.
func TestSlowAndOversizedHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		began := time.Now()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			msg := append(preamble{versions: []byte{Version}}.encode(), make([]byte, 2000)...)
			binary.BigEndian.PutUint16(msg[len(magic)+6:], message1Size)
			for _, c := range msg {
				if _, err := a.Write([]byte{c}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		_, err := Server(t.Context(), b, testConfig(2))
		if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != 5*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		<-stopped
	})
	for _, size := range []uint16{1, message1Size - 1, message1Size + 1, 65535} {
		msg := preamble{versions: []byte{Version}}.encode()
		msg = binary.BigEndian.AppendUint16(msg, size)
		x := &exchange{conn: scripted{in: bytes.NewReader(msg)}, cfg: mustConfig(t, 2)}
		if _, err := x.respond(); !errors.Is(err, noise.ErrShortMessage) {
			t.Errorf("message 1 of %d: %v", size, err)
		}
	}
}

// scripted is a connection that reads from memory and forgets what is written.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s scripted) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s scripted) Write(p []byte) (int, error) { return len(p), nil }

func mustConfig(t testing.TB, n byte) Config {
	t.Helper()
	c, err := testConfig(n).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Failed handshakes leave no goroutine, which the bubble would notice, and no
// open connection behind.
func TestFailedHandshakesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			a, b := net.Pipe()
			go func() { _, _ = a.Write(make([]byte, 64)) }()
			if _, err := Server(context.Background(), b, testConfig(2)); err == nil {
				t.Fatal("zeros accepted")
			}
			if _, err := b.Write([]byte{0}); !errors.Is(err, io.ErrClosedPipe) {
				t.Fatalf("still open: %v", err)
			}
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no key":         {},
		"short secret":   {Key: testKey(1), NetworkSecret: []byte("short")},
		"empty secret":   {Key: testKey(1), NetworkSecret: []byte{}},
		"zero secret":    {Key: testKey(1), NetworkSecret: make([]byte, 32)},
		"foreign proofs": {Key: testKey(2), Credentials: mustConfig(t, 1).Credentials},
	} {
		a, b := net.Pipe()
		if _, err := Client(t.Context(), a, c, identity.NodeID{}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		b.Close()
	}
}

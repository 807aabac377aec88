package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"github.com/flynn/noise"

	"altnet/engine/identity"
)

func testCipher() *noise.CipherState {
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)
	return noise.UnsafeNewCipherState(suite, [32]byte{1, 2, 3}, 0)
}

func testWriter(w io.Writer, every uint64) *writer {
	return &writer{w: w, cipher: rekeyed{state: testCipher(), every: every}}
}

func testReader(r io.Reader, every uint64) *reader {
	return &reader{r: r, cipher: rekeyed{state: testCipher(), every: every}}
}

// sealed returns each of the messages as one record.
func sealed(t testing.TB, messages ...string) [][]byte {
	t.Helper()
	var out [][]byte
	var b bytes.Buffer
	w := testWriter(&b, rekeyAfter)
	for _, m := range messages {
		if _, err := w.write([]byte(m)); err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.Clone(b.Bytes()))
		b.Reset()
	}
	return out
}

func TestBrokenRecords(t *testing.T) {
	big := string(bytes.Repeat([]byte("x"), 50_000))
	r := sealed(t, "one", "two", big)
	flipped := bytes.Clone(r[0])
	flipped[4] ^= 1
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"changed":    {flipped, ErrRecord},
		"reordered":  {append(bytes.Clone(r[1]), r[0]...), ErrRecord},
		"left out":   {r[1], ErrRecord},
		"empty":      {[]byte{0, 0}, ErrRecord},
		"only a tag": {append([]byte{0, 16}, make([]byte, 16)...), ErrRecord},
		"cut":        {r[0][:10], io.ErrUnexpectedEOF},
		"cut head":   {r[0][:1], io.ErrUnexpectedEOF},
		"cut large":  {append(append(bytes.Clone(r[0]), r[1]...), r[2][:40_000]...), io.ErrUnexpectedEOF},
		"ended":      {nil, io.EOF},
	} {
		rd := testReader(bytes.NewReader(c.stream), rekeyAfter)
		var err error
		for err == nil {
			_, err = rd.read(make([]byte, 10))
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := rd.read(make([]byte, 10)); again == nil || !errors.Is(again, c.want) {
			t.Errorf("%s: then %v", name, again)
		}
	}
	rd := testReader(bytes.NewReader(append(bytes.Clone(r[0]), r[0]...)), rekeyAfter)
	if n, err := rd.read(make([]byte, 10)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := rd.read(make([]byte, 10)); !errors.Is(err, ErrRecord) {
		t.Errorf("replayed: %v", err)
	}
}

// The key changes after exactly 2^20 records: a connection counts from none,
// and here all but the last few have been sent.
func TestRekeyAfterExactly(t *testing.T) {
	c := newConn(nil, remote{}, testCipher(), testCipher(), false)
	for _, k := range []rekeyed{c.in.cipher, c.out.cipher} {
		if k.every != 1<<20 || k.done != 0 {
			t.Fatalf("a new connection rekeys after %d records and has counted %d", k.every, k.done)
		}
	}
	const sent = 1<<20 - 3
	var b bytes.Buffer
	w, plain := testWriter(&b, rekeyAfter), testCipher()
	w.cipher.done = sent
	w.cipher.state.SetNonce(sent)
	plain.SetNonce(sent)
	for i := range 5 {
		if i == 3 {
			plain.Rekey()
		}
		if _, err := w.write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := plain.Decrypt(nil, nil, b.Next(b.Len())[headSize:]); err != nil {
			t.Fatalf("record %d: %v", sent+i, err)
		}
	}
	if n := plain.Nonce(); n != 1<<20+2 {
		t.Errorf("nonce %d: it must go on counting over a rekey", n)
	}
}

// No two records are sealed under the same key and nonce.
func TestNoNonceTwice(t *testing.T) {
	var b bytes.Buffer
	w := testWriter(&b, 3)
	seen := map[string]bool{}
	for range 30 {
		if _, err := w.write(make([]byte, 40)); err != nil {
			t.Fatal(err)
		}
		seen[string(b.Next(b.Len()))] = true
	}
	if len(seen) != 30 {
		t.Errorf("%d different records of 30 with the same text", len(seen))
	}
}

// Both sides agree across rekeys, whatever the sizes.
func TestStreamAcrossRekeys(t *testing.T) {
	var b bytes.Buffer
	w, r := testWriter(&b, 2), testReader(&b, 2)
	var want []byte
	for n := 1; n < 200_000; n = n*2 + 1 {
		data := bytes.Repeat([]byte{byte(n)}, n)
		want = append(want, data...)
		if got, err := w.write(data); got != n || err != nil {
			t.Fatal(got, err)
		}
	}
	got, err := io.ReadAll(readFunc(r.read))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A deadline may strike at any byte of a record; reading goes on after it.
func TestReadGoesOnAfterATimeout(t *testing.T) {
	big := string(bytes.Repeat([]byte("abc"), 2000))
	stream := bytes.Join(sealed(t, "one", big, "two"), nil)
	at := 0
	r := testReader(readFunc(func(p []byte) (int, error) {
		at++
		if at%2 == 0 {
			return 0, os.ErrDeadlineExceeded
		}
		if len(stream) == 0 {
			return 0, io.EOF
		}
		n := copy(p[:1], stream)
		stream = stream[n:]
		return n, nil
	}), rekeyAfter)
	var got []byte
	buf := make([]byte, 100)
	for {
		n, err := r.read(buf)
		got = append(got, buf[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if string(got) != "one"+big+"two" {
		t.Errorf("%d bytes differ", len(got))
	}
}

// A write that failed may have left half a record: nothing may follow it.
func TestNothingFollowsAFailedWrite(t *testing.T) {
	fail := true
	calls := 0
	w := testWriter(writeFunc(func(p []byte) (int, error) {
		calls++
		if fail {
			return 1, os.ErrDeadlineExceeded
		}
		return len(p), nil
	}), rekeyAfter)
	if n, err := w.write([]byte("a")); n != 0 || err == nil {
		t.Fatal(n, err)
	}
	fail = false
	if _, err := w.write([]byte("b")); err == nil || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// FuzzReader feeds a stream in pieces: whatever is not what was sealed ends in
// an error, never in other bytes.
func FuzzReader(f *testing.F) {
	records := sealed(f, "one", string(make([]byte, 5000)), "three")
	want := append(append([]byte("one"), make([]byte, 5000)...), "three"...)
	f.Add(bytes.Join(records, nil), byte(7), byte(100))
	f.Add(records[0], byte(1), byte(1))
	f.Add([]byte{0, 17, 0}, byte(1), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece, size byte) {
		in := bytes.NewReader(stream)
		r := testReader(readFunc(func(p []byte) (int, error) { return in.Read(p[:min(len(p), int(piece)+1)]) }), rekeyAfter)
		var got []byte
		buf := make([]byte, int(size)*8+1)
		for {
			n, err := r.read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.HasPrefix(want, got) {
			t.Fatalf("read %d bytes nobody sealed", len(got))
		}
	})
}

// FuzzServer feeds arbitrary bytes to the responder.
func FuzzServer(f *testing.F) {
	hello := preamble{versions: []byte{Version}}.encode()
	f.Add(hello)
	f.Add(append(binary.BigEndian.AppendUint16(hello, message1Size), make([]byte, message1Size)...))
	cfg := mustConfig(f, 2)
	f.Fuzz(func(t *testing.T, in []byte) {
		x := &exchange{conn: scripted{in: bytes.NewReader(in)}, cfg: cfg}
		if _, err := x.respond(); err == nil {
			t.Fatal("accepted")
		}
	})
}

// FuzzClient begins with a valid message 2 for another handshake.
func FuzzClient(f *testing.F) {
	f.Add([]byte{0, 0, refusedVersion})
	f.Add(binary.BigEndian.AppendUint16(nil, message2Size))
	a, b := net.Pipe()
	rec := &recorder{Conn: b}
	go func() { _, _ = Client(f.Context(), a, testConfig(1), identity.NodeID{}) }()
	if _, err := Server(f.Context(), rec, testConfig(2)); err != nil {
		f.Fatal(err)
	}
	f.Add(rec.sent)
	cfg := mustConfig(f, 1)
	f.Fuzz(func(t *testing.T, in []byte) {
		x := &exchange{conn: scripted{in: bytes.NewReader(in)}, cfg: cfg}
		if _, err := x.initiate(identity.NodeID{}); err == nil {
			t.Fatal("accepted")
		}
	})
}

// FuzzPreamble: what parses encodes to the same bytes.
func FuzzPreamble(f *testing.F) {
	f.Add(preamble{versions: []byte{1}}.encode())
	f.Add(preamble{versions: []byte{1, 2, 200}, features: 1 << 31}.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		p, raw, err := readPreamble(bytes.NewReader(in))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(in, raw) || !bytes.Equal(p.encode(), raw) {
			t.Fatalf("%x parses and encodes to %x", raw, p.encode())
		}
	})
}

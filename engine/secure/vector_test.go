package secure

import (
	"bytes"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"testing"

	"altnet/engine/identity"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// hexBytes is shown in hex in vectors.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// vector is a whole handshake from known randomness. PROTOCOL.md section 11
// describes the fields.
type vector struct {
	Name          string   `json:"name"`
	NetworkID     hexBytes `json:"network_id"`
	NetworkSecret hexBytes `json:"network_secret"`
	Initiator     party    `json:"initiator"`
	Responder     party    `json:"responder"`
	KEMSeed       hexBytes `json:"mlkem_seed"`
	KEMRandom     hexBytes `json:"mlkem_encapsulation_randomness"`

	InitiatorSends []hexBytes `json:"initiator_sends"` // handshake, then records
	ResponderSends []hexBytes `json:"responder_sends"`
	PSK            hexBytes   `json:"psk"`
	KeyToResponder hexBytes   `json:"key_initiator_to_responder"`
	KeyToInitiator hexBytes   `json:"key_responder_to_initiator"`
	KeyAfterRekey  hexBytes   `json:"key_initiator_to_responder_after_rekey"`
	TextInitiator  string     `json:"text_initiator"`
	TextResponder  string     `json:"text_responder"`
}

type party struct {
	NodeSeed  hexBytes `json:"node_key_seed"`
	Puzzle    uint64   `json:"puzzle"`
	Static    hexBytes `json:"noise_static_private"`
	Ephemeral hexBytes `json:"noise_ephemeral_private"`
}

func inputs() []vector {
	b := func(n byte, size int) hexBytes { return bytes.Repeat([]byte{n}, size) }
	open := vector{
		Name: "open network", NetworkID: b(0x01, 32),
		Initiator: party{b(0x11, 32), 0x0102030405060708, b(0x12, 32), b(0x13, 32)},
		Responder: party{b(0x21, 32), 0, b(0x22, 32), b(0x23, 32)},
		KEMSeed:   b(0x31, 64), KEMRandom: b(0x32, 32),
		TextInitiator: "from the initiator", TextResponder: "from the responder",
	}
	closed := open
	closed.Name, closed.NetworkSecret = "closed network", b(0x41, 32)
	return []vector{open, closed}
}

func (p party) config(t *testing.T, v vector) Config {
	c := Config{Key: identity.FromSeed([32]byte(p.NodeSeed)), Puzzle: p.Puzzle, NetworkID: [32]byte(v.NetworkID), NetworkSecret: v.NetworkSecret}
	var err error
	if c.Credentials, err = newCredentials(bytes.NewReader(p.Static), c.Key, c.Puzzle, c.NetworkID); err != nil {
		t.Fatal(err)
	}
	if c, err = c.withDefaults(); err != nil {
		t.Fatal(err)
	}
	return c
}

// splitter keeps each write apart.
type splitter struct {
	net.Conn
	sent *[]hexBytes
}

func (s splitter) Write(p []byte) (int, error) {
	*s.sent = append(*s.sent, bytes.Clone(p))
	return s.Conn.Write(p)
}

// play runs the handshake of v and one record each way, and fills v.
func play(t *testing.T, v *vector) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	xi := &exchange{conn: splitter{a, &v.InitiatorSends}, cfg: v.Initiator.config(t, *v),
		random: bytes.NewReader(append(bytes.Clone(v.KEMSeed), v.Initiator.Ephemeral...))}
	xr := &exchange{conn: splitter{b, &v.ResponderSends}, cfg: v.Responder.config(t, *v),
		random: bytes.NewReader(v.Responder.Ephemeral),
		encapsulate: func(k *mlkem.EncapsulationKey768) (secret, ciphertext []byte) {
			secret, ciphertext, err := mlkemtest.Encapsulate768(k, v.KEMRandom)
			if err != nil {
				t.Error(err)
			}
			return secret, ciphertext
		}}
	done := make(chan *Conn)
	go func() {
		c, err := xr.respond()
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	ci, err := xi.initiate(identity.NodeID{})
	cr := <-done
	if err != nil || cr == nil {
		t.Fatal(err)
	}
	v.PSK = xi.psk
	v.KeyToResponder, v.KeyToInitiator = key(&ci.out.cipher), key(&ci.in.cipher)
	speak(t, ci, cr, v.TextInitiator)
	speak(t, cr, ci, v.TextResponder)
	ci.out.cipher.state.Rekey()
	v.KeyAfterRekey = key(&ci.out.cipher)
}

func key(k *rekeyed) hexBytes {
	b := k.state.UnsafeKey()
	return b[:]
}

func speak(t *testing.T, from, to *Conn, text string) {
	go func() {
		if _, err := from.Write([]byte(text)); err != nil {
			t.Error(err)
		}
	}()
	buf := make([]byte, 100)
	if n, err := to.Read(buf); err != nil || string(buf[:n]) != text {
		t.Fatalf("%q, %v", buf[:n], err)
	}
}

func TestVectors(t *testing.T) {
	file := filepath.Join("..", "wire", "testdata", "handshake.json")
	vectors := inputs()
	for i := range vectors {
		play(t, &vectors[i])
	}
	got, err := json.MarshalIndent(vectors, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n")), got) {
		t.Errorf("%s does not hold; if the protocol was meant to change, run with -update", file)
	}
}

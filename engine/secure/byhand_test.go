package secure

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// byHand is Noise's symmetric state written from its specification, so that
// the vectors do not rest on the library that made them.
type byHand struct {
	t     *testing.T
	ck, h [32]byte
	k     []byte
	n     uint64
}

func newByHand(t *testing.T, prologue []byte) *byHand {
	// The protocol's name has exactly 32 bytes, so it is not hashed.
	s := &byHand{t: t, h: [32]byte([]byte("Noise_XXpsk3_25519_AESGCM_SHA256"))}
	s.ck = s.h
	s.mixHash(prologue)
	return s
}

func (s *byHand) mixHash(b []byte) { s.h = sha256.Sum256(append(s.h[:], b...)) }

// derive is Noise's HKDF.
func (s *byHand) derive(input []byte, outputs int) [][]byte {
	mac := func(key []byte, parts ...[]byte) []byte {
		m := hmac.New(sha256.New, key)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	temp := mac(s.ck[:], input)
	var out [][]byte
	var last []byte
	for i := range outputs {
		last = mac(temp, last, []byte{byte(i + 1)})
		out = append(out, last)
	}
	return out
}

func (s *byHand) mixKey(input []byte) {
	out := s.derive(input, 2)
	s.ck, s.k, s.n = [32]byte(out[0]), out[1], 0
}

func (s *byHand) mixKeyAndHash(input []byte) {
	out := s.derive(input, 3)
	s.ck = [32]byte(out[0])
	s.mixHash(out[1])
	s.k, s.n = out[2], 0
}

func (s *byHand) encrypt(plaintext []byte) []byte {
	c := sealByHand(s.t, s.k, s.n, s.h[:], plaintext)
	s.n++
	s.mixHash(c)
	return c
}

func sealByHand(t *testing.T, key []byte, n uint64, ad, plaintext []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm.Seal(nil, binary.BigEndian.AppendUint64(make([]byte, 4), n), plaintext, ad)
}

func dhByHand(t *testing.T, private, public []byte) []byte {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if public == nil {
		return k.PublicKey().Bytes()
	}
	p, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := k.ECDH(p)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// proofByHand follows PROTOCOL.md section 3.
func proofByHand(v vector, p party, role byte, static []byte) []byte {
	key := ed25519.NewKeyFromSeed(p.NodeSeed)
	puzzle := binary.BigEndian.AppendUint64(nil, p.Puzzle)
	message := slices.Concat([]byte("altnet handshake v1\x00"), v.NetworkID, []byte{role, 1}, puzzle, static)
	return slices.Concat([]byte{1}, key.Public().(ed25519.PublicKey), puzzle, ed25519.Sign(key, message))
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...)
}

// TestVectorsByHand makes every byte of the vectors from PROTOCOL.md and the
// specification of Noise alone.
func TestVectorsByHand(t *testing.T) {
	for _, v := range inputs() {
		play(t, &v)
		t.Run(v.Name, func(t *testing.T) { checkByHand(t, v) })
	}
}

func checkByHand(t *testing.T, v vector) {
	i, r := v.Initiator, v.Responder
	pub := func(private []byte) []byte { return dhByHand(t, private, nil) }
	kem, err := mlkem.NewDecapsulationKey768(v.KEMSeed)
	if err != nil {
		t.Fatal(err)
	}
	shared, ciphertext, err := mlkemtest.Encapsulate768(kem.EncapsulationKey(), v.KEMRandom)
	if err != nil {
		t.Fatal(err)
	}

	preamble := []byte("altnet\x01\x01\x00\x00\x00\x00")
	s := newByHand(t, preamble)
	e := pub(i.Ephemeral)
	s.mixHash(e)
	s.mixKey(e)
	message1 := append(e, s.encrypt(kem.EncapsulationKey().Bytes())...)

	e = pub(r.Ephemeral)
	s.mixHash(e)
	s.mixKey(e)
	s.mixKey(dhByHand(t, r.Ephemeral, pub(i.Ephemeral)))
	message2 := append(e, s.encrypt(pub(r.Static))...)
	s.mixKey(dhByHand(t, r.Static, pub(i.Ephemeral)))
	message2 = append(message2, s.encrypt(slices.Concat([]byte{1, 0, 0, 0, 0}, ciphertext, proofByHand(v, r, 2, pub(r.Static))))...)

	secret := v.NetworkSecret
	if len(secret) == 0 {
		secret = make([]byte, 32)
	}
	info := slices.Concat([]byte("altnet psk v1\x00"), v.NetworkID, s.h[:])
	psk, err := hkdf.Key(sha256.New, slices.Concat(shared, secret), nil, string(info), 32)
	if err != nil {
		t.Fatal(err)
	}

	message3 := s.encrypt(pub(i.Static))
	s.mixKey(dhByHand(t, i.Static, pub(r.Ephemeral)))
	s.mixKeyAndHash(psk)
	message3 = append(message3, s.encrypt(proofByHand(v, i, 1, pub(i.Static)))...)
	keys := s.derive(nil, 2)

	for what, pair := range map[string][2][]byte{
		"psk":            {v.PSK, psk},
		"message 1":      {v.InitiatorSends[0], append(preamble, framed(message1)...)},
		"message 2":      {v.ResponderSends[0], framed(message2)},
		"message 3":      {v.InitiatorSends[1], framed(message3)},
		"first key":      {v.KeyToResponder, keys[0]},
		"second key":     {v.KeyToInitiator, keys[1]},
		"record there":   {v.InitiatorSends[2], framed(sealByHand(t, keys[0], 0, nil, []byte(v.TextInitiator)))},
		"record back":    {v.ResponderSends[1], framed(sealByHand(t, keys[1], 0, nil, []byte(v.TextResponder)))},
		"key after 2^20": {v.KeyAfterRekey, sealByHand(t, keys[0], 1<<64-1, nil, make([]byte, 32))[:32]},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Errorf("%s: by hand %x, not %x", what, pair[1], pair[0])
		}
	}
}

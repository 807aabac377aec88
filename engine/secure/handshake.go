package secure

import (
	"bytes"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/flynn/noise"

	"altnet/engine/identity"
)

// Sizes of the handshake in bytes. Each message has exactly one size; it is
// checked before anything is allocated or computed.
const (
	keySize    = 32
	tagSize    = 16
	secretSize = 32

	choiceSize = 1 + 4 // chosen version, accepted features

	message1Size = keySize + mlkem.EncapsulationKeySize768 + tagSize
	message2Size = keySize + (keySize + tagSize) + choiceSize + mlkem.CiphertextSize768 + proofSize + tagSize
	message3Size = (keySize + tagSize) + proofSize + tagSize
)

// pskInfo begins the HKDF info from which the psk comes.
const pskInfo = "altnet psk v1\x00"

// refusedVersion is the reason byte after a zero length where message 2 should
// stand: the responder knows none of the offered versions.
const refusedVersion = 1

// exchange is one side of a handshake.
type exchange struct {
	conn net.Conn
	cfg  Config
	hs   *noise.HandshakeState
	psk  []byte // nil until it is set

	// Set by tests that need the same bytes each time; else crypto/rand.
	random      io.Reader
	encapsulate func(*mlkem.EncapsulationKey768) (secret, ciphertext []byte)
}

// start begins the Noise state machine; prologue is the initiator's preamble.
func (x *exchange) start(r role, prologue []byte) error {
	if x.random == nil {
		x.random = rand.Reader
	}
	if x.encapsulate == nil {
		x.encapsulate = (*mlkem.EncapsulationKey768).Encapsulate
	}
	static := x.cfg.Credentials.static
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:           noise.NewCipherSuite(&x25519{static: static}, noise.CipherAESGCM, noise.HashSHA256),
		Random:                x.random,
		Pattern:               noise.HandshakeXX,
		Initiator:             r == initiator,
		Prologue:              prologue,
		PresharedKeyPlacement: 3,
		StaticKeypair:         static.dh,
	})
	x.hs = hs
	return err
}

// initiate is the initiator's side.
func (x *exchange) initiate(want identity.NodeID) (*Conn, error) {
	offered := preamble{versions: []byte{Version}, features: Features}
	hello := offered.encode()
	if err := x.start(initiator, hello); err != nil {
		return nil, err
	}
	var seed [mlkem.SeedSize]byte
	if _, err := io.ReadFull(x.random, seed[:]); err != nil {
		return nil, fmt.Errorf("make an ML-KEM key: %w", err)
	}
	kem, err := mlkem.NewDecapsulationKey768(seed[:])
	if err != nil {
		return nil, fmt.Errorf("make an ML-KEM key: %w", err)
	}
	if err := x.send(hello, kem.EncapsulationKey().Bytes()); err != nil {
		return nil, err
	}
	peer, err := x.readMessage2(kem, offered, want)
	if err != nil {
		return nil, err
	}
	out, in, err := x.finishWrite(x.cfg.Credentials.proofs[initiator])
	if err != nil {
		return nil, err
	}
	return newConn(x.conn, peer, out, in, true), nil
}

// readMessage2 reads the responder's choice, ML-KEM ciphertext and proof, and
// sets the psk.
func (x *exchange) readMessage2(kem *mlkem.DecapsulationKey768, offered preamble, want identity.NodeID) (remote, error) {
	payload, err := x.receive(message2Size)
	if err != nil {
		return remote{}, err
	}
	if err := offered.accepts(payload[0], binary.BigEndian.Uint32(payload[1:])); err != nil {
		return remote{}, err
	}
	ciphertext, proof := payload[choiceSize:len(payload)-proofSize], payload[len(payload)-proofSize:]
	peer, err := verifyProof(proof, x.cfg.NetworkID, responder, x.hs.PeerStatic())
	if err != nil {
		return remote{}, err
	}
	if !want.IsZero() && peer.id != want {
		return remote{}, fmt.Errorf("peer %s instead of %s: %w", peer.id.Short(), want.Short(), ErrWrongPeer)
	}
	secret, err := kem.Decapsulate(ciphertext)
	if err != nil {
		return remote{}, fmt.Errorf("ML-KEM: %w", err)
	}
	return peer, x.setPSK(secret)
}

// respond is the responder's side.
func (x *exchange) respond() (*Conn, error) {
	offered, hello, err := readPreamble(x.conn)
	if err != nil {
		return nil, err
	}
	version, err := offered.choose()
	if err != nil {
		_, _ = x.conn.Write([]byte{0, 0, refusedVersion}) // the error below counts
		return nil, err
	}
	if err := x.start(responder, hello); err != nil {
		return nil, err
	}
	encoded, err := x.receive(message1Size)
	if err != nil {
		return nil, err
	}
	secret, err := x.writeMessage2(encoded, version, offered.features&Features)
	if err != nil {
		return nil, err
	}
	if err := x.setPSK(secret); err != nil {
		return nil, err
	}
	proof, in, out, err := x.finishRead()
	if err != nil {
		return nil, err
	}
	peer, err := verifyProof(proof, x.cfg.NetworkID, initiator, x.hs.PeerStatic())
	if err != nil {
		return nil, err
	}
	return newConn(x.conn, peer, out, in, false), nil
}

// writeMessage2 sends choice, ciphertext and proof; it returns the ML-KEM
// secret.
func (x *exchange) writeMessage2(encapsulationKey []byte, version byte, features uint32) ([]byte, error) {
	kem, err := mlkem.NewEncapsulationKey768(encapsulationKey)
	if err != nil {
		return nil, fmt.Errorf("ML-KEM: %w", err)
	}
	secret, ciphertext := x.encapsulate(kem)
	payload := binary.BigEndian.AppendUint32([]byte{version}, features)
	payload = append(payload, ciphertext...)
	payload = append(payload, x.cfg.Credentials.proofs[responder]...)
	return secret, x.send(nil, payload)
}

// setPSK derives the psk from the ML-KEM secret, the network's secret and the
// transcript up to and with message 2.
func (x *exchange) setPSK(kemSecret []byte) error {
	secret := bytes.Clone(kemSecret)
	if x.cfg.NetworkSecret != nil {
		secret = append(secret, x.cfg.NetworkSecret...)
	} else {
		secret = append(secret, make([]byte, secretSize)...)
	}
	info := append([]byte(pskInfo), x.cfg.NetworkID[:]...)
	info = append(info, x.hs.ChannelBinding()...)
	psk, err := hkdf.Key(sha256.New, secret, nil, string(info), secretSize)
	if err != nil {
		return fmt.Errorf("derive the psk: %w", err)
	}
	if err := x.hs.SetPresharedKey(psk); err != nil {
		return fmt.Errorf("set the psk: %w", err)
	}
	x.psk = psk
	return nil
}

var errNoPSK = errors.New("message 3 before the psk is set")

// finishWrite writes message 3 and returns the ciphers for sending and
// receiving.
func (x *exchange) finishWrite(payload []byte) (out, in *noise.CipherState, err error) {
	if x.psk == nil {
		return nil, nil, errNoPSK
	}
	frame, out, in, err := x.hs.WriteMessage(make([]byte, 2, 2+message3Size), payload)
	if err != nil {
		return nil, nil, err
	}
	return out, in, x.sendFrame(nil, frame)
}

// finishRead reads message 3 and returns its payload and the ciphers for
// receiving and sending.
func (x *exchange) finishRead() (payload []byte, in, out *noise.CipherState, err error) {
	if x.psk == nil {
		return nil, nil, nil, errNoPSK // flynn/noise would go on without one
	}
	message, err := x.readFrame(message3Size)
	if err != nil {
		return nil, nil, nil, err
	}
	payload, in, out, err = x.hs.ReadMessage(nil, message)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("message 3 does not open, as with another network secret: %w: %w", ErrWrongNetwork, err)
	}
	return payload, in, out, nil
}

// send writes the next message but the last, after a clear prefix.
func (x *exchange) send(prefix, payload []byte) error {
	frame, _, _, err := x.hs.WriteMessage(make([]byte, 2, 2+message2Size), payload)
	if err != nil {
		return err
	}
	return x.sendFrame(prefix, frame)
}

// sendFrame writes a message that has two bytes of room for its length.
func (x *exchange) sendFrame(prefix, frame []byte) error {
	binary.BigEndian.PutUint16(frame, uint16(len(frame)-2))
	_, err := x.conn.Write(append(prefix, frame...))
	return err
}

// receive reads the next message but the last and returns its payload.
func (x *exchange) receive(size int) ([]byte, error) {
	message, err := x.readFrame(size)
	if err != nil {
		return nil, err
	}
	payload, _, _, err := x.hs.ReadMessage(nil, message)
	return payload, err
}

// readFrame reads a message that must have the given size.
func (x *exchange) readFrame(size int) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(x.conn, head[:]); err != nil {
		return nil, noEOF(err)
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n == 0 {
		return nil, x.refusal()
	}
	if n != size {
		return nil, fmt.Errorf("message of %d bytes instead of %d: %w", n, size, noise.ErrShortMessage)
	}
	message := make([]byte, size)
	_, err := io.ReadFull(x.conn, message)
	return message, noEOF(err)
}

// refusal reads why the responder sent no message.
func (x *exchange) refusal() error {
	var reason [1]byte
	if _, err := io.ReadFull(x.conn, reason[:]); err != nil {
		return noEOF(err)
	}
	if reason[0] == refusedVersion {
		return ErrVersion
	}
	return fmt.Errorf("the peer refused, reason %d", reason[0])
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Package secure turns a net.Conn into an authenticated, encrypted net.Conn:
// Noise_XXpsk3_25519_AESGCM_SHA256 with an ML-KEM-768 secret mixed into the
// psk, so that recorded traffic stays closed to a quantum computer. Both sides
// prove an Ed25519 identity by signing their Noise static key.
//
// The exact bytes are in section 3 of engine/wire/PROTOCOL.md. What must not
// be changed without thought:
//
//   - The prologue is the initiator's clear preamble, so a changed offer breaks
//     the handshake; the responder's choice is inside the encrypted message 2.
//   - The psk depends on the transcript, so it is set between messages 2 and 3.
//     flynn/noise reads message 3 without complaint where it never was; the
//     type exchange here refuses.
//   - Nothing costs a key exchange before Admission let the address in, and no
//     message is read whose size is not exactly the expected one.
package secure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"altnet/engine/identity"
)

// Errors of Client and Server.
var (
	// ErrHandshake reports a handshake that failed for any reason; the more
	// precise errors below come with it.
	ErrHandshake = errors.New("secure handshake failed")
	// ErrWrongPeer reports a peer that proved another identity than the one
	// dialled.
	ErrWrongPeer = errors.New("another peer answers at this address")
	// ErrWrongNetwork reports a peer whose proof or psk does not hold for
	// this network: it is of another network, or does not know its secret.
	ErrWrongNetwork = errors.New("the peer is not of this network")
	// ErrVersion reports that the two sides share no protocol version.
	ErrVersion = errors.New("no common protocol version")
	// ErrConfig reports an unusable Config.
	ErrConfig = errors.New("bad configuration of the secure channel")
	// ErrRecord reports an encrypted record that was altered, replayed,
	// reordered or cut. The connection is of no more use.
	ErrRecord = errors.New("broken encrypted record")
)

// Version is the protocol version of this package, Features the set of
// optional features it offers.
const (
	Version  = 1
	Features = 0
)

const defaultTimeout = 5 * time.Second

// Config says who we are and which network this is.
type Config struct {
	Key           identity.Key
	Puzzle        uint64   // nonce of the work over Key
	NetworkID     [32]byte // see wire.NetworkID
	NetworkSecret []byte   // 32 bytes that members of a closed network share, or nil

	// Credentials is the prepared proof of Key, to be shared by all
	// connections of a process: it saves a signature and a key pair per
	// handshake. Nil: one is made for this connection alone.
	Credentials *Credentials

	HandshakeTimeout time.Duration // default 5 s
	Log              *slog.Logger  // default: discard
}

func (c Config) withDefaults() (Config, error) {
	if err := checkSecret(c.NetworkSecret); err != nil {
		return c, err
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = defaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Credentials != nil {
		return c, c.Credentials.check(c)
	}
	var err error
	c.Credentials, err = NewCredentials(c.Key, c.Puzzle, c.NetworkID)
	return c, err
}

func checkSecret(secret []byte) error {
	if secret == nil {
		return nil
	}
	if len(secret) != secretSize {
		return fmt.Errorf("network secret of %d bytes, want %d: %w", len(secret), secretSize, ErrConfig)
	}
	if [secretSize]byte(secret) == [secretSize]byte{} {
		return fmt.Errorf("network secret is all zeros, as if there were none: %w", ErrConfig)
	}
	return nil
}

// Client runs the initiator's side over conn. Where want is not zero, a peer
// with another NodeID is refused with ErrWrongPeer before it learns who we
// are. On failure conn is closed.
//
// The pattern has no fourth message: a responder that refuses our proof or
// network secret shows as a failing first Read.
func Client(ctx context.Context, conn net.Conn, c Config, want identity.NodeID) (*Conn, error) {
	return run(ctx, conn, c, func(x *exchange) (*Conn, error) { return x.initiate(want) })
}

// Server runs the responder's side over conn. On failure conn is closed. Ask
// Admission before.
func Server(ctx context.Context, conn net.Conn, c Config) (*Conn, error) {
	return run(ctx, conn, c, (*exchange).respond)
}

// run bounds one side of a handshake in time.
func run(ctx context.Context, conn net.Conn, c Config, side func(*exchange) (*Conn, error)) (*Conn, error) {
	c, err := c.withDefaults()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	secured, err := timed(ctx, conn, c, side)
	if err != nil {
		_ = conn.Close()
		c.Log.DebugContext(ctx, "handshake failed", "remote", conn.RemoteAddr(), "err", err)
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return secured, nil
}

func timed(ctx context.Context, conn net.Conn, c Config, side func(*exchange) (*Conn, error)) (*Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(c.HandshakeTimeout)); err != nil {
		return nil, fmt.Errorf("set the deadline: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	secured, err := side(&exchange{conn: conn, cfg: c})
	if !stop() {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("clear the deadline: %w", err)
	}
	return secured, nil
}

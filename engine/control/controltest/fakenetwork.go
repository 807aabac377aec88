package controltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"altnet/engine/control"
	"altnet/engine/wire"
)

// Connect implements control.Control.
func (f *Fake) Connect(ctx context.Context, addr string) (control.Peer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !strings.Contains(addr, ":"):
		return control.Peer{}, fmt.Errorf("%q is no host:port: %w", addr, control.ErrInvalid)
	case !f.online || f.pausedLocked() != nil:
		return control.Peer{}, fmt.Errorf("connect to %s: %w", addr, control.ErrOffline)
	case addr != fakeAddr && addr != fakePeer+"@"+fakeAddr:
		return control.Peer{}, fmt.Errorf("connect to %s: %w", addr, control.ErrUnreachable)
	}
	return peer(), ctx.Err()
}

// Ping implements control.Control.
func (f *Fake) Ping(ctx context.Context, who string) (control.Pong, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case who == "" || strings.Trim(who, "0123456789abcdef.:@") != "":
		return control.Pong{}, fmt.Errorf("peer %q: %w", who, control.ErrInvalid)
	case !f.online:
		return control.Pong{}, fmt.Errorf("ping %s: %w", who, control.ErrOffline)
	case !strings.HasPrefix(fakePeer, who) && who != fakeAddr:
		return control.Pong{}, fmt.Errorf("ping %s: %w", who, control.ErrNotFound)
	}
	return control.Pong{Peer: peer(), RTT: 20 * time.Millisecond}, ctx.Err()
}

// Find implements control.Control.
func (f *Fake) Find(ctx context.Context, target string) (control.Found, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, err := canonical(target)
	if err != nil {
		return control.Found{}, err
	}
	if !f.online {
		return control.Found{}, fmt.Errorf("find %s: %w", name, control.ErrOffline)
	}
	sum := sha256.Sum256([]byte(name))
	return control.Found{Key: hex.EncodeToString(sum[:]), Closest: []control.Peer{peer()}, Requests: 1, Took: 20 * time.Millisecond}, ctx.Err()
}

// Put implements control.Control.
func (f *Fake) Put(ctx context.Context, data []byte) (wire.Hash, error) {
	if len(data) == 0 || len(data) > wire.MaxBlock {
		return wire.Hash{}, fmt.Errorf("a block of %d bytes: %w", len(data), control.ErrInvalid)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	hash := wire.Hash(sha256.Sum256(data))
	f.blocks[hash] = bytes.Clone(data)
	return hash, ctx.Err()
}

// Get implements control.Control.
func (f *Fake) Get(ctx context.Context, hash wire.Hash) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, ok := f.blocks[hash]
	if !ok {
		return nil, fmt.Errorf("block %s: %w", hash, control.ErrMissing)
	}
	return bytes.Clone(data), ctx.Err()
}

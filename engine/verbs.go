package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"altnet/engine/control"
	"altnet/engine/dht"
	"altnet/engine/identity"
	"altnet/engine/peer"
	"altnet/engine/record"
	"altnet/engine/store"
	"altnet/engine/wire"
)

// The prompt's verbs: what a developer or an operator asks of the network
// without a site in mind.

// Connect implements control.Control.
func (e *Engine) Connect(ctx context.Context, addr string) (control.Peer, error) {
	if !e.isOnline() {
		return control.Peer{}, control.ErrOffline
	}
	if _, _, err := splitBootstrap(addr); err != nil {
		return control.Peer{}, control.Mark(control.ErrInvalid, err)
	}
	p, err := e.connect(ctx, addr)
	if err != nil {
		return control.Peer{}, peerError(err)
	}
	e.spawn(func() {
		ctx, cancel := context.WithTimeout(e.ctx, rejoinMost)
		defer cancel()
		if err := e.dht.Bootstrap(ctx, []wire.Peer{p}); err != nil {
			e.log.Info("join through a new peer", "peer", p.ID.Short(), "err", err)
		}
	})
	out := describePeer(p)
	out.Connected = true
	return *out, nil
}

// Ping implements control.Control.
func (e *Engine) Ping(ctx context.Context, target string) (control.Pong, error) {
	p, err := e.peerFor(ctx, target)
	if err != nil {
		return control.Pong{}, err
	}
	var b [8]byte
	rand.Read(b[:])
	nonce := binary.BigEndian.Uint64(b[:])
	start := time.Now()
	m, err := e.host.Request(ctx, p, wire.Ping{Nonce: nonce})
	if err != nil {
		return control.Pong{}, peerError(err)
	}
	if pong, ok := m.(wire.Pong); !ok || pong.Nonce != nonce {
		return control.Pong{}, fmt.Errorf("%s answered a ping with something else", p.ID.Short())
	}
	return control.Pong{Peer: *describePeer(p), RTT: time.Since(start)}, nil
}

// peerFor finds the peer that a person means: a NodeID, the unique beginning
// of one, or an address.
func (e *Engine) peerFor(ctx context.Context, target string) (wire.Peer, error) {
	if strings.Contains(target, ":") {
		p, err := e.connect(ctx, target)
		return p, peerError(err)
	}
	if target == "" || strings.Trim(target, "0123456789abcdefABCDEF") != "" {
		return wire.Peer{}, control.Mark(control.ErrInvalid, fmt.Errorf("%q is neither a node's id nor an address", target))
	}
	known := map[identity.NodeID]wire.Peer{}
	for _, s := range e.host.Sessions() {
		known[s.Peer.ID] = s.Peer
	}
	for _, en := range e.dht.Table() {
		known[en.Peer.ID] = en.Peer
	}
	var found []wire.Peer
	for id, p := range known {
		if strings.HasPrefix(id.String(), strings.ToLower(target)) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return wire.Peer{}, control.Mark(control.ErrNotFound, fmt.Errorf("no known peer's id begins with %q", target))
	}
	return wire.Peer{}, control.Mark(control.ErrInvalid, fmt.Errorf("%d peers' ids begin with %q: give more digits", len(found), target))
}

// Find implements control.Control.
func (e *Engine) Find(ctx context.Context, target string) (control.Found, error) {
	key, err := e.keyFor(target)
	if err != nil {
		return control.Found{}, err
	}
	out := control.Found{Key: key.String()}
	owners := map[string]bool{}
	stats, err := e.dht.Get(ctx, key, func(a dht.Answer) bool {
		for _, s := range a.Records {
			if r, err := record.Parse(s.Value); err == nil {
				owners[r.Root.String()] = true
			}
		}
		return false
	})
	if err != nil {
		return out, peerError(err)
	}
	out.Records, out.Requests, out.Took = len(owners), stats.Asked, stats.Elapsed
	for _, p := range stats.Closest {
		out.Closest = append(out.Closest, *describePeer(p))
	}
	_, err = e.dht.Providers(ctx, key, func(p wire.Peer, full bool) bool {
		out.Providers = append(out.Providers, control.Provider{Peer: p.ID.String(), Full: full})
		return false
	})
	return out, peerError(err)
}

// keyFor reads a DHT key: 64 hex digits or a name.
func (e *Engine) keyFor(target string) (wire.Hash, error) {
	if h, ok := parseHash(target); ok {
		return h, nil
	}
	name, err := record.ParseName(target, e.cfg.TLD)
	if err != nil {
		return wire.Hash{}, control.Mark(control.ErrInvalid, err)
	}
	return name.DHTKey(), nil
}

func parseHash(s string) (h wire.Hash, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, false
	}
	return wire.Hash(b), true
}

// Put implements control.Control.
func (e *Engine) Put(ctx context.Context, data []byte) (wire.Hash, error) {
	if len(data) == 0 || len(data) > wire.MaxBlock {
		return wire.Hash{}, control.Mark(control.ErrInvalid, fmt.Errorf("a block is 1 to %d bytes, not %d", wire.MaxBlock, len(data)))
	}
	h := wire.Hash(sha256.Sum256(data))
	if err := e.store.Put(ctx, h, data); err != nil {
		return h, storeError(err)
	}
	_, err := e.store.AddRoot(ctx, store.Root{
		Hash: h, Class: store.Pinned, User: control.CallerFrom(ctx).User, Size: int64(len(data)), Blocks: []wire.Hash{h},
	})
	if err != nil {
		return h, storeError(err)
	}
	e.keeper.Watch(h)
	if _, err := e.dht.Provide(ctx, h, true, dht.MaxTTL); err != nil && e.isOnline() {
		e.log.Info("announce a block", "hash", h, "err", err)
	}
	return h, nil
}

// Get implements control.Control.
func (e *Engine) Get(ctx context.Context, hash wire.Hash) ([]byte, error) {
	if reason, refused := e.rules.now().RefusesHash(e.network, hash, time.Now()); refused {
		return nil, control.Mark(control.ErrBlocked, fmt.Errorf("block %s is refused here: %s", hash, reason))
	}
	data, err := e.store.Get(ctx, hash, nil)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return data, err
	}
	return e.getRemote(ctx, hash)
}

// getRemote asks the block's holders one after another.
func (e *Engine) getRemote(ctx context.Context, hash wire.Hash) ([]byte, error) {
	var data []byte
	_, err := e.dht.Providers(ctx, hash, func(p wire.Peer, _ bool) bool {
		s, err := e.host.Open(ctx, p, wire.GetBlocks{Root: hash, Hashes: []wire.Hash{hash}})
		if err != nil {
			return false
		}
		defer s.Close()
		got, ok, err := s.ReadBlock(nil)
		if err != nil || !ok || sha256.Sum256(got) != hash {
			return false
		}
		data = got
		return true
	})
	if data != nil {
		return data, nil
	}
	if err != nil {
		return nil, peerError(err)
	}
	return nil, control.Mark(control.ErrNotFound, fmt.Errorf("nobody who can be reached has block %s", hash))
}

// peerError gives the errors of the network their place in Control.
func peerError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, peer.ErrOffline):
		return control.Mark(control.ErrOffline, err)
	case errors.Is(err, peer.ErrUnreachable), errors.Is(err, dht.ErrNoPeers):
		return control.Mark(control.ErrUnreachable, err)
	case errors.Is(err, peer.ErrClosed), errors.Is(err, dht.ErrClosed):
		return control.Mark(control.ErrClosed, err)
	}
	return err
}

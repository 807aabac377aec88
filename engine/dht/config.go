package dht

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"

	"altnet/engine/identity"
	"altnet/engine/wire"
)

// Network is how the DHT reaches other peers; engine/peer's Host is one.
type Network interface {
	// Request sends m to the peer and returns its reply. It must return when
	// ctx is done. The peer's answer is authenticated as that of to.ID. An
	// error that the peer itself replied with has a method Remote() bool that
	// returns true; any other counts against the peer.
	Request(ctx context.Context, to wire.Peer, m wire.Message) (wire.Message, error)
	// Self returns our own peer record as it stands.
	Self() wire.Peer
}

// Config says how a DHT runs. The zero value of a field means its default.
type Config struct {
	Network  Network
	Store    Store     // default: a Memory
	Validate Validator // default: nothing can be stored

	// ParsePeer verifies a signed peer record; default wire.ParsePeer.
	ParsePeer func(raw []byte) (wire.Peer, error)
	// Seeds is asked for peers to start from whenever nobody is left in the
	// table: the place to connect to bootstrap addresses again.
	Seeds func(ctx context.Context) []wire.Peer
	// Server says whether we are reachable, hence store for others; default
	// always.
	Server func() bool
	// Remote returns where a peer in session really is, as the connection
	// shows it. A peer that is in the public internet stands in the table only
	// under a record that names that IP group. nil: records are believed.
	Remote func(identity.NodeID) (netip.AddrPort, bool)
	// AllowPrivate accepts loopback and private addresses from peers that are
	// at such an address themselves. Leave it off in the public internet.
	AllowPrivate bool

	K                 int           // 20
	Alpha             int           // 6
	SoftTimeout       time.Duration // 300 ms
	HardTimeout       time.Duration // 2 s
	RefreshInterval   time.Duration // 10 min; up to 8 times that while nothing changes
	RepublishInterval time.Duration // 4 h
	RecordTTL         time.Duration // 48 h
	Grace             time.Duration // 30 days: how long an expired name stays its owner's
	MaxValue          int           // bytes of a record; 1,000
	Limits            Limits

	Log *slog.Logger // default: discard
}

func (c Config) withDefaults() Config {
	if c.Store == nil {
		c.Store = &Memory{}
	}
	if c.ParsePeer == nil {
		c.ParsePeer = wire.ParsePeer
	}
	if c.Server == nil {
		c.Server = func() bool { return true }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.K = orDefault(c.K, 20)
	c.Alpha = orDefault(c.Alpha, 6)
	c.SoftTimeout = orDefault(c.SoftTimeout, 300*time.Millisecond)
	c.HardTimeout = orDefault(c.HardTimeout, 2*time.Second)
	c.RefreshInterval = orDefault(c.RefreshInterval, 10*time.Minute)
	c.RepublishInterval = orDefault(c.RepublishInterval, 4*time.Hour)
	c.RecordTTL = orDefault(c.RecordTTL, MaxTTL)
	c.Grace = orDefault(c.Grace, 30*24*time.Hour)
	c.MaxValue = orDefault(c.MaxValue, 1000)
	c.Limits = c.Limits.withDefaults()
	return c
}

func orDefault[T cmp.Ordered](v, def T) T {
	var zero T
	if v <= zero {
		return def
	}
	return v
}

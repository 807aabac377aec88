package engine

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"altnet/engine/control"
)

// Config says how a node runs. The zero value of a field means its default.
type Config struct {
	Data    string // folder of the store, the records and the trust files
	Keys    string // folder of the node key; default Data/keys
	Version string // of the program, for the agent string and Status

	Listen        []string // host:port for peers; empty: dials only
	Announce      []string // host:port under which peers reach this node, where it cannot learn that
	Bootstrap     []string // host:port (the key is pinned at first use) or nodeid@host:port
	Network       string   // name of the network; default "altnet"
	NetworkSecret []byte   // 32 bytes that every node of a closed network holds
	Public        bool     // in the public internet: private addresses are refused
	NoVolunteer   bool     // keep no other people's sites

	StoreBudget   int64 // bytes of chunks; default 10 GB
	PerPeerBudget int64 // bytes under lease for one owner; default a tenth of the budget in force

	Gateway     string   // host:port of the http gateway, several separated by commas; empty: closed
	GatewayTLS  string   // host:port of the https gateway, several separated by commas; empty: closed
	CADir       string   // folder of the root certificate and its key; default Data/ca
	DNS         string   // host:port of the DNS server; empty: closed
	TLD         string   // default "alt"
	DNSIP       string   // address that .alt names resolve to; default 127.0.0.1
	DNSUpstream []string // host:port; default the system's own
	DNSOnly     bool     // answer TLD alone and refuse the rest: nothing else is routed here

	AskFirst bool         // stay out of the network until Settings.Accepted is set
	Host     control.Host // the process that the node lives in; default control.HostCommand
	System   System       // nil: nothing is known of the machine

	Log *slog.Logger // default: discard

	// ListenFunc and DialFunc replace the operating system's network: the
	// tests run a whole network in memory and on virtual time.
	ListenFunc func(addr string) (net.Listener, error)
	DialFunc   func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
	// NoSync leaves out fsync. For tests on virtual time only.
	NoSync bool

	LeaseTime  time.Duration // of other people's sites kept here; default 48 h
	CheckEvery time.Duration // between looks at the copies of a site; default 6 h
	PublishFor time.Duration // how long Publish waits for a first copy; default 30 s
}

func (c Config) withDefaults() Config {
	if c.Keys == "" {
		c.Keys = filepath.Join(c.Data, "keys")
	}
	if c.CADir == "" {
		c.CADir = filepath.Join(c.Data, "ca")
	}
	if c.Network == "" {
		c.Network = "altnet"
	}
	if c.StoreBudget == 0 {
		c.StoreBudget = 10e9
	}
	if c.TLD == "" {
		c.TLD = "alt"
	}
	if c.DNSIP == "" {
		c.DNSIP = "127.0.0.1"
	}
	if c.LeaseTime == 0 {
		c.LeaseTime = 48 * time.Hour
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = 6 * time.Hour
	}
	if c.PublishFor == 0 {
		c.PublishFor = 30 * time.Second
	}
	if c.Host == "" {
		c.Host = control.HostCommand
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

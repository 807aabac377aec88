package peer

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"altnet/engine/secure"
	"altnet/engine/wire"
)

// Config says how a Host runs. The zero value of a field means its default.
type Config struct {
	Self          wire.Self
	NetworkID     [32]byte
	NetworkSecret []byte    // 32 bytes in a closed network, else nil
	Agent         string    // told to every peer, "altnet/1.2.3"
	Role          wire.Role // what the own record claims at first; see SetRole

	Listen     []net.Listener // closed by Close
	ListenPort uint16         // where peers reach us at the addresses they see us at; 0: nowhere
	Announce   []wire.Addr    // addresses to announce in place of observed ones
	Public     bool           // in the public internet: private addresses are neither dialled nor announced

	// Alarm is called when the traffic that SetAlarm named is reached; it must
	// not wait.
	Alarm func()

	// Dial opens a connection; default the operating system's.
	Dial func(context.Context, netip.AddrPort) (net.Conn, error)

	MaxSessions          int   // default 512; three quarters of them at most are inbound
	MaxSessionsPerGroup  int   // inbound, per IP group; default 16
	MaxStreamsPerSession int   // inbound, at once; default 128
	MaxHandlers          int   // requests being answered at once; default 1024
	MaxHandlersPerGroup  int   // the same per IP group; default a quarter of MaxHandlers
	RequestRate          int   // requests a second from one IP group, then they wait; default 2000
	MaxDials             int   // at once; default 64
	WindowMemory         int64 // bytes that peers may make us buffer; default 256 MiB

	IdleTimeout      time.Duration // a session without streams is closed; default 2 min
	StreamTimeout    time.Duration // a stream that makes no progress is reset; default 30 s
	DialTimeout      time.Duration // per address, without the handshake; default 5 s
	HandshakeTimeout time.Duration // default 5 s
	RecordLife       time.Duration // of the own record, at most 48 h; renewed at half; default 24 h

	Log *slog.Logger // default: discard
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxSessions, 512)
	setDefault(&c.MaxSessionsPerGroup, 16)
	setDefault(&c.MaxStreamsPerSession, 128)
	setDefault(&c.MaxHandlers, 1024)
	setDefault(&c.MaxHandlersPerGroup, max(1, c.MaxHandlers/4))
	setDefault(&c.RequestRate, 2000)
	setDefault(&c.MaxDials, 64)
	setDefault(&c.WindowMemory, 256<<20)
	setDefault(&c.IdleTimeout, 2*time.Minute)
	setDefault(&c.StreamTimeout, 30*time.Second)
	setDefault(&c.DialTimeout, 5*time.Second)
	setDefault(&c.HandshakeTimeout, 5*time.Second)
	setDefault(&c.RecordLife, 24*time.Hour)
	c.RecordLife = min(c.RecordLife, maxRecordLife)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func dialTCP(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}

// secure is what every handshake needs to know. The proof of the key in it is
// made once, which saves each handshake a signature.
func (c Config) secure() (secure.Config, error) {
	credentials, err := secure.NewCredentials(c.Self.Key, c.Self.Puzzle, c.NetworkID)
	return secure.Config{
		Key:              c.Self.Key,
		Puzzle:           c.Self.Puzzle,
		NetworkID:        c.NetworkID,
		NetworkSecret:    c.NetworkSecret,
		Credentials:      credentials,
		HandshakeTimeout: c.HandshakeTimeout,
		Log:              c.Log,
	}, err
}

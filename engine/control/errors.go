package control

import (
	"context"
	"errors"
	"net/http"
)

// The errors of Control. The engine returns errors that wrap these, a Client
// errors that wrap the same ones and read the same.
var (
	ErrInvalid      = errors.New("not valid")                              // a malformed argument, record or block
	ErrDenied       = errors.New("not permitted")                          // the caller is no operator
	ErrNotFound     = errors.New("not found")                              // no such site, version, peer or block of the caller's
	ErrMissing      = errors.New("blocks are missing")                     // of a site: nobody reachable has them
	ErrUnknown      = errors.New("nobody has published this name")         // Resolve
	ErrConflict     = errors.New("several owners claim this name")         // Resolve
	ErrOwnerChanged = errors.New("the name has another owner than before") // Resolve
	ErrWithdrawn    = errors.New("withdrawn by its owner")                 // Resolve
	ErrExpired      = errors.New("the record has expired")                 // Resolve
	ErrBlocked      = errors.New("blocked on this node")                   // blocklist or revocation
	ErrStale        = errors.New("a newer record is known")                // Publish, Withdraw
	ErrClock        = errors.New("this computer's clock seems wrong")      // Resolve
	ErrOffline      = errors.New("the node is offline")                    // what was asked needs the network
	ErrUnreachable  = errors.New("no peer could be reached")               // Connect, Ping, and a network of nobody
	ErrFull         = errors.New("the store is full")                      // budget or disk
	ErrClosed       = errors.New("the node is closing")                    //
	ErrImpostor     = errors.New("another program answers in its place")   // ProveGateway
	ErrNotRunning   = errors.New("no node is running")                     // Client alone: nobody listens
)

// crossing lists how each sentinel travels: a stable word and an HTTP status.
var crossing = []struct {
	err    error
	code   string
	status int
}{
	{ErrInvalid, "invalid", http.StatusBadRequest},
	{ErrDenied, "denied", http.StatusForbidden},
	{ErrNotFound, "not-found", http.StatusNotFound},
	{ErrMissing, "missing", http.StatusConflict},
	{ErrUnknown, "unknown", http.StatusNotFound},
	{ErrConflict, "conflict", http.StatusConflict},
	{ErrOwnerChanged, "owner-changed", http.StatusConflict},
	{ErrWithdrawn, "withdrawn", http.StatusGone},
	{ErrExpired, "expired", http.StatusGone},
	{ErrBlocked, "blocked", http.StatusForbidden},
	{ErrStale, "stale", http.StatusConflict},
	{ErrClock, "clock", http.StatusConflict},
	{ErrOffline, "offline", http.StatusServiceUnavailable},
	{ErrUnreachable, "unreachable", http.StatusBadGateway},
	{ErrFull, "full", http.StatusInsufficientStorage},
	{ErrClosed, "closed", http.StatusServiceUnavailable},
	{ErrImpostor, "impostor", http.StatusConflict},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout},
}

// Mark makes err one of the sentinels above without changing how it reads:
// errors.Is holds for the sentinel and for everything err wraps.
func Mark(sentinel, err error) error {
	if err == nil {
		return nil
	}
	return &marked{err: err, sentinel: sentinel}
}

type marked struct{ err, sentinel error }

func (m *marked) Error() string   { return m.err.Error() }
func (m *marked) Unwrap() []error { return []error{m.err, m.sentinel} }

// Code returns the stable word for an error that is one of the sentinels, as
// scripts see it; "internal" for any other.
func Code(err error) string {
	for _, c := range crossing {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return codeInternal
}

const codeInternal = "internal"

// Package ipc carries the control connection between processes of one
// computer: a unix socket, or a named pipe on Windows. The operating system
// tells who is at the other end.
//
// A socket is found through the data folder: it lies there as control.sock
// or, where that path is too long for a unix socket, in a folder for
// short-lived files that control.path in the data folder names.
package ipc

import (
	"context"
	"errors"
	"net"
)

// Caller is who holds the other end of a connection.
type Caller struct {
	User  string // numeric user ID, or SID on Windows
	Admin bool   // root, or a member of the administrators with elevated rights
	Same  bool   // runs as the same user as this process
}

// ErrInUse is returned by Listen when another process listens for the folder.
var ErrInUse = errors.New("another node listens on this data folder")

// ErrNobody is returned by Dial when no process listens for the folder.
var ErrNobody = errors.New("no node listens on this data folder")

// Listen opens the control socket of a data folder, which must exist. Every
// local user may connect as far as the folder's permissions let them; who
// they are is for the server to ask (Identify). Close removes what Listen
// made. It replaces the socket that a crash left behind.
func Listen(dir string) (net.Listener, error) { return listen(dir) }

// Dial connects to the node of a data folder.
func Dial(ctx context.Context, dir string) (net.Conn, error) { return dial(ctx, dir) }

// Identify returns who is at the other end of a connection that a listener of
// this package accepted. On Windows something must have been read from it.
func Identify(conn net.Conn) (Caller, error) { return identify(conn) }

// Me returns how a listener of this user would see this process.
func Me() (Caller, error) { return me() }

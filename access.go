package main

import (
	"net"

	"altnet/engine/control"
	"altnet/platform/ipc"
)

// identify tells a node's control socket who a process is that uses it.
func identify(a control.Access) func(net.Conn) (control.Caller, error) {
	return func(conn net.Conn) (control.Caller, error) {
		c, err := ipc.Identify(conn)
		if err != nil {
			return control.Caller{}, err
		}
		return a.Grant(c.User, c.Admin, c.Same), nil
	}
}

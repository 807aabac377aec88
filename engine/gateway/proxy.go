package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxTunnels bounds connections that have not yet said what they are.
	maxTunnels = 256
	// helloTimeout is how long a tunnel may be silent at first. Browsers open
	// some ahead of need.
	helloTimeout = 30 * time.Second
)

// connect opens a tunnel to a site, which ends here: in TLS with a certificate
// for the name, or in plain http, as the first byte says.
func (g *Gateway) connect(w http.ResponseWriter, r *request) {
	// What comes with a CONNECT is the tunnel's; one that says it has a body is
	// understood otherwise by whoever stands in between.
	if r.place.bad || r.port != "443" && r.port != "80" || r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
		g.fail(w, r, &Problem{Kind: kindProxy, Name: r.name})
		return
	}
	if r.port == "443" && (g.cfg.CA == nil || !g.cfg.Tunnels()) {
		g.fail(w, r, &Problem{Kind: kindNoHTTPS, Name: r.name})
		return
	}
	open, err := g.tunnelServer()
	if err != nil {
		g.fail(w, r, &Problem{Kind: Internal, Name: r.name, Err: err})
		return
	}
	if !open.admit() {
		g.fail(w, r, &Problem{Kind: kindBusy, Name: r.name})
		return
	}
	defer open.release()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		g.fail(w, r, &Problem{Kind: Internal, Name: r.name, Err: err})
		return
	}
	g.tunnel(open, &tunnelConn{Conn: conn, r: buffered.Reader})
}

// tunnel finds out what a tunnel carries and hands it to the server inside.
func (g *Gateway) tunnel(open *tunnels, conn *tunnelConn) {
	// A connection counts until Close knows it, so that it cannot outlive it.
	stop := context.AfterFunc(g.base, func() { conn.Close() })
	defer stop()
	err := conn.SetDeadline(time.Now().Add(helloTimeout))
	if err == nil {
		_, err = conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	}
	var first []byte
	if err == nil {
		first, err = conn.r.Peek(1)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	const handshake = 0x16 // first byte of TLS (RFC 8446 5.1)
	switch {
	case err != nil:
		conn.Close()
	case first[0] != handshake:
		open.give(conn)
	case g.cfg.CA == nil, !g.cfg.Tunnels():
		conn.Close()
	default:
		open.give(tls.Server(conn, g.cfg.CA.TLSConfig()))
	}
}

// tunnelServer starts the server behind the tunnels at the first of them.
func (g *Gateway) tunnelServer() (*tunnels, error) {
	g.mu.Lock()
	open := g.tunnels
	g.mu.Unlock()
	if open != nil {
		return open, nil
	}
	srv, err := g.newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.route(w, r, true) }))
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tunnels == nil {
		if g.closed {
			return nil, errClosed
		}
		g.tunnels = newTunnels()
		open := g.tunnels
		g.running.Go(func() { _ = srv.Serve(open) }) // ends with Close
	}
	return g.tunnels, nil
}

// tunnels is the listener of the server inside: what connect gives, it accepts.
type tunnels struct {
	conns chan net.Conn
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
}

func newTunnels() *tunnels {
	return &tunnels{conns: make(chan net.Conn), slots: make(chan struct{}, maxTunnels), done: make(chan struct{})}
}

func (t *tunnels) admit() bool {
	select {
	case t.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t *tunnels) release() { <-t.slots }

func (t *tunnels) give(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

// Addr implements net.Listener.
func (t *tunnels) Addr() net.Addr { return &net.UnixAddr{Name: "tunnel", Net: "unix"} }

// tunnelConn is a hijacked connection with what was read ahead of it.
type tunnelConn struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (c *tunnelConn) Read(p []byte) (int, error) { return c.r.Read(p) }

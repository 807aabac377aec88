package gateway

import (
	"io"
	"net"
	"time"
)

// A whole answer has no time limit, because a film may take an evening. What
// is limited is how long a browser may take nothing at all: each piece that is
// written gets StallAfter anew. A browser that only paused comes back and asks
// for the rest by Range.

// pieceSize is what one deadline covers. A reader so slow that it takes less
// than this in StallAfter is as good as gone.
const pieceSize = 64 << 10

// patientListener gives its connections a rolling write deadline.
type patientListener struct {
	net.Listener
	stall time.Duration
}

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c, stall: l.stall}, nil
}

type patientConn struct {
	net.Conn
	stall time.Duration
}

// Write implements net.Conn.
func (c *patientConn) Write(p []byte) (n int, err error) {
	for {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return n, err
		}
		k, err := c.Conn.Write(p[n:min(len(p), n+pieceSize)])
		if n += k; err != nil || n == len(p) {
			return n, err
		}
	}
}

// ReadFrom implements io.ReaderFrom, so that the kernel goes on copying blocks
// from where they lie.
func (c *patientConn) ReadFrom(src io.Reader) (total int64, err error) {
	kernel, ok := c.Conn.(io.ReaderFrom)
	limit, limited := src.(*io.LimitedReader)
	if !ok || !limited {
		return io.Copy(struct{ io.Writer }{c}, src)
	}
	for limit.N > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return total, err
		}
		piece := &io.LimitedReader{R: limit.R, N: min(limit.N, pieceSize)}
		want := piece.N
		n, err := kernel.ReadFrom(piece)
		total, limit.N = total+n, limit.N-n
		if err != nil || n < want {
			return total, err
		}
	}
	return total, nil
}

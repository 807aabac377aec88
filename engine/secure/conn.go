package secure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/flynn/noise"

	"altnet/engine/identity"
)

const (
	headSize      = 2                  // length of a record's ciphertext, big endian
	maxCiphertext = 1<<16 - 1          // Noise's largest message
	maxPlaintext  = maxCiphertext - 16 // what one record carries
	recordSize    = headSize + 1<<16   // room for one record
	readAhead     = 1 << 10            // held per connection; small records come in one read
	rekeyAfter    = uint64(1) << 20    // records per key and direction
)

// records lends buffers of recordSize, so that an idle connection holds none.
// It is a cache, not state.
var records = sync.Pool{New: func() any { return new([recordSize]byte) }}

// rawConn hides the unprotected connection from users of Conn.
type rawConn = net.Conn

// Conn is an encrypted connection to a peer whose identity is proved. One
// goroutine may read while another writes; Close and the deadlines may be
// used at any time. After a failed or timed out Write the connection is of no
// more use; a timed out Read can be repeated.
type Conn struct {
	rawConn
	remote remote
	in     reader
	out    writer
}

func newConn(c net.Conn, peer remote, out, in *noise.CipherState, unconfirmed bool) *Conn {
	return &Conn{
		rawConn: c,
		remote:  peer,
		in:      reader{r: c, cipher: rekeyed{state: in, every: rekeyAfter}, unconfirmed: unconfirmed},
		out:     writer{w: c, cipher: rekeyed{state: out, every: rekeyAfter}},
	}
}

// RemoteKey returns the node key the peer proved to hold.
func (c *Conn) RemoteKey() identity.PublicKey { return c.remote.key }

// RemoteID returns the NodeID of RemoteKey.
func (c *Conn) RemoteID() identity.NodeID { return c.remote.id }

// RemotePuzzle returns the nonce of the peer's work over its key.
func (c *Conn) RemotePuzzle() uint64 { return c.remote.puzzle }

// Read reads decrypted bytes.
func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write encrypts p into records and sends them.
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// rekeyed is a cipher that changes its key after every so many records.
type rekeyed struct {
	state *noise.CipherState
	every uint64
	done  uint64 // records under this key
}

func (k *rekeyed) seal(out, plaintext []byte) ([]byte, error) {
	out, err := k.state.Encrypt(out, nil, plaintext)
	if err == nil {
		k.count()
	}
	return out, err
}

func (k *rekeyed) open(out, ciphertext []byte) ([]byte, error) {
	out, err := k.state.Decrypt(out, nil, ciphertext)
	if err == nil {
		k.count()
	}
	return out, err
}

func (k *rekeyed) count() {
	if k.done++; k.done == k.every {
		k.state.Rekey()
		k.done = 0
	}
}

// writer makes records.
type writer struct {
	mu     sync.Mutex
	w      io.Writer
	cipher rekeyed
	err    error // sticky: part of a record may have left
}

func (w *writer) write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	buf := records.Get().(*[recordSize]byte)
	defer records.Put(buf)
	done := 0
	for done < len(p) && w.err == nil {
		part := p[done:min(done+maxPlaintext, len(p))]
		if w.err = w.record(buf[:headSize], part); w.err == nil {
			done += len(part)
		}
	}
	return done, w.err
}

// record sends one record, built behind head.
func (w *writer) record(head, plaintext []byte) error {
	frame, err := w.cipher.seal(head, plaintext)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	binary.BigEndian.PutUint16(frame, uint16(len(frame)-headSize))
	_, err = w.w.Write(frame)
	return err
}

// reader opens records. Its state survives a timeout at any byte.
type reader struct {
	mu          sync.Mutex
	r           io.Reader
	cipher      rekeyed
	err         error // sticky
	unconfirmed bool  // initiator before the first record

	ahead  [readAhead]byte   // bytes read from r
	lo, hi int               // unread part of ahead
	record *[recordSize]byte // a record that does not fit ahead, else nil
	have   int               // bytes of its ciphertext in record
	plain  []byte            // decrypted and unread, in ahead or record
}

func (r *reader) read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.plain) == 0 {
		n, err := r.next(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	if len(r.plain) == 0 {
		r.release()
	}
	return n, nil
}

// next opens the next record, into p where it fits and else into plain.
func (r *reader) next(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	ciphertext, err := r.receive()
	if err != nil {
		return 0, r.failed(err)
	}
	fits := len(ciphertext)-tagSize <= len(p)
	out := ciphertext[:0]
	if fits {
		out = p[:0]
	}
	plain, err := r.cipher.open(out, ciphertext)
	if err != nil {
		r.release()
		return 0, r.failed(fmt.Errorf("%w: %w", ErrRecord, err))
	}
	r.unconfirmed = false
	if fits {
		r.release()
		return len(plain), nil
	}
	r.plain = plain
	return 0, nil
}

// receive returns the ciphertext of the next record. It can be called again
// after a timeout.
func (r *reader) receive() ([]byte, error) {
	for r.hi-r.lo < headSize {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	n := int(binary.BigEndian.Uint16(r.ahead[r.lo:]))
	if n <= tagSize {
		return nil, fmt.Errorf("%w: record of %d bytes", ErrRecord, n)
	}
	if r.record == nil && headSize+n <= readAhead {
		return r.small(n)
	}
	return r.large(n)
}

// small returns a ciphertext that fits ahead.
func (r *reader) small(n int) ([]byte, error) {
	for r.hi-r.lo < headSize+n {
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	ciphertext := r.ahead[r.lo+headSize : r.lo+headSize+n]
	r.lo += headSize + n
	return ciphertext, nil
}

// large collects a ciphertext in a lent buffer. The head stays in ahead until
// the record is complete.
func (r *reader) large(n int) ([]byte, error) {
	if r.record == nil {
		r.record = records.Get().(*[recordSize]byte)
		r.have = copy(r.record[:n], r.ahead[r.lo+headSize:r.hi])
		r.hi = r.lo + headSize
	}
	for r.have < n {
		got, err := r.r.Read(r.record[r.have:n])
		r.have += got
		if err != nil && r.have < n {
			return nil, err
		}
	}
	r.lo, r.hi = 0, 0
	return r.record[:n], nil
}

// fill reads more into ahead.
func (r *reader) fill() error {
	if r.lo > 0 {
		r.hi = copy(r.ahead[:], r.ahead[r.lo:r.hi])
		r.lo = 0
	}
	n, err := r.r.Read(r.ahead[r.hi:])
	r.hi += n
	if n > 0 {
		return nil
	}
	return err
}

// release gives a lent buffer back.
func (r *reader) release() {
	if r.record != nil {
		records.Put(r.record)
		r.record, r.have = nil, 0
	}
}

// failed makes an error what Read returns from now on, unless it was only a
// deadline.
func (r *reader) failed(err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return err
	}
	switch {
	case err == io.EOF && r.unconfirmed:
		err = fmt.Errorf("%w: the peer closed before its first record, as with another network secret: %w", ErrHandshake, err)
	case err == io.EOF && (r.hi > r.lo || r.record != nil):
		err = io.ErrUnexpectedEOF
	}
	r.err = err
	return err
}

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// HeaderSize is the size of a frame's header: the type in two bytes, the
// length of the body in four, big endian.
const HeaderSize = 6

const (
	maxBlockHead = 5 // head of the byte string in a Block's body
	maxBlockBody = MaxBlock + maxBlockHead

	// firstRead bounds what is allocated on the word of a header alone;
	// more is taken as bytes arrive.
	firstRead = 64 << 10

	// joinBelow is the size up to which a block is copied behind its header
	// so that both leave in one write.
	joinBelow = 16 << 10
)

// ErrMissing is what ReadBlock returns where the holder sent Missing.
var ErrMissing = errors.New("the peer does not have the block")

// OtherError is what ReadBlock returns where neither a Block nor a Missing
// came: it carries the message that did.
type OtherError struct{ Message Message }

// Error names the message.
func (e *OtherError) Error() string {
	return fmt.Sprintf("%v instead of a block", e.Message.Type())
}

// Write writes m as one frame with one call of w.Write.
func Write(w io.Writer, m Message) error {
	if b, ok := m.(Block); ok {
		return WriteBlock(w, b.Data)
	}
	body, err := Encode(m)
	if err != nil {
		return err
	}
	frame := make([]byte, HeaderSize, HeaderSize+len(body))
	putHeader(frame, m.Type(), len(body))
	if _, err := w.Write(append(frame, body...)); err != nil {
		return fmt.Errorf("write %v: %w", m.Type(), err)
	}
	return nil
}

// Read reads one frame. It returns io.EOF only where the stream ended before
// the first byte of a frame, and ErrUnknownType after skipping the frame. Any
// other error of the codec leaves the stream unusable.
func Read(r io.Reader) (Message, error) {
	var header [HeaderSize]byte
	t, n, err := readHeader(r, header[:])
	if err != nil {
		return nil, err
	}
	return readMessage(r, t, n)
}

// WriteBlock writes the frame of a Block. Large data is handed to w as it is.
func WriteBlock(w io.Writer, data []byte) error {
	if len(data) > MaxBlock {
		return fmt.Errorf("write a block of %d bytes, at most %d: %w", len(data), MaxBlock, ErrTooLarge)
	}
	frame := make([]byte, HeaderSize, HeaderSize+maxBlockHead+joined(data))
	frame = appendHead(frame, majorBytes, uint64(len(data)))
	putHeader(frame, TypeBlock, len(frame)-HeaderSize+len(data))
	if joined(data) > 0 {
		frame, data = append(frame, data...), nil
	}
	if _, err := w.Write(frame); err != nil {
		return fmt.Errorf("write a block: %w", err)
	}
	if len(data) == 0 {
		return nil
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write a block: %w", err)
	}
	return nil
}

func joined(data []byte) int {
	if len(data) > joinBelow {
		return 0
	}
	return len(data)
}

// ReadBlock reads one frame that should be a Block and returns its data, in
// buf's memory where that is large enough. It returns ErrMissing for a
// Missing and *OtherError for any other message.
func ReadBlock(r io.Reader, buf []byte) ([]byte, error) {
	buf = buf[:cap(buf)]
	if len(buf) < HeaderSize+maxBlockHead {
		buf = make([]byte, HeaderSize+maxBlockHead)
	}
	t, n, err := readHeader(r, buf[:HeaderSize])
	if err != nil {
		return nil, err
	}
	if t == TypeBlock {
		return readBlockBody(r, n, buf)
	}
	m, err := readMessage(r, t, n)
	if err != nil {
		return nil, err
	}
	if _, ok := m.(Missing); ok {
		return nil, ErrMissing
	}
	return nil, &OtherError{Message: m}
}

// readBlockBody reads a byte string that takes n bytes with its head.
func readBlockBody(r io.Reader, n int, buf []byte) ([]byte, error) {
	head := buf[:blockHeadSize(n)]
	if len(head) > n {
		return nil, fmt.Errorf("read a block: empty body: %w", ErrMalformed)
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("read a block: %w", noEOF(err))
	}
	major, size, _, err := readHead(head)
	if err != nil || major != majorBytes || size != uint64(n-len(head)) {
		return nil, fmt.Errorf("read a block: body is not one byte string: %w", ErrMalformed)
	}
	data, err := readBody(r, int(size), buf)
	if err != nil {
		return nil, fmt.Errorf("read a block: %w", err)
	}
	return data, nil
}

// blockHeadSize returns the size of the head of a byte string that takes n
// bytes with it. Where no string does, the head read will not match.
func blockHeadSize(n int) int {
	switch {
	case n <= 24:
		return 1
	case n <= 2+0xff:
		return 2
	case n <= 3+0xffff:
		return 3
	default:
		return maxBlockHead
	}
}

func readMessage(r io.Reader, t Type, n int) (Message, error) {
	if _, known := kinds[t]; !known {
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return nil, fmt.Errorf("skip %v: %w", t, noEOF(err))
		}
		return nil, fmt.Errorf("%v: %w", t, ErrUnknownType)
	}
	body, err := readBody(r, n, nil)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", t, err)
	}
	return Decode(t, body)
}

// readHeader reads a header into buf and holds the length against the type's
// limit before anybody takes memory for the body.
func readHeader(r io.Reader, buf []byte) (Type, int, error) {
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			return 0, 0, io.EOF
		}
		return 0, 0, fmt.Errorf("read a frame: %w", err)
	}
	t := Type(binary.BigEndian.Uint16(buf))
	n := binary.BigEndian.Uint32(buf[2:])
	if most := MaxBody(t); uint64(n) > uint64(most) {
		return 0, 0, fmt.Errorf("%v of %d bytes, at most %d: %w", t, n, most, ErrTooLarge)
	}
	return t, int(n), nil
}

// readBody reads n bytes, into buf where it holds as many. Otherwise memory
// grows with what arrives, not with what was announced.
func readBody(r io.Reader, n int, buf []byte) ([]byte, error) {
	if len(buf) >= n {
		_, err := io.ReadFull(r, buf[:n])
		return buf[:n], noEOF(err)
	}
	buf = make([]byte, min(n, firstRead))
	for have := 0; ; {
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return nil, noEOF(err)
		}
		if have = len(buf); have == n {
			return buf, nil
		}
		buf = append(make([]byte, 0, min(n, 4*have)), buf...)
		buf = buf[:cap(buf)]
	}
}

func putHeader(frame []byte, t Type, n int) {
	binary.BigEndian.PutUint16(frame, uint16(t))
	binary.BigEndian.PutUint32(frame[2:], uint32(n))
}

// noEOF turns an end in the middle of a frame into io.ErrUnexpectedEOF.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

package site

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"altnet/engine/wire"
)

// Nodes use five kinds of CBOR item, so this file reads and writes just those:
// faster than reflection and strict by construction. A test holds it to
// wire.Marshal.
const (
	cborUint  = 0 << 5
	cborBytes = 2 << 5
	cborText  = 3 << 5
	cborArray = 4 << 5
	cborNull  = 0xf6
)

// appendHead appends the shortest head of a major type and its argument.
func appendHead(b []byte, major byte, v uint64) []byte {
	switch {
	case v < 24:
		return append(b, major|byte(v))
	case v < 1<<8:
		return append(b, major|24, byte(v))
	case v < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(v))
	case v < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), v)
}

// headSize is the length of a head with the argument v.
func headSize(v uint64) int {
	switch {
	case v < 24:
		return 1
	case v < 1<<8:
		return 2
	case v < 1<<16:
		return 3
	case v < 1<<32:
		return 5
	}
	return 9
}

// decoder reads items off the front of rest. After the first failure err is
// set and every read returns zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format+": %w", append(args, ErrCorrupt)...)
	}
	d.rest = nil
}

// take returns the next n bytes, which alias the input.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("node ends early")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// head reads a head of the major type and returns its argument. Longer forms
// than needed are refused.
func (d *decoder) head(major byte) uint64 {
	first := d.take(1)
	if d.err != nil {
		return 0
	}
	if first[0]&0xe0 != major {
		d.fail("CBOR item 0x%02x where major type %d belongs", first[0], major>>5)
		return 0
	}
	info := first[0] & 0x1f
	if info < 24 {
		return uint64(info)
	}
	if info > 27 {
		d.fail("CBOR item 0x%02x", first[0])
		return 0
	}
	width := uint64(1) << (info - 24)
	var v uint64
	for _, c := range d.take(width) {
		v = v<<8 | uint64(c)
	}
	if d.err == nil && uint64(headSize(v)) != 1+width {
		d.fail("%d is not in its shortest form", v)
	}
	return v
}

func (d *decoder) text(limit int) string {
	n := d.head(cborText)
	if d.err == nil && n > uint64(limit) {
		d.fail("text of %d bytes", n)
	}
	b := d.take(n)
	if d.err != nil {
		return ""
	}
	if !utf8.Valid(b) {
		d.fail("text is not UTF-8")
		return ""
	}
	return string(b)
}

func (d *decoder) hash() (h wire.Hash) {
	if n := d.head(cborBytes); d.err == nil && n != uint64(len(h)) {
		d.fail("hash of %d bytes", n)
	}
	copy(h[:], d.take(uint64(len(h))))
	return h
}

// null consumes a null, if one is next.
func (d *decoder) null() bool {
	if len(d.rest) == 0 || d.rest[0] != cborNull {
		return false
	}
	d.rest = d.rest[1:]
	return true
}

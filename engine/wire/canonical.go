package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// CBOR major types (RFC 8949 section 3.1) of the subset.
const (
	majorUint  = 0
	majorNeg   = 1
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorOther = 7
)

// Simple values of major type 7 in the subset.
const (
	simpleFalse = 20
	simpleTrue  = 21
	simpleNull  = 22
)

// checkItem checks one item at the start of data and returns what follows it.
// No array in it may have more than maxItems elements.
func checkItem(data []byte, depth, maxItems int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d: %w", maxDepth, ErrNotCanonical)
	}
	major, arg, rest, err := readHead(data)
	if err != nil {
		return nil, err
	}
	switch major {
	case majorArray:
		return checkArray(rest, arg, depth, maxItems)
	case majorMap:
		return checkMap(rest, arg, depth, maxItems)
	case majorUint, majorNeg, majorBytes, majorText:
		return checkPlain(major, rest, arg)
	default:
		return checkSimple(rest, arg)
	}
}

// checkPlain checks what may be a map key: an integer or a string.
func checkPlain(major byte, rest []byte, arg uint64) ([]byte, error) {
	switch major {
	case majorUint, majorNeg:
		return rest, nil
	case majorBytes:
		return skip(rest, arg)
	case majorText:
		return checkText(rest, arg)
	}
	return nil, fmt.Errorf("map key of major type %d: %w", major, ErrNotCanonical)
}

func checkText(data []byte, n uint64) ([]byte, error) {
	rest, err := skip(data, n)
	if err == nil && !utf8.Valid(data[:n]) {
		return nil, fmt.Errorf("text is not UTF-8: %w", ErrNotCanonical)
	}
	return rest, err
}

func checkArray(data []byte, n uint64, depth, maxItems int) ([]byte, error) {
	if n > uint64(maxItems) {
		return nil, fmt.Errorf("array of %d, at most %d here: %w", n, maxItems, ErrTooLarge)
	}
	var err error
	for range n {
		if data, err = checkItem(data, depth+1, maxItems); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func checkMap(data []byte, n uint64, depth, maxItems int) ([]byte, error) {
	if n > uint64(len(data))/2 {
		return nil, truncated()
	}
	var last []byte
	for i := range n {
		rest, err := checkKey(data)
		if err != nil {
			return nil, err
		}
		key := data[:len(data)-len(rest)]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return nil, fmt.Errorf("map keys do not ascend: %w", ErrNotCanonical)
		}
		last = key
		if data, err = checkItem(rest, depth+1, maxItems); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func checkKey(data []byte) ([]byte, error) {
	major, arg, rest, err := readHead(data)
	if err != nil {
		return nil, err
	}
	return checkPlain(major, rest, arg)
}

func checkSimple(rest []byte, arg uint64) ([]byte, error) {
	switch arg {
	case simpleFalse, simpleTrue, simpleNull:
		return rest, nil
	}
	return nil, fmt.Errorf("simple value or float %d: %w", arg, ErrNotCanonical)
}

// readHead reads the head of an item: its major type and argument, which must
// be in the shortest form (RFC 8949 section 4.2.1). Tags and everything of
// major type 7 that needs more than one byte are refused here.
func readHead(data []byte) (major byte, arg uint64, rest []byte, err error) {
	if len(data) == 0 {
		return 0, 0, nil, truncated()
	}
	major, low := data[0]>>5, data[0]&31
	if low < 24 {
		if major == 6 {
			return 0, 0, nil, fmt.Errorf("tag: %w", ErrNotCanonical)
		}
		return major, uint64(low), data[1:], nil
	}
	if low > 27 || major == majorOther || major == 6 {
		return 0, 0, nil, fmt.Errorf("initial byte %#x: %w", data[0], ErrNotCanonical)
	}
	n := 1 << (low - 24)
	if len(data) < 1+n {
		return 0, 0, nil, truncated()
	}
	arg = bigEndian(data[1 : 1+n])
	if arg < shortestFloor(n) {
		return 0, 0, nil, fmt.Errorf("%d in %d bytes is not the shortest form: %w", arg, n, ErrNotCanonical)
	}
	return major, arg, data[1+n:], nil
}

func bigEndian(b []byte) uint64 {
	var full [8]byte
	copy(full[8-len(b):], b)
	return binary.BigEndian.Uint64(full[:])
}

// shortestFloor is the least argument that needs n bytes after the head.
func shortestFloor(n int) uint64 {
	if n == 1 {
		return 24
	}
	return 1 << (n * 4)
}

func skip(data []byte, n uint64) ([]byte, error) {
	if n > uint64(len(data)) {
		return nil, truncated()
	}
	return data[n:], nil
}

func truncated() error { return fmt.Errorf("truncated: %w", ErrNotCanonical) }

// appendHead appends the shortest head of a major type and argument.
func appendHead(b []byte, major byte, arg uint64) []byte {
	m := major << 5
	switch {
	case arg < 24:
		return append(b, m|byte(arg))
	case arg <= 0xff:
		return append(b, m|24, byte(arg))
	case arg <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, m|25), uint16(arg))
	case arg <= 0xffff_ffff:
		return binary.BigEndian.AppendUint32(append(b, m|26), uint32(arg))
	default:
		return binary.BigEndian.AppendUint64(append(b, m|27), arg)
	}
}

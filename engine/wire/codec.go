package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Errors of the codec. Whatever else is wrong with a body is ErrNotCanonical
// or ErrMalformed.
var (
	// ErrTooLarge reports a message, a field or a list above its limit.
	ErrTooLarge = errors.New("above the protocol's limit")
	// ErrMalformed reports canonical CBOR that is not the message it is
	// said to be.
	ErrMalformed = errors.New("malformed message")
	// ErrUnknownType reports a message type of a later version or of a
	// reserved range. Its body has been skipped; the stream can go on.
	ErrUnknownType = errors.New("unknown message type")
)

// Extra keeps the fields of a message that a later version added and this one
// does not know, as they came, so that what parses encodes to the same bytes.
// It stands in every message.
type Extra struct {
	pairs string // encoded keys and values, ascending, above every known key
}

func (e *Extra) extra() *Extra { return e }

// extended is what every message and element with an embedded Extra is, by
// pointer.
type extended interface{ extra() *Extra }

// Encode returns the body of m: a CBOR map, or for Block a byte string.
func Encode(m Message) ([]byte, error) {
	if reflect.TypeOf(m).Kind() == reflect.Pointer {
		return nil, fmt.Errorf("encode %T: messages are values: %w", m, ErrMalformed)
	}
	m = cleanText(m)
	if err := checkLimits(m); err != nil {
		return nil, err
	}
	if b, ok := m.(Block); ok {
		return append(appendHead(nil, majorBytes, uint64(len(b.Data))), b.Data...), nil
	}
	body, err := encodeFields(m)
	if err != nil {
		return nil, fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	if most := MaxBody(m.Type()); len(body) > most {
		return nil, fmt.Errorf("encode %v: %d bytes, at most %d: %w", m.Type(), len(body), most, ErrTooLarge)
	}
	return body, nil
}

// Decode reads the body of a message of type t. The message holds copies;
// body can be reused.
func Decode(t Type, body []byte) (Message, error) {
	k, ok := kinds[t]
	if !ok {
		return nil, fmt.Errorf("%v: %w", t, ErrUnknownType)
	}
	if len(body) > k.body {
		return nil, fmt.Errorf("%v of %d bytes, at most %d: %w", t, len(body), k.body, ErrTooLarge)
	}
	m, err := k.decode(body, k.items)
	if err != nil {
		return nil, fmt.Errorf("decode %v: %w", t, err)
	}
	return m, nil
}

// decodeAs decodes a message of type T. Encoding it again must give the same
// bytes: that refuses at once missing and zero fields, wrong lengths and
// whatever else CBOR decoding is lenient about.
func decodeAs[T Message](body []byte, items int) (Message, error) {
	if err := checkCanonical(body, items); err != nil {
		return nil, err
	}
	var m T
	if err := decodeFields(body, &m); err != nil {
		return nil, err
	}
	if err := checkLimits(m); err != nil {
		return nil, err
	}
	again, err := encodeFields(m)
	if err != nil || !bytes.Equal(again, body) {
		return nil, fmt.Errorf("a field is missing, zero or of the wrong length: %w", ErrMalformed)
	}
	return m, nil
}

func decodeBlock(body []byte, _ int) (Message, error) {
	major, n, data, err := readHead(body)
	if err != nil {
		return nil, err
	}
	if major != majorBytes || n != uint64(len(data)) {
		return nil, fmt.Errorf("body is not one byte string: %w", ErrMalformed)
	}
	return Block{Data: bytes.Clone(data)}, nil
}

// decodeFields decodes a canonical map into the struct v points to; what it
// does not know goes to its Extra.
func decodeFields(body []byte, v any) error {
	if err := decMode.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if x, ok := v.(extended); ok {
		pairs := unknownPairs(body, knownFields(v))
		x.extra().pairs = string(pairs)
	}
	return nil
}

// encodeFields is the inverse: the known fields, then the unknown ones.
func encodeFields(v any) ([]byte, error) {
	body, err := encMode.Marshal(v)
	if err != nil {
		return nil, err
	}
	x, ok := pointerTo(v).(extended)
	if !ok || x.extra().pairs == "" {
		return body, nil
	}
	pairs := x.extra().pairs
	_, known, fields, err := readHead(body)
	if err != nil {
		return nil, err
	}
	full := appendHead(nil, majorMap, known+countPairs([]byte(pairs)))
	return append(append(full, fields...), pairs...), nil
}

// pointerTo returns a pointer to a copy of v, or v where it is a pointer.
func pointerTo(v any) any {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		return v
	}
	p := reflect.New(r.Type())
	p.Elem().Set(r)
	return p.Interface()
}

// knownFields returns how many fields the struct v points to has. They have
// the keys 1, 2, 3 and so on.
func knownFields(v any) uint64 {
	return uint64(reflect.TypeOf(v).Elem().NumField() - 1) // one is Extra
}

// unknownPairs returns the part of a canonical map that begins with the first
// key above known. Canonical order puts all of them at the end.
func unknownPairs(body []byte, known uint64) []byte {
	_, n, rest, _ := readHead(body)
	for range n {
		major, key, value, err := readHead(rest)
		if err != nil || major != majorUint || key > known {
			return rest
		}
		if rest, err = checkItem(value, 0, maxElements); err != nil {
			return nil
		}
	}
	return rest
}

// countPairs counts the pairs of a valid sequence.
func countPairs(pairs []byte) uint64 {
	var n uint64
	for len(pairs) > 0 {
		value, err := checkKey(pairs)
		if err != nil {
			return n
		}
		if pairs, err = checkItem(value, 0, maxElements); err != nil {
			return n
		}
		n++
	}
	return n
}

// plain types have the fields of an element without its methods, so that
// encoding them does not call itself.
type (
	plainRecord   StoredRecord
	plainProvider Provider
)

// MarshalCBOR encodes the record with the fields this version does not know.
func (r StoredRecord) MarshalCBOR() ([]byte, error) { return encodeFields((*plainRecord)(&r)) }

// UnmarshalCBOR decodes a record from canonical CBOR.
func (r *StoredRecord) UnmarshalCBOR(b []byte) error { return decodeFields(b, (*plainRecord)(r)) }

// MarshalCBOR encodes the provider with the fields this version does not know.
func (p Provider) MarshalCBOR() ([]byte, error) { return encodeFields((*plainProvider)(&p)) }

// UnmarshalCBOR decodes a provider from canonical CBOR.
func (p *Provider) UnmarshalCBOR(b []byte) error { return decodeFields(b, (*plainProvider)(p)) }

// cleanText cuts the texts for people to what the protocol allows: an error
// that says too much must still arrive.
func cleanText(m Message) Message {
	switch m := m.(type) {
	case Error:
		m.Text = cutText(m.Text, MaxText)
		return m
	case OfferReply:
		m.Reason = cutText(m.Reason, MaxText)
		return m
	}
	return m
}

func cutText(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

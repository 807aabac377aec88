package wire

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrNotCanonical reports bytes that are not deterministic CBOR (RFC 8949
// section 4.2.1) of the subset AltNet uses.
var ErrNotCanonical = errors.New("not canonical CBOR")

// maxDepth bounds nesting. The deepest message of the protocol needs five.
const maxDepth = 8

// maxElements bounds any array that has no tighter limit of its own.
const maxElements = 1 << 20

// encMode and decMode are immutable once built.
var (
	encMode = must(cbor.CoreDetEncOptions().EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   maxDepth,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       1 << 16,
		ExtraReturnErrors: cbor.ExtraDecErrorNone,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Marshal returns v in deterministic CBOR.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal checks that data is canonical and decodes it into v.
// Byte strings in v are copies; data can be reused.
func Unmarshal(data []byte, v any) error {
	if err := CheckCanonical(data); err != nil {
		return err
	}
	return decMode.Unmarshal(data, v)
}

// CheckCanonical reports whether data is exactly one item of the subset:
// unsigned and negative integers, byte strings, UTF-8 text, arrays, maps with
// strictly ascending encoded keys, false, true and null; shortest lengths;
// nothing indefinite, tagged or floating. It allocates nothing.
func CheckCanonical(data []byte) error {
	return checkCanonical(data, maxElements)
}

func checkCanonical(data []byte, maxItems int) error {
	rest, err := checkItem(data, 0, maxItems)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d bytes after the item: %w", len(rest), ErrNotCanonical)
	}
	return nil
}

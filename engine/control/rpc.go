package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"altnet/engine/wire"
)

// The protocol, version 1: POST /v1/METHOD on host "altnet". Most methods
// take one JSON object and answer {"result": …} or {"error": …}; where an
// error comes with a result (Resolve), both are there. Blocks travel as
// frames, hash lists and single blocks as plain bytes, events as one JSON
// object a line, an archive as tar with the error, if any, in the trailer.
const (
	host   = "altnet"
	prefix = "/v1/"

	maxRequest  = 1 << 20 // bytes of a JSON request
	maxResponse = 64 << 20
	maxAsked    = 1 << 16 // hashes in one HaveBlocks request

	trailerCode = "Altnet-Error-Code"
	trailerText = "Altnet-Error-Text"
)

type (
	nothing  struct{}
	nameIn   struct{ Name string }
	onlineIn struct{ Online bool }
	pinIn    struct {
		Name   string
		Pinned bool
	}
	versionIn struct {
		Name string
		Seq  uint64
	}
	untilIn struct{ Until time.Time }
	blockIn struct {
		Target  string
		Blocked bool
	}
)

// answer is the body of a JSON response and one line of the event stream.
type answer struct {
	Error  *failure        `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// failure is an error on its way across.
type failure struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	return &failure{Code: Code(err), Text: err.Error()}
}

// err makes the error again: it reads the same and is the same sentinel.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	text := errors.New(f.Text)
	for _, c := range crossing {
		if c.code == f.Code {
			return Mark(c.err, text)
		}
	}
	return text
}

// readFrame reads one block frame (32 bytes hash, 4 bytes length, data) into
// buf, which must hold wire.MaxBlock bytes. It returns io.EOF only between
// frames.
func readFrame(r io.Reader, buf []byte) (wire.Hash, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return wire.Hash{}, nil, err
	}
	n := int(uint32(head[32])<<24 | uint32(head[33])<<16 | uint32(head[34])<<8 | uint32(head[35]))
	if n > wire.MaxBlock {
		return wire.Hash{}, nil, fmt.Errorf("a block of %d bytes: %w", n, ErrInvalid)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return wire.Hash{}, nil, noEOF(err)
	}
	return wire.Hash(head[:32]), buf[:n], nil
}

const frameHead = 36

func frameHeader(h wire.Hash, n int) [frameHead]byte {
	var head [frameHead]byte
	copy(head[:], h[:])
	head[32], head[33], head[34], head[35] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return head
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

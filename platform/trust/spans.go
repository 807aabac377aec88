package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// span is a JSON value and where it stands in a text, so that the text can be
// changed at one place and stays as somebody wrote it everywhere else.
type span struct {
	start, end int
	kind       byte // '{', '[', '"' or 0
	text       string
	members    []member
	items      []span
}

type member struct {
	key   string
	start int // of the key
	value span
}

// member finds a key; the last one counts, as for those who read the file.
func (s span) member(key string) (member, bool) {
	for i := len(s.members) - 1; i >= 0; i-- {
		if s.members[i].key == key {
			return s.members[i], true
		}
	}
	return member{}, false
}

// without cuts one member or item with its comma.
func (s span) without(now []byte, i int) []byte {
	var bounds [][2]int
	for _, m := range s.members {
		bounds = append(bounds, [2]int{m.start, m.value.end})
	}
	for _, item := range s.items {
		bounds = append(bounds, [2]int{item.start, item.end})
	}
	from, to := s.start+1, bounds[i][1]
	switch {
	case len(bounds) == 1: // with the white space around it
		to = s.end - 1
	case i > 0:
		from = bounds[i-1][1]
	default: // up to its comma: what stands between that and the next stays
		to += bytes.IndexByte(now[to:], ',') + 1
	}
	return append(bytes.Clone(now[:from]), now[to:]...)
}

// maxDepth bounds nesting: a policies file is a few levels deep.
const maxDepth = 64

// parseSpans reads one JSON object.
func parseSpans(text []byte) (span, error) {
	p := &spanParser{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	s, err := p.value(0)
	if err != nil {
		return span{}, fmt.Errorf("read policies.json: %w", err)
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) || s.kind != '{' {
		return span{}, fmt.Errorf("read policies.json: %w", errNoObject)
	}
	return s, nil
}

type spanParser struct {
	text []byte
	dec  *json.Decoder
}

func (p *spanParser) value(depth int) (span, error) {
	start := p.next()
	token, err := p.dec.Token()
	if err != nil {
		return span{}, err
	}
	s := span{start: start, end: int(p.dec.InputOffset())}
	switch v := token.(type) {
	case string:
		s.kind, s.text = '"', v
	case json.Delim:
		if depth >= maxDepth {
			return span{}, errNoObject
		}
		s.kind = byte(v)
		return p.inside(s, depth)
	}
	return s, nil
}

func (p *spanParser) inside(s span, depth int) (span, error) {
	for p.dec.More() {
		if s.kind == '[' {
			item, err := p.value(depth + 1)
			if err != nil {
				return span{}, err
			}
			s.items = append(s.items, item)
			continue
		}
		key, err := p.value(depth + 1)
		if err != nil {
			return span{}, err
		}
		value, err := p.value(depth + 1)
		if err != nil {
			return span{}, err
		}
		s.members = append(s.members, member{key: key.text, start: key.start, value: value})
	}
	_, err := p.dec.Token() // the closing one
	s.end = int(p.dec.InputOffset())
	return s, err
}

// next returns where the next token begins.
func (p *spanParser) next() int {
	i := int(p.dec.InputOffset())
	for i < len(p.text) && bytes.IndexByte([]byte(" \t\r\n,:"), p.text[i]) >= 0 {
		i++
	}
	return i
}

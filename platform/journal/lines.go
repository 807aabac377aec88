package journal

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Lines is a Surgeon for files of lines: it removes the lines that its part
// lists (see LinesPart) and leaves all others as they are.
func Lines(now []byte, part json.RawMessage) ([]byte, error) {
	var ours []string
	if err := json.Unmarshal(part, &ours); err != nil {
		return nil, err
	}
	var rest []byte
	for line := range bytes.Lines(now) {
		if !slices.Contains(ours, strings.TrimSpace(string(line))) {
			rest = append(rest, line...)
		}
	}
	return rest, nil
}

// LinesPart is the part of Lines for a text of ours; empty lines are nobody's.
func LinesPart(text string) json.RawMessage {
	var ours []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			ours = append(ours, line)
		}
	}
	part, err := json.Marshal(ours)
	if err != nil {
		return nil // strings always marshal
	}
	return part
}

package service

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// ReadOperators returns who besides administrators may operate the node: one
// user ID (on Windows a SID) per line, # begins a remark. A missing file is an
// empty list.
func ReadOperators(file string) ([]string, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the operators: %w", err)
	}
	return parseOperators(data), nil
}

func parseOperators(data []byte) []string {
	var list []string
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	return list
}

// addOperator notes somebody who is not in the file yet.
func addOperator(file, operator string) error {
	if operator == "" {
		return nil
	}
	known, err := ReadOperators(file)
	if err != nil || slices.Contains(known, operator) {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, operator)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("note the operator: %w", err)
	}
	return nil
}

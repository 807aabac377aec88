//go:build ignore

// Print reads assets/licences/libraries.json and writes it as one text, for those
// who have no window to read it in: go run packaging/licences/print.go <JSON >TEXT
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := write(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, r io.Reader) error {
	var libraries []struct{ Path, Licence, Text string }
	if err := json.NewDecoder(r).Decode(&libraries); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "AltNet is free software under the GNU General Public License, version 3.\nThese libraries are part of it:")
	for _, l := range libraries {
		fmt.Fprintf(out, "\n%s\n%s (%s)\n\n%s\n", strings.Repeat("=", 78), l.Path, l.Licence, strings.TrimSpace(l.Text))
	}
	return out.Flush()
}

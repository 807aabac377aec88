// Print writes the libraries that are compiled into AltNet, each with its
// licence, as one text: the window shows them, and a node without a window has
// them beside it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"altnet/assets"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func write() error {
	libraries, err := assets.Libraries()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, "AltNet is free software under the GNU General Public License, version 3.\nThese libraries are part of it:")
	for _, l := range libraries {
		fmt.Fprintf(out, "\n%s\n%s (%s)\n\n%s\n", strings.Repeat("=", 78), l.Path, l.Licence, strings.TrimSpace(l.Text))
	}
	return out.Flush()
}

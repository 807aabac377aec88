package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"altnet/engine/control"
)

// terminal is where a command reads and writes.
type terminal struct {
	signals  *signals
	in       *os.File
	out, err io.Writer
	inTTY    bool // a person types
	outTTY   bool // a person reads results
	errTTY   bool // a person sees a progress bar
}

func stdTerminal(s *signals) *terminal {
	return &terminal{
		signals: s, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		inTTY: term.IsTerminal(int(os.Stdin.Fd())), outTTY: term.IsTerminal(int(os.Stdout.Fd())), errTTY: term.IsTerminal(int(os.Stderr.Fd())),
	}
}

// secret asks for a passphrase without showing it. From a pipe it reads a line.
func (t *terminal) secret(question string) (string, error) {
	if !t.inTTY {
		line, err := bufio.NewReader(io.LimitReader(t.in, 64<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the passphrase: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	fmt.Fprint(t.err, question+": ")
	defer fmt.Fprintln(t.err)
	secret, err := term.ReadPassword(int(t.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	return string(secret), nil
}

// jsonError prints an error for scripts.
func (t *terminal) jsonError(o *options, code string, err error) {
	if o != nil && o.json {
		writeJSON(t.out, map[string]any{"error": map[string]string{"code": code, "text": err.Error()}})
	}
}

func codeOf(err error) string {
	if errors.Is(err, control.ErrNotRunning) {
		return "not-running"
	}
	return control.Code(err)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table prints rows in columns.
func table(w io.Writer, head string, rows func(row func(cells ...any))) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer tab.Flush()
	fmt.Fprintln(tab, head)
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tab, "\t")
			}
			fmt.Fprint(tab, c)
		}
		fmt.Fprintln(tab)
	})
}

// claiming is the one stage that counts attempts instead of bytes.
const claiming = "claiming the name"

// bar returns a function that shows how far something has come, and one that
// ends the display. Where nobody watches, both do nothing.
func (t *terminal) bar(o *options) (step func(stage string, done, total int64), end func()) {
	if !t.errTTY || o.json {
		return func(string, int64, int64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	var shown string
	step = func(stage string, done, total int64) {
		if total <= 0 {
			total = -1
		}
		if bar == nil || shown != stage {
			if bar != nil {
				bar.Finish()
			}
			shown = stage
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(t.err), progressbar.OptionSetDescription(stage),
				progressbar.OptionShowBytes(stage != claiming), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		}
		if bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		bar.Set64(done)
	}
	return step, func() {
		if bar != nil {
			bar.Finish()
		}
	}
}

// count is "1 peer", "2 peers".
func count(n int, what string) string { return english.Plural(n, what, "") }

func bytesText(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// short is the beginning of a hash or NodeID: enough to tell them apart.
func short(s string) string { return s[:min(len(s), 12)] }

// printable keeps what came from the network from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if steering(r) || r == '\n' || r == '\t' {
			return '?'
		}
		return r
	}, s)
}

// steering reports control characters and those that turn the direction of
// writing.
func steering(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressLine(t *testing.T) {
	for want, got := range map[string]string{
		"reading    0% [                        ] 0 B of 4.0 kB":                       progressLine("reading", 0, 4000, 0, 0),
		"reading   50% [============            ] 2.0 kB of 4.0 kB, 1.0 kB/s, 2s left": progressLine("reading", 2000, 4000, 2000, 2*time.Second),
		"reading   75% [==================      ] 3.0 kB of 4.0 kB, 500 B/s, 2s left":  progressLine("reading", 3000, 4000, 1000, 2*time.Second),
		"reading  100% [========================] 4.0 kB of 4.0 kB, 2.0 kB/s":          progressLine("reading", 4000, 4000, 4000, 2*time.Second),
		"reading  100% [========================] 5.0 kB of 4.0 kB":                    progressLine("reading", 5000, 4000, 0, 2*time.Second),
		"reading  2.0 kB, 1.0 kB/s":                                                    progressLine("reading", 2000, 0, 2000, 2*time.Second),
		claiming + "  1,234,567, 10,000/s":                                             progressLine(claiming, 1234567, -1, 20000, 2*time.Second),
	} {
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// onScreen is what a terminal of one line shows of what was written to it.
func onScreen(written string) string {
	var line []rune
	at := 0
	for _, r := range written {
		if r == '\r' {
			at = 0
			continue
		}
		if at == len(line) {
			line = append(line, r)
		} else {
			line[at] = r
		}
		at++
	}
	return strings.TrimRight(string(line), " ")
}

func TestProgressIsDrawnAndWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		term := &terminal{err: &out, errTTY: true}
		step, end := term.bar(&options{})
		step("reading", 0, 1000)
		step("reading", 500, 1000) // too soon
		if got := onScreen(out.String()); !strings.HasPrefix(got, "reading    0%") {
			t.Errorf("at first %q", got)
		}
		time.Sleep(2 * time.Second)
		step("reading", 1000, 1000)
		if got := onScreen(out.String()); !strings.HasPrefix(got, "reading  100%") || !strings.HasSuffix(got, "500 B/s") {
			t.Errorf("later %q", got)
		}
		step("sent", 1, 0) // another stage shows at once
		if got := onScreen(out.String()); got != "sent  1 B" {
			t.Errorf("then %q", got)
		}
		time.Sleep(time.Second)
		step("sent", 1<<62, 1<<62)
		step(strings.Repeat("ü", 200), 1, 2)
		if got := onScreen(out.String()); got != strings.Repeat("ü", lineWidth) {
			t.Errorf("too long %q", got)
		}
		end()
		end()
		if got := onScreen(out.String()); got != "" || !strings.HasSuffix(out.String(), "\r") {
			t.Errorf("%q is left", got)
		}
	})
}

func TestNobodyWatchesProgress(t *testing.T) {
	var out strings.Builder
	for _, term := range []*terminal{{err: &out}, {err: &out, errTTY: true}} {
		step, end := term.bar(&options{json: true})
		step("reading", 1, 2)
		end()
	}
	if out.Len() > 0 {
		t.Errorf("%q was drawn", out.String())
	}
}

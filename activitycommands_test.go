package main

import (
	"strings"
	"testing"
	"time"

	"altnet/engine/control"
)

func TestPrintActivity(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 5, day, 12, 0, 0, 0, time.Local) }
	var b strings.Builder
	printActivity(&b, control.Activity{
		Visits: []control.DayCount{{Day: "2026-05-01", Pages: 4, Bytes: 2048}, {Day: "2026-05-03", Pages: 0, Bytes: 1}},
		Copies: []control.Sample{{Time: at(1), Copies: 0}, {Time: at(2), Copies: 3}, {Time: at(3), Copies: 3}},
	})
	out := b.String()
	for _, want := range []string{"2026-05-01", "2.0 kB", strings.Repeat("#", 24), "COPIES ELSEWHERE"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if n := strings.Count(out, "  3\n"); n != 1 {
		t.Errorf("a number of copies that did not change stands there %d times:\n%s", n, out)
	}
	b.Reset()
	printActivity(&b, control.Activity{})
	if !strings.Contains(b.String(), "No visits") {
		t.Error(b.String())
	}
}

func TestBothNames(t *testing.T) {
	for name, want := range map[string]string{
		"pg.alt": "pg.alt", "xn--bcher-kva.alt": "bücher.alt (xn--bcher-kva.alt)", "xn--80ak6aa92e.alt": "xn--80ak6aa92e.alt", "": "",
	} {
		if got := bothNames(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

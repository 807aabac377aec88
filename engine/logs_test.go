package engine

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"altnet/engine/control"
)

// What is kept and handed on holds nothing of people.
func TestLogbookHides(t *testing.T) {
	const data = "/home/anna/.local/share/altnet"
	key := "kp7qcbmkxq3y2z6uq4jz7r2vd5ohm3n2xw4l5tbgaesfi7hcyw2a"
	var out bytes.Buffer
	book := newLogbook(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), "alt", data)
	log := slog.New(book)
	log.Info("fetched diary.alt/secret?x=1 from 203.0.113.7:9000", "took", 3*time.Second, "blocks", 17)
	log.Warn("look up", "name", "diary", "err", fmt.Errorf("look up diary: %w", errors.New("no peer, dialled [2001:db8::7]:9000 and 2001:db8::9")))
	log.With("peer", "c0ffee00", "remote", "203.0.113.7:9000").Info("session", "streams", 3)
	log.WithGroup("g").Error("open "+data+"/index.db", "root", strings.Repeat("ab", 32), "reason", "of "+strings.Repeat("cd", 32)+" and "+key, "path", "/private/page")
	log.Info("at 12:30:45 version 1.2.3 was here")
	log.Debug("not kept")
	kept := ""
	lines := book.ring.all()
	for _, l := range lines {
		kept += l.Level + " " + l.Text + "\n"
	}
	for _, secret := range []string{"diary", "secret", "203.0.113", "2001:db8", "c0ffee", "anna", "abab", "cdcd", key, "private", "not kept"} {
		if strings.Contains(kept, secret) {
			t.Errorf("%q is kept:\n%s", secret, kept)
		}
	}
	for _, want := range []string{"took=3s", "blocks=17", "no peer", "streams=3", "12:30:45", "1.2.3", "[data]/index.db", "ERROR open"} {
		if !strings.Contains(kept, want) {
			t.Errorf("%q is missing:\n%s", want, kept)
		}
	}
	if s := out.String(); !strings.Contains(s, "203.0.113.7") || !strings.Contains(s, "not kept") || !strings.Contains(s, "peer=c0ffee00") {
		t.Errorf("the operator's own log lacks something:\n%s", s)
	}

	out.Reset()
	readers := book.private()
	readers.Error("site not shown", "name", "diary.alt", "path", "/page")
	readers.With("name", "diary.alt").Debug("look up a name", "err", errors.New("diary: nobody"))
	if s := out.String(); strings.Contains(s, "diary") || strings.Contains(s, "/page") || strings.Count(s, "\n") != 2 {
		t.Errorf("the operator's log tells what was read:\n%s", s)
	}
}

func TestLogbookForgetsTheOldest(t *testing.T) {
	book := newLogbook(slog.DiscardHandler, "alt", "")
	log := slog.New(book)
	for i := range control.MaxLogs + 10 {
		log.Info("line", "n", i)
	}
	lines := book.ring.all()
	if len(lines) != control.MaxLogs || lines[0].Text != "line n=10" || lines[len(lines)-1].Text != fmt.Sprintf("line n=%d", control.MaxLogs+9) {
		t.Errorf("%d lines from %q to %q", len(lines), lines[0].Text, lines[len(lines)-1].Text)
	}
}

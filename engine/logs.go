package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"altnet/engine/control"
)

// logbook is a slog.Handler that keeps the newest lines for Logs and hands all
// of them on. What it keeps, people send along with a bug report: values are
// kept where they are known to be harmless, and no others.
type logbook struct {
	next slog.Handler
	ring *ring
	mask masker
	// secret lines are masked for next, too: they tell what was read here.
	secret bool
	attrs  []slog.Attr // of With, with their groups
	group  string      // of WithGroup, ending in a dot
}

// ring is the newest lines.
type ring struct {
	mu    sync.Mutex
	lines []control.LogLine // from next on the oldest, once it is full
	next  int
}

func (r *ring) add(l control.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < control.MaxLogs {
		r.lines = append(r.lines, l)
		return
	}
	r.lines[r.next] = l
	r.next = (r.next + 1) % len(r.lines)
}

// all returns the lines, oldest first.
func (r *ring) all() []control.LogLine {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(slices.Clone(r.lines[r.next:]), r.lines[:r.next]...)
}

func newLogbook(next slog.Handler, tld, data string) *logbook {
	return &logbook{next: next, ring: &ring{}, mask: newMasker(tld, data)}
}

// private returns a logger for what knows who reads what: nothing of that
// reaches any log.
func (l *logbook) private() *slog.Logger {
	p := *l
	p.secret = true
	return slog.New(&p)
}

// Logs implements control.Control.
func (e *Engine) Logs(context.Context) ([]control.LogLine, error) { return e.book.ring.all(), nil }

// Enabled implements slog.Handler.
func (l *logbook) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *logbook) Handle(ctx context.Context, r slog.Record) error {
	masked := l.masked(r)
	if r.Level >= slog.LevelInfo {
		l.ring.add(control.LogLine{Time: r.Time, Level: r.Level.String(), Text: lineOf(masked)})
	}
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	if l.secret {
		return l.next.Handle(ctx, masked)
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(l.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(l.named(a))
		return true
	})
	return l.next.Handle(ctx, out)
}

// masked returns a record without what must not be kept.
func (l *logbook) masked(r slog.Record) slog.Record {
	attrs := slices.Clone(l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, l.named(a))
		return true
	})
	var hidden []string
	for i, a := range attrs {
		a.Value = a.Value.Resolve()
		if !harmless(a) {
			if s := a.Value.String(); s != "" {
				hidden = append(hidden, s)
			}
			attrs[i] = slog.String(a.Key, "…")
		}
	}
	hide := hiding(hidden, l.mask.ending)
	clean := func(text string) string {
		if hide != nil {
			text = hide.ReplaceAllString(text, "…")
		}
		return l.mask.text(text)
	}
	out := slog.NewRecord(r.Time, r.Level, clean(r.Message), r.PC)
	for _, a := range attrs {
		if k := a.Value.Kind(); k == slog.KindString || k == slog.KindAny {
			a = slog.String(a.Key, clean(a.Value.String()))
		}
		out.AddAttrs(a)
	}
	return out
}

// hiding finds the values of a line where they stand in its texts, names
// without their ending, too; nil: there are none.
func hiding(values []string, ending string) *regexp.Regexp {
	if len(values) == 0 {
		return nil
	}
	var parts []string
	for _, v := range values {
		parts = append(parts, regexp.QuoteMeta(v))
		if bare := strings.TrimSuffix(v, ending); bare != v && bare != "" {
			parts = append(parts, `\b`+regexp.QuoteMeta(bare)+`\b`)
		}
	}
	return regexp.MustCompile(strings.Join(parts, "|"))
}

// named gives an attribute the name of its group.
func (l *logbook) named(a slog.Attr) slog.Attr {
	a.Key = l.group + a.Key
	return a
}

// WithAttrs implements slog.Handler.
func (l *logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *l
	out.attrs = slices.Clone(l.attrs)
	for _, a := range attrs {
		out.attrs = append(out.attrs, l.named(a))
	}
	return &out
}

// WithGroup implements slog.Handler.
func (l *logbook) WithGroup(name string) slog.Handler {
	out := *l
	out.group += name + "."
	return &out
}

// harmless reports whether an attribute's value may be kept: numbers and times
// tell nothing of people, of texts only these do, once masked.
func harmless(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny:
	case slog.KindGroup:
		return false
	default:
		return true
	}
	switch a.Key[strings.LastIndex(a.Key, ".")+1:] {
	case "err", "reason", "kind", "cause", "panic", "type", "standing", "wait", "rest", "wanted", "version":
		return true
	}
	return false
}

func lineOf(r slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	return strings.ReplaceAll(strings.ReplaceAll(b.String(), "\r", " "), "\n", " ")
}

// masker takes names, addresses, keys and hashes out of a text.
type masker struct {
	names, hashes, words *regexp.Regexp
	ending               string // of a name, ".alt"
	data                 string // folder, below somebody's home
}

func newMasker(tld, data string) masker {
	return masker{
		data:   data,
		ending: "." + tld,
		names:  regexp.MustCompile(`(?i)[\pL\pN_*-]+(\.[\pL\pN_*-]+)*\.` + regexp.QuoteMeta(tld) + `\b(/[^\s"']*)?`),
		hashes: regexp.MustCompile(`(?i)\b([0-9a-f]{16,}|[a-z2-7]{40,})\b`),
		words:  regexp.MustCompile(`[0-9A-Fa-f.:\[\]%/]*[.:][0-9A-Fa-f.:\[\]%/]*[0-9A-Za-z]`),
	}
}

func (m masker) text(s string) string {
	if m.data != "" {
		s = strings.ReplaceAll(s, m.data, "[data]")
	}
	s = m.names.ReplaceAllString(s, "[name]")
	s = m.hashes.ReplaceAllString(s, "[hash]")
	return m.words.ReplaceAllStringFunc(s, func(w string) string {
		if isAddress(strings.Trim(w, "/")) {
			return "[address]"
		}
		return w
	})
}

func isAddress(w string) bool {
	if _, err := netip.ParseAddrPort(w); err == nil {
		return true
	}
	if _, err := netip.ParsePrefix(w); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(w, "[].:"))
	return err == nil
}

package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// claiming is the one stage that counts attempts instead of bytes.
const claiming = "claiming the name"

const (
	drawEvery = 100 * time.Millisecond
	barWidth  = 24
	lineWidth = 79 // of the narrowest terminal that people use, less the cursor
)

// bar returns a function that shows how far something has come, and one that
// ends the display. Where nobody watches, both do nothing.
func (t *terminal) bar(o *options) (step func(stage string, done, total int64), end func()) {
	if !t.errTTY || o.json {
		return func(string, int64, int64) {}, func() {}
	}
	p := &progress{w: t.err}
	return p.step, p.end
}

// progress is one line of a terminal, drawn again and again and wiped at its
// end.
type progress struct {
	w io.Writer

	mu           sync.Mutex
	stage        string
	begun, drawn time.Time
	from         int64 // what was done when the stage began
	width        int   // of what stands there
}

func (p *progress) step(stage string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.stage != stage || p.begun.IsZero() {
		p.stage, p.begun, p.from = stage, now, done
	} else if now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn = now
	p.draw(progressLine(stage, done, total, done-p.from, now.Sub(p.begun)))
}

// draw replaces the line. It needs nothing of the terminal but that it can go
// back to the line's beginning.
func (p *progress) draw(line string) {
	if utf8.RuneCountInString(line) > lineWidth {
		line = string([]rune(line)[:lineWidth])
	}
	width := utf8.RuneCountInString(line)
	fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", max(p.width-width, 0)))
	p.width = width
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.width > 0 {
		p.draw("")
		fmt.Fprint(p.w, "\r")
	}
}

// progressLine says how much is done, of how much where that is known, how fast
// (lately is what was done in the time that it took) and what is left.
func progressLine(stage string, done, total, lately int64, took time.Duration) string {
	amount := bytesText
	if stage == claiming {
		amount = func(n int64) string { return humanize.Comma(n) }
	}
	line := stage + "  "
	if total > 0 {
		part := min(max(float64(done)/float64(total), 0), 1)
		full := int(part * barWidth)
		line += fmt.Sprintf("%3.0f%% [%s%s] %s of %s", part*100, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), amount(done), amount(total))
	} else {
		line += amount(done)
	}
	if took < time.Second || lately <= 0 {
		return line
	}
	rate := float64(lately) / took.Seconds()
	line += fmt.Sprintf(", %s/s", amount(int64(rate)))
	if left := total - done; left > 0 {
		line += fmt.Sprintf(", %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return line
}

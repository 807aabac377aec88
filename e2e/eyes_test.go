//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var shots = flag.String("shots", "", "folder for pictures of the display")

// seen is a word on the display and where it stands, in pixels.
type seen struct {
	word string
	line string // words of a line have the same
	x, y int    // of its middle
}

// look reads the display as a person does. It skips the test where there is
// nothing to read with.
func (d *desk) look() (words []seen) {
	d.t.Helper()
	for _, tool := range []string{"import", "tesseract"} {
		if _, err := exec.LookPath(tool); err != nil {
			d.t.Skipf("%s is not installed", tool)
		}
	}
	picture, err := d.program(d.t.Context(), "import", "-window", "root", "-depth", "8", "ppm:-").Output()
	check(d.t, err)
	shot, err := screenshot(picture)
	check(d.t, err)
	reader := d.program(d.t.Context(), "tesseract", "stdin", "-", "--psm", "11", "tsv")
	reader.Env = append(reader.Env, "OMP_THREAD_LIMIT=1") // several wait for each other
	reader.Stdin = bytes.NewReader(doubled(legible(shot)))
	table, err := reader.Output()
	check(d.t, err)
	for row := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimRight(row, "\n"), "\t")
		if len(f) != 12 || strings.TrimSpace(f[11]) == "" || f[0] == "level" {
			continue
		}
		var box [4]int
		for i := range box {
			box[i], _ = strconv.Atoi(f[6+i])
		}
		words = append(words, seen{f[11], strings.Join(f[2:5], "."), (box[0] + box[2]/2) / 2, (box[1] + box[3]/2) / 2})
	}
	return words
}

// read returns the text that a person reads on the display, line by line.
func (d *desk) read() string {
	d.t.Helper()
	return text(d.look())
}

func text(words []seen) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case w.line != words[i-1].line:
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(w.word)
	}
	return b.String()
}

// plainly is a text without what a reader of pictures mistakes.
func plainly(text string) string {
	return strings.NewReplacer("’", "'", "‘", "'", "“", `"`, "”", `"`, "…", "", "...", "").Replace(strings.Join(strings.Fields(text), " "))
}

// shows waits until a person can read all of these words.
func (d *desk) shows(phrases ...string) {
	d.t.Helper()
	d.eventually(patience, fmt.Sprintf("show %q", phrases), func() error { return says(d.look(), phrases) })
}

// patience is for a computer that does much besides.
const patience = 90 * time.Second

// says looks for phrases among words.
func says(words []seen, phrases []string) error {
	read := plainly(text(words))
	for _, p := range phrases {
		if !strings.Contains(read, plainly(p)) {
			return fmt.Errorf("no %q; the display says: %s", p, read)
		}
	}
	return nil
}

// press clicks on words of one line until the display says what comes then. A
// click may go astray: what lies below may just have moved.
func (d *desk) press(phrase string, then ...string) {
	d.t.Helper()
	var clicked time.Time
	d.eventually(patience, fmt.Sprintf("have %q lead to %q", phrase, then), func() error {
		words := d.look()
		err := says(words, then)
		if err == nil && !clicked.IsZero() {
			return nil
		}
		x, y, ok := find(words, phrase)
		if !ok {
			return fmt.Errorf("no %q; the display says: %s", phrase, plainly(text(words)))
		}
		const again = 30 * time.Second // a slow window answers the first, and has another button there
		if time.Since(clicked) > again {
			d.click(x, y)
			clicked = time.Now()
		}
		if len(then) == 0 {
			return nil
		}
		return err
	})
}

func (d *desk) click(x, y int) {
	d.t.Helper()
	d.xdo("mousemove", fmt.Sprint(x), fmt.Sprint(y), "sleep", "0.2", "click", "1")
}

// find returns the middle of words on one line that are the phrase: best of a
// line that says nothing else, as buttons do, else the last there are.
func find(words []seen, phrase string) (x, y int, ok bool) {
	want, whole := strings.Fields(plainly(phrase)), false
	for i := range len(words) - len(want) + 1 {
		group := words[i : i+len(want)]
		match := true
		for j, w := range group {
			match = match && w.line == group[0].line && plainly(w.word) == want[j]
		}
		alone := (i == 0 || words[i-1].line != group[0].line) && (i+len(want) == len(words) || words[i+len(want)].line != group[0].line)
		if match && (alone || !whole) {
			x, y, ok, whole = (group[0].x+group[len(group)-1].x)/2, group[0].y, true, whole || alone
		}
	}
	return x, y, ok
}

// shot keeps a picture where pictures are wanted.
func (d *desk) shot(name string) {
	if *shots == "" {
		return
	}
	cmd := exec.Command("import", "-window", "root", filepath.Join(*shots, name+".png"))
	cmd.Env = d.environment()
	if out, err := cmd.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		d.t.Logf("no picture %s: %v: %s", name, err, out)
	}
}

// eventually waits as a node does, and keeps a picture of what did not happen.
func (d *desk) eventually(limit time.Duration, what string, probe func() error) {
	d.t.Helper()
	done := false
	defer func() {
		if !done {
			d.shot(d.name + "-failed")
		}
	}()
	d.node.eventually(limit, what, probe)
	done = true
}
